"""Milliseconds of a file on this machine, and a watch on whether the machine kept its speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WARM_UP = 5
SECONDS = 2.0
RUNS = (30, 500)
THROTTLED = 1.1
"""A machine is called slower at the end where the first file then takes this much longer than at the start."""


@dataclass(frozen=True)
class Milliseconds:
    """Wall-clock times of single inferences.

    Attributes:
        median: Half of the runs were faster.
        upper90: Nine of ten runs were faster.
        runs: How many were timed, after `WARM_UP` others.
        processor: Processor time over wall-clock time: well below the number of threads where other work ran.
    """

    median: float
    upper90: float
    runs: int
    processor: float


def timed(run: Callable[[], object], seconds: float = SECONDS) -> Milliseconds:
    """Time one inference of one image again and again: about so many seconds at most, but at least `RUNS[0]` runs."""
    for _ in range(WARM_UP):
        run()
    times: list[float] = []
    started, worked = time.perf_counter(), time.process_time()
    while len(times) < RUNS[0] or (len(times) < RUNS[1] and time.perf_counter() - started < seconds):
        before = time.perf_counter()
        run()
        times.append(time.perf_counter() - before)
    middle, upper = np.quantile(times, (0.5, 0.9)) * 1e3
    processor = (time.process_time() - worked) / (time.perf_counter() - started)
    return Milliseconds(float(middle), float(upper), len(times), processor)
