"""Why a trial failed: a few kinds, told by how the cause begins, and which of them another attempt may get over.

Standard library only. Whoever finds out a cause puts the kind's words in front of it; journal, report and strategy read
them there.
"""

from __future__ import annotations

import errno
import re

from ednas_nni.errors import EdnasError

CANCELLED = "cancelled"
DISK_FULL = "disk full"
DIVERGED = "diverged"
HOST_LOST = "host lost"
KILLED = "killed"
OUT_OF_MEMORY = "out of memory"
TIME_LIMIT = "time limit"
TRIAL_SERVER = "trial server"
UNDELIVERED = "undelivered"
ERROR = "error"

KINDS = (CANCELLED, DISK_FULL, DIVERGED, HOST_LOST, KILLED, OUT_OF_MEMORY, TIME_LIMIT, TRIAL_SERVER, UNDELIVERED)
PASSING = frozenset({DISK_FULL, HOST_LOST, KILLED, OUT_OF_MEMORY, TRIAL_SERVER, UNDELIVERED})
"""Kinds that say more about the machine at that moment than about the architecture. The others would come to the same
end, because a repeated training has the same seed."""

CAUSE = "ednas: error: "
"""How the line in a trial's error output begins that gives the cause of its failure."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")
_DIVERGED = re.compile(r"not finite|\b(is|was) (nan|-?inf)\b")
_DEPTH = 8
_LONGEST = 300  # characters


def kind(cause: str) -> str:
    """The kind of a cause; `ERROR` for one that begins with no known kind."""
    begin = next((name for name in KINDS if cause.startswith(name)), "")
    return begin or (DIVERGED if _DIVERGED.search(cause) else ERROR)


def passing(cause: str) -> bool:
    """Whether another attempt at the same training may end better."""
    return kind(cause) in PASSING


def cause_of(error: BaseException) -> str:
    """The cause that the exception which ended a trial gives, in one line.

    Errors behind it (`raise ... from`) are looked at too: a full disk or a lack of memory is the cause, whatever it was
    turned into. An error of ours speaks for itself; others are named by their type.
    """
    seen: BaseException | None = error
    for _ in range(_DEPTH):
        if seen is None:
            break
        if isinstance(seen, OSError) and seen.errno in _FULL:
            where = f" ({seen.filename})" if seen.filename else ""
            return f"{DISK_FULL}: {seen.strerror}{where}"
        if _lacks_memory(seen):
            return f"{OUT_OF_MEMORY}: {_line(seen) or 'the process may not have more'}"
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, EdnasError):
        return str(error)
    return f"{type(error).__name__}: {_line(error)}".removesuffix(": ")


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    of_system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return of_system or (isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MEMORY))


def _line(error: BaseException) -> str:
    """The first line of an exception that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:_LONGEST] if lines else ""
