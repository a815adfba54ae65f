"""Renders a share of a data set into arrays that exist already; run as ``python -m`` by the source.

A fresh interpreter per worker works the same from a shell, a notebook, a thread or a daemon, copies no locks or
torch state of its parent, and images go straight into the mapped files instead of through a pipe. One byte on
standard output tells that one image is done; when the parent is gone, writing it fails and the worker ends.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from ednas_nni.data.info import SPLITS
from ednas_nni.data.rooms.render import render
from ednas_nni.data.seeds import split_seeds


def fill(folder: Path, recipe: dict, share: int, shares: int) -> None:
    """Render every ``shares``-th image, beginning with number ``share``.

    Args:
        folder: Holds the arrays ``<split>_<target>.npy``.
        recipe: As made by :meth:`ednas_nni.data.rooms.source.Rooms.recipe`.
        share: Number of this worker.
        shares: Number of workers.
    """
    seeds = split_seeds(recipe["seed"], recipe["counts"])
    size = tuple(recipe["size"])
    done = sys.stdout.buffer
    for name in SPLITS:
        arrays = {
            target: np.load(folder / f"{name}_{target}.npy", mmap_mode="r+", allow_pickle=False)
            for target in ("image", "segmentation", "depth", "normals")
        }
        for index in range(share, len(seeds[name]), shares):
            picture = render(int(seeds[name][index]), size, recipe["shadows"])
            for target, array in arrays.items():
                array[index] = getattr(picture, target)
            done.write(b".")
            done.flush()
        for array in arrays.values():
            array.flush()


if __name__ == "__main__":
    fill(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
