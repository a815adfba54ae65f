"""Where the seconds of a trial go, beside its log: `phases.json`. Standard library only."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

BEGUN = "EDNAS_TRIAL_BEGUN"
"""Environment variable: when NNI started this trial's process, where the trial is a child of another one."""
FILE = "phases.json"


def process_begun() -> float:
    """When this process was started, in seconds since the epoch; now where that cannot be known."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
        ticks = int(stat.rpartition(")")[2].split()[19])
        up = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
        return time.time() - up + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.time()


class Phases:
    """Seconds of each phase, in order; a phase lasts from the mark before it to its own."""

    def __init__(self) -> None:
        self._last = float(os.environ[BEGUN]) if BEGUN in os.environ else process_begun()
        self.seconds: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """End a phase. One that is named twice is added up."""
        now = time.time()
        self.seconds[name] = self.seconds.get(name, 0.0) + max(0.0, now - self._last)
        self._last = now

    def write(self) -> None:
        """Write them into the trial's folder; a full disk must not fail a trial that has reported."""
        folder = os.environ.get("NNI_OUTPUT_DIR")
        if not folder:
            return
        try:
            (Path(folder) / FILE).write_text(json.dumps(self.seconds) + "\n", encoding="utf-8")
        except OSError:
            return
