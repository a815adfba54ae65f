"""Trainings side by side outside of NNI: one process per core, one thread each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, TypeVar

from ednas_nni.data.produce import cores
from ednas_nni.errors import EdnasError

Job = TypeVar("Job", bound=tuple)


def results(
    function: Callable[..., Any], jobs: Sequence[Job], workers: int | None = None
) -> Iterator[tuple[Job, Any | EdnasError]]:
    """Call a function for every job.

    Args:
        function: Of a module, so that other processes find it; called as `function(*job)`.
        jobs: Its arguments, plain data that can be hashed.
        workers: Processes; one per core by default. 1 works in this process.

    Yields:
        Each job with what the function returned, or with our own error that it raised, in the order in which they end.
        Any other exception ends everything.
    """
    workers = min(len(jobs), workers or cores())
    if workers <= 1:
        for job in jobs:
            try:
                yield job, function(*job)
            except EdnasError as error:
                yield job, error
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when the workers load their libraries
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        futures = {pool.submit(function, *job): job for job in jobs}
        try:
            for future in as_completed(futures):
                error = future.exception()
                if error is not None and not isinstance(error, EdnasError):
                    raise error
                yield futures[future], error or future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _one_thread() -> None:
    """One training per core: threads inside would only get in the way."""
    import torch

    torch.set_num_threads(1)
