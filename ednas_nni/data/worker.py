"""Fills a share of the arrays of a data set; run as `python -m` by `ednas_nni.data.produce.produce`.

A fresh interpreter per worker works the same from a shell, a notebook, a thread or a daemon, copies no locks or
torch state of its parent, and images go straight into the mapped files instead of through a pipe. One byte on
standard output tells that one image is done; when the parent is gone, writing it fails and the worker ends.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ednas_nni.errors import DataError

JOB = "job.json"
"""File in the folder that tells the workers what to do."""

REJECTED = 3
"""Exit code of a worker whose last words are meant for the user."""

DONE, FAILED = b".", b"!"
"""What a worker writes to standard output after each image, and before it ends early."""


def fill(folder: Path, share: int, shares: int, done: Callable[[], object]) -> None:
    """Make every `shares`-th image, beginning with number `share`; the folder holds job and arrays.

    `done` is called after each image.
    """
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    module, _, function = job["task"].partition(":")
    one = getattr(importlib.import_module(module), function)(job["recipe"])
    # Shares continue across splits, so that small splits do not all fall to the first worker.
    before = 0
    for split, count in job["counts"].items():
        mine = range((share - before) % shares, count, shares)
        before += count
        if not mine:
            continue
        arrays = {
            name: np.load(folder / f"{split}_{name}.npy", mmap_mode="r+", allow_pickle=False) for name in job["arrays"]
        }
        for index in mine:
            values = one(split, index)
            for name, array in arrays.items():
                if np.shape(values[name]) != array.shape[1:]:
                    raise DataError(
                        f"image {index} of split {split!r}: array {name!r} has shape {np.shape(values[name])} instead "
                        f"of {array.shape[1:]}"
                    )
                array[index] = values[name]
            done()
        for array in arrays.values():
            array.flush()


def tell(word: bytes) -> None:
    """Say something to the parent."""
    sys.stdout.buffer.write(word)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:
        fill(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), partial(tell, DONE))
    except Exception as error:
        tell(FAILED)  # the others need not go on: the parent ends them when it reads this
        if not isinstance(error, DataError):
            raise
        print(error, file=sys.stderr)
        sys.exit(REJECTED)
