"""Processes by number and moment of their start, so that a reused number is not taken for an old acquaintance.

Standard library only: the Advisor and a trial's client load this before anything else.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MANAGER = "EDNAS_MANAGER"
"""Environment variable: the NNI manager that started a trial, as `Process.text` gives it."""

CALL = "EDNAS_CALL"
"""Environment variable of trials on other machines: base of the manager's REST interface at their end of a tunnel."""
BIN = Path(sys.executable).absolute().parent
"""Where programs of this environment lie; not resolved: a virtual environment's python is a link."""
GONE_S = 5.0
_ENDED = ("Z", "X")


@dataclass(frozen=True)
class Process:
    """One process of this machine: its number, and when it began, in clock ticks since the machine did."""

    pid: int
    started: int

    @property
    def text(self) -> str:
        """For files and environments."""
        return f"{self.pid}:{self.started}"

    @classmethod
    def parse(cls, text: object) -> Process | None:
        """What `text` gave; None for anything else."""
        if not isinstance(text, str) or len(text) > 40:
            return None
        pid, _, started = text.partition(":")
        if not (pid.isdecimal() and started.isdecimal()):
            return None
        return cls(int(pid), int(started))

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The living process with a number; None where there is none."""
        fields = _stat(pid)
        return None if fields is None or fields[0] in _ENDED else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether it still runs; one that has ended and was not collected by its parent does not."""
        return Process.of(self.pid) == self

    def end(self, seconds: float = GONE_S) -> bool:
        """Kill it, with its session where it leads one, and wait; returns whether it is gone."""
        if self.alive:
            with suppress(ProcessLookupError, PermissionError):
                if os.getpgid(self.pid) == self.pid and os.getsid(self.pid) == self.pid:
                    os.killpg(self.pid, signal.SIGKILL)
                else:
                    os.kill(self.pid, signal.SIGKILL)
        limit = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > limit:
                return False
            time.sleep(0.02)
        return True


def parent_of(pid: int) -> int:
    """Process id of the parent; 0 where it cannot be known."""
    fields = _stat(pid)
    return 0 if fields is None else int(fields[1])


def manager_command(words: Sequence[str]) -> dict[str, str]:
    """What NNI's manager was told on its command line, such as `experiment-id`; {} for any other program."""
    main = next((i for i, word in enumerate(words) if word.endswith("nni_node/main.js")), None)
    if main is None:
        return {}
    names, values = words[main + 1 :: 2], words[main + 2 :: 2]
    return {name.removeprefix("--"): value for name, value in zip(names, values, strict=False)}


def manager_of(pid: int) -> Process | None:
    """The nearest process, from `pid` upwards, that is NNI's manager."""
    while pid > 1:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        except OSError:
            return None
        if manager_command(words):
            return Process.of(pid)
        pid = parent_of(pid)
    return None


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on (proc(5), field 3); None where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
