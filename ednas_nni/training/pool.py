"""Trainings side by side outside of NNI: one process per core, one thread each."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as first_of
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import Pipe, get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import TypeVar

from ednas_nni.data.produce import cores
from ednas_nni.errors import EdnasError, TrialError
from ednas_nni.record.failures import OUT_OF_MEMORY, cause_of, kind

Job = TypeVar("Job", bound=tuple[object, ...])
Result = TypeVar("Result")


def results(
    function: Callable[..., Result], jobs: Sequence[Job] | deque[Job], workers: int | None = None
) -> Iterator[tuple[Job, Result | EdnasError]]:
    """Each job with what the function returned, or our own error that it raised, in the order in which they end.

    Jobs start in their order. Where they are a deque it is emptied, and whoever reads a result may put further jobs
    into it, at either end.

    Any other exception ends everything. The function is that of a module, so that other processes find it, and its
    arguments are plain data that can be hashed. There is one process per core by default; 1 works in this process, with
    one thread as well.

    Raises:
        TrialError: There was not memory enough, or a process was killed. What was yielded before stands.
    """
    try:
        queue, workers = jobs if isinstance(jobs, deque) else deque(jobs), workers or cores()
        yield from _here(function, queue) if workers == 1 else _beside(function, queue, workers)
    except (BrokenProcessPool, MemoryError, RuntimeError) as error:
        cause = cause_of(error)
        if isinstance(error, BrokenProcessPool):
            script = "a script was begun anew in it whose calls are not below `if __name__ == '__main__':`"
            cause = f"a process was killed, most likely for want of memory, or {script}"
        elif kind(cause) != OUT_OF_MEMORY:
            raise
        raise TrialError(
            f"{cause}. Fewer trainings side by side need less (--workers 1); those that ended stay."
        ) from error


def _here(function: Callable[..., Result], queue: deque[Job]) -> Iterator[tuple[Job, Result | EdnasError]]:
    import torch

    threads = torch.get_num_threads()
    while queue:
        job = queue.popleft()
        _one_thread()  # as in the processes, so that rounding does not depend on how many there are
        try:
            outcome: Result | EdnasError = function(*job)
        except EdnasError as error:
            outcome = error
        finally:
            torch.set_num_threads(threads)
        yield job, outcome


def _beside(
    function: Callable[..., Result], queue: deque[Job], workers: int
) -> Iterator[tuple[Job, Result | EdnasError]]:
    if not queue:
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when the workers load their libraries
    wanted, held = Pipe(duplex=False)
    # `held` is closed before the pool, which would wait for trainings that nobody wants any more.
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (wanted,)) as pool, held:
        running: dict[Future[Result], Job] = {}
        while queue or running:
            while queue and len(running) < workers:
                job = queue.popleft()
                running[pool.submit(function, *job)] = job
            for future in first_of(running, return_when=FIRST_COMPLETED).done:
                error = future.exception()
                if error is not None and not isinstance(error, EdnasError):
                    raise error
                yield running.pop(future), error or future.result()


def _begin(wanted: Connection) -> None:
    """Of each process: it ends with the one that asked for it, or where that one closes its end of the connection.

    A pool would let it finish its training first, and Lightning takes SIGTERM only between two steps.
    """
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel, wanted), daemon=True).start()
    _one_thread()


def _end_with(*ends: int | Connection) -> None:
    wait(ends)
    os._exit(1)


def _one_thread() -> None:
    """One training per core: threads inside would only get in the way."""
    import torch

    torch.set_num_threads(1)
