"""One line of a journal, read as if a stranger had written it: plain JSON, known events, fields of the right kind.

Reports, resume and NNI's trials believe what a journal says. A line that is not what its event promises is an error
with a reason, never a surprise in one of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from typing import Any, NoReturn

from ednas_nni.errors import printable, shown

DIGITS = 300  # of a whole number: everything below fits a float
LATEST = 2.0**35  # seconds since 1970: beyond, no calendar has a date

_Check = Callable[[Any], bool]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _mappings(value: Any) -> bool:
    return isinstance(value, list) and all(map(_mapping, value))


def _texts(value: Any) -> bool:
    return _mapping(value) and all(map(_text, value.values()))


def _or_null(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


_ANY: dict[str, tuple[str, _Check]] = {
    "time": ("a time in seconds since 1970", lambda value: _number(value) and 0 <= value < LATEST),
    "job": ("a job id or null", _or_null(_text)),
    "trial": ("a trial number", _or_null(_count)),
    "architecture": ("an architecture id", _or_null(_text)),
    "sample": ("a mapping of choices", _or_null(_mapping)),
    "costs": ("a mapping of finite numbers", lambda value: _mapping(value) and all(map(_number, value.values()))),
    "metrics": ("a mapping of metrics", _mapping),
    "step": ("a number", _number),
    "cause": ("a text", _or_null(_text)),
    "text": ("a text", _or_null(_text)),
    "reason": ("a text", _or_null(_text)),
    "status": ("one of running, trained, failed, cancelled", _or_null(_text)),
    "mode": ("a text", _or_null(_text)),
    "study": ("a mapping", _mapping),
    # `domains` and `references` have readers of their own, and a report does without them.
    "columns": ("a list of costs", _or_null(_mappings)),
    "members": ("a mapping of texts", _or_null(_texts)),
    "weights": ("a mapping of texts", _or_null(_texts)),
    **dict.fromkeys(("ednas", "nni", "torch", "python", "environment", "digest"), ("a text", _text)),
}
_NEEDED = {
    "submitted": ("trial", "architecture", "sample"),
    "intermediate": ("trial", "metrics"),
    "result": ("trial", "metrics"),
    "ended": ("trial", "status"),
}


def entry_of(line: bytes | str, events: Collection[str], statuses: Collection[str]) -> dict[str, Any]:
    """The event that a line holds, its texts fit to print.

    Args:
        line: Without its end.
        events: Known events.
        statuses: What `ended` may say.

    Raises:
        ValueError: It is no event; the text says why.
    """
    try:
        entry = json.loads(line, parse_constant=_no_number, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested without end") from None
    if not isinstance(entry, dict) or "event" not in entry:
        raise ValueError(f"{shown(entry)} is no event")
    event = entry["event"]
    if not isinstance(event, str) or event not in events:
        raise ValueError(f"the event {shown(event)} is unknown")
    for name in ("time", *_NEEDED.get(event, ())):
        if entry.get(name) is None:
            raise ValueError(f"the event {event!r} lacks {name!r}")
    for name, value in entry.items():
        kind, check = _ANY.get(name, ("", None))
        if check is not None and not check(value):
            raise ValueError(f"{name} = {shown(value)} is not {kind}")
    if event == "ended" and entry["status"] not in statuses:
        raise ValueError(f"status = {shown(entry['status'])} is none of {', '.join(statuses)}")
    return _printable(entry)  # studies and search spaces cannot hold what this changes: identities stay


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(name): _printable(below) for name, below in value.items()}
    return [_printable(below) for below in value] if isinstance(value, list) else value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _whole(text: str) -> int:
    if len(text) > DIGITS:
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)
