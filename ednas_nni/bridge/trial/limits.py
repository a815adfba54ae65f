"""What a trial may use of the machine: threads and time. Nothing heavy: it runs before numpy and torch are loaded."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ednas_nni.errors import TrialError
from ednas_nni.record.failures import TIME_LIMIT

TRIALS_HERE = "EDNAS_TRIALS_HERE"
"""Environment variable: trials at a time on this machine, where those of a search are spread over several."""
GRACE_S = 15.0  # a step of a large network on a slow core


def share_cores(concurrency: int) -> int:
    """Trials share the cores; more threads than cores make all of them crawl.

    Args:
        concurrency: Trials at a time of the whole search.

    Returns:
        Threads for this trial: OMP_NUM_THREADS where the user has set it, else an equal share of the cores that
        this process may use.
    """
    concurrency = int(os.environ.get(TRIALS_HERE, concurrency))
    given = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    threads = int(given) if given.isdecimal() and int(given) > 0 else max(1, cores // concurrency)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    return threads


@contextmanager
def time_limit(seconds: float | None, kill: bool = True) -> Iterator[None]:
    """End what runs inside the block after a number of seconds.

    An alarm raises the error in the main thread; code that neither returns to Python nor lets the error through within
    `GRACE_S` is ended with its process, by a thread that needs no interpreter.

    Args:
        seconds: > 0; None = no limit.
        kill: Whether the process may be ended; False where other things run in it too.

    Raises:
        TrialError: The time is up.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(number: int, frame: FrameType | None) -> None:
        raise TrialError(f"{TIME_LIMIT}: the trial did not end within {seconds:g} s (trial_time_limit_s)")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    if kill:
        faulthandler.dump_traceback_later(seconds + GRACE_S, exit=True, file=2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if kill:
            faulthandler.cancel_dump_traceback_later()
