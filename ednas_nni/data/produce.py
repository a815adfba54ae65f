"""Fills the arrays of a data set, of many images in parallel, one interpreter per core, and shows how far it is.

Any source can use it: the rendered ones draw each image from a seed, the layouts on disk decode each image from files.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import ednas_nni.version
from ednas_nni.data.worker import FAILED, JOB, REJECTED, fill
from ednas_nni.errors import DataError

_WORKERS_FROM = 60
"""Fewer images than this are not worth the start of another interpreter: they are made in this one."""


def cores() -> int:
    """Number of processors this process may use."""
    # Not every system can say it, which only `hasattr` tells.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def produce(
    folder: Path,
    shapes: Mapping[str, tuple[str, tuple[int, ...]]],
    counts: Mapping[str, int],
    *,
    task: str,
    recipe: Mapping[str, object],
    title: str,
    progress: bool = True,
    workers: int | None = None,
) -> None:
    """Make all arrays of a data set.

    Args:
        folder: Empty folder that receives `<split>_<array>.npy`, each of shape `(count, *shape)`.
        shapes: Type and shape of one image by array name, e.g. `{"image": ("uint8", (64, 128, 3))}`.
        counts: Number of images by split.
        task: `module:function`. Each worker calls the function once with `recipe` and receives a function
            `one(split, index) -> {array: values}` that it calls for its share of the images; the values must have
            exactly the announced shapes. A `DataError` it raises reaches the user word by word.
        recipe: Plain JSON data for the task. Paths in it must be absolute, for workers run in `folder`.
        title: What the progress bar and error messages say, e.g. `rendering rooms`.
        progress: Show a bar on standard error when it takes longer than a moment.
        workers: Number of processes; `None` = one per core, none for a few images.

    Raises:
        DataError: An image could not be made; the last words of whoever made it are part of the message.
    """
    for split, count in counts.items():
        for name, (dtype, shape) in shapes.items():
            path = folder / f"{split}_{name}.npy"
            if count:
                np.lib.format.open_memmap(path, "w+", np.dtype(dtype), (count, *shape)).flush()
                if sys.platform == "linux":
                    # A mapped file is sparse: on a full disk a worker would die of SIGBUS where this says why.
                    with path.open("r+b") as file:
                        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            else:  # an empty file cannot be mapped
                np.save(path, np.empty((0, *shape), dtype), allow_pickle=False)
    total = sum(counts.values())
    # A file, because a list of thousands of names is too long for a command line.
    job = folder / JOB
    job.write_text(
        json.dumps({"arrays": list(shapes), "counts": dict(counts), "task": task, "recipe": recipe}), encoding="utf-8"
    )
    # In a log file a line now and then is enough.
    pause = 0.2 if sys.stderr.isatty() else 10.0
    bar = tqdm(
        total=total, desc=title, unit="image", delay=1.0, mininterval=pause, maxinterval=pause,
        disable=not progress, file=sys.stderr,
    )  # fmt: skip
    if workers is None and total < _WORKERS_FROM:
        try:
            with bar:
                fill(folder, 0, 1, bar.update)
        except DataError:
            raise
        except Exception as error:
            raise DataError(f"{title} failed: {type(error).__name__}: {error}") from error
        job.unlink()
        return
    logs = [folder / f"worker-{share}.log" for share in range(max(1, min(total, workers or cores())))]
    codes = _run(folder, logs, bar)
    if any(codes):
        code, log = next((code, log) for code, log in zip(codes, logs, strict=True) if code)
        words = log.read_text(encoding="utf-8", errors="replace").strip()
        if code == REJECTED and words:
            raise DataError(words)
        last = words.splitlines()[-1] if words else "it left no message, perhaps memory ran out"
        raise DataError(f"{title} failed in a worker process (exit code {code}): {last}")
    for left_over in (job, *logs):
        left_over.unlink()


def _run(folder: Path, logs: list[Path], bar: tqdm[Any]) -> list[int | None]:
    """Run one worker per log; return their exit codes, `None` for those that need not finish."""
    read_end, write_end = os.pipe()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, read_end)
        try:
            running = [
                stack.enter_context(_worker(folder, share, len(logs), write_end, log)) for share, log in enumerate(logs)
            ]
        finally:
            # With the workers' copies as the only ones left, the end of the last worker ends the stream.
            os.close(write_end)
        with bar:
            while chunk := os.read(read_end, 4096):
                if FAILED in chunk:
                    while not any(process.poll() for process in running):
                        time.sleep(0.01)
                    return [process.poll() for process in running]
                bar.update(len(chunk))
        return [process.wait() for process in running]


@contextlib.contextmanager
def _worker(folder: Path, share: int, shares: int, output: int, log: Path) -> Iterator[subprocess.Popen]:
    """Run one worker; it is ended when the block is left early, e.g. by Ctrl-C."""
    environment = dict(os.environ)
    package = str(Path(ednas_nni.version.__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, environment.get("PYTHONPATH"))))
    # One worker per core: threads inside a worker would only get in the way.
    environment.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    # glibc returns every large array to the system and fetches it again, page by page; keeping the memory makes
    # rendering about a fifth faster. Other systems ignore this.
    environment.setdefault("MALLOC_MMAP_THRESHOLD_", str(64 << 20))
    environment.setdefault("MALLOC_TRIM_THRESHOLD_", str(256 << 20))
    command = [sys.executable, "-m", "ednas_nni.data.worker", str(folder.resolve()), str(share), str(shares)]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment, cwd=folder
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            if process.poll() is None:
                process.kill()
                process.wait()
