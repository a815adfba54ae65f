"""Runs the rendering workers and shows how far they are."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

import ednas_nni
from ednas_nni.errors import DataError

_SHAPES = {
    "image": (np.uint8, (3,)),
    "segmentation": (np.uint8, ()),
    "depth": (np.float32, ()),
    "normals": (np.float16, (3,)),
}
_ONE_WORKER_BELOW = 60
"""Fewer images than this are not worth the start of a second interpreter."""


def cores() -> int:
    """Number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def produce(folder: Path, recipe: Mapping[str, object], progress: bool) -> None:
    """Render a whole data set.

    Args:
        folder: Empty folder that receives ``<split>_<target>.npy``.
        recipe: As made by :meth:`ednas_nni.data.rooms.source.Rooms.recipe`.
        progress: Show a bar on standard error when it takes longer than a moment.

    Raises:
        DataError: A worker failed; its last words are part of the message.
    """
    counts: Mapping[str, int] = recipe["counts"]
    for split, count in counts.items():
        for target, (dtype, tail) in _SHAPES.items():
            shape = (count, *recipe["size"], *tail)
            np.lib.format.open_memmap(folder / f"{split}_{target}.npy", "w+", dtype, shape).flush()
    total = sum(counts.values())
    shares = cores() if total >= _ONE_WORKER_BELOW else 1
    read_end, write_end = os.pipe()
    logs = [folder / f"worker-{share}.log" for share in range(shares)]
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, read_end)
        try:
            workers = [
                stack.enter_context(_worker(folder, recipe, share, shares, write_end, log))
                for share, log in enumerate(logs)
            ]
        finally:
            # With the workers' copies as the only ones left, the end of the last worker ends the stream.
            os.close(write_end)
        # In a log file a line now and then is enough.
        pause = 0.2 if sys.stderr.isatty() else 10.0
        bar = tqdm(
            total=total, desc="rendering rooms", unit="image", delay=1.0, mininterval=pause, maxinterval=pause,
            disable=not progress, file=sys.stderr,
        )  # fmt: skip
        with bar:
            while chunk := os.read(read_end, 4096):
                bar.update(len(chunk))
        codes = [worker.wait() for worker in workers]
    if any(codes):
        words = next(log.read_text(errors="replace").strip() for log, code in zip(logs, codes, strict=True) if code)
        raise DataError(
            f"rendering the rooms failed in a worker process (exit code {next(c for c in codes if c)}): "
            f"{words.splitlines()[-1] if words else 'it left no message, perhaps memory ran out'}"
        )
    for log in logs:
        log.unlink()


@contextlib.contextmanager
def _worker(
    folder: Path, recipe: Mapping[str, object], share: int, shares: int, output: int, log: Path
) -> Iterator[subprocess.Popen]:
    """Run one worker; it is ended when the block is left early, e.g. by Ctrl-C."""
    environment = dict(os.environ)
    package = str(Path(ednas_nni.__file__).resolve().parents[1])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, environment.get("PYTHONPATH"))))
    # One worker per core: threads inside a worker would only get in the way.
    environment.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    command = [
        sys.executable,
        "-m",
        "ednas_nni.data.rooms.worker",
        str(folder.resolve()),
        json.dumps(recipe),
        str(share),
        str(shares),
    ]
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
