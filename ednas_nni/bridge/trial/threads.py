"""How many threads a trial may use. Imports nothing heavy: it must run before numpy and torch are loaded."""

from __future__ import annotations

import os


def share_cores(concurrency: int) -> int:
    """Trials share the cores; more threads than cores make all of them crawl.

    Args:
        concurrency: Trials at a time.

    Returns:
        Threads for this trial: OMP_NUM_THREADS where the user has set it, else an equal share of the cores that
        this process may use.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = int(given) if given.isdecimal() and int(given) > 0 else max(1, cores // concurrency)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    return threads
