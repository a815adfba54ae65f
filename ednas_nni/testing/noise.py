"""A data set of random pixels, for tests of seconds: `data: ednas_nni.testing.noise:Noise`."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ednas_nni.data import DataInfo, Split
from ednas_nni.data.source import check_opening

CLASSES = ("floor", "wall", "thing")


class Noise:
    """Images whose colour tells the targets: red = class and normal, green = depth in metres, blue = nothing.

    The size is (height, width) in pixels, `train` and `search` are numbers of images; nothing is stored in a cache.
    """

    def __init__(
        self,
        size: Sequence[int] = (32, 64),
        train: int = 16,
        search: int = 8,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        counts = {"train": train, "search": search, "select": 4, "test": 4}
        self.info = DataInfo(
            name="noise",
            size=(size[0], size[1]),
            classes=CLASSES,
            counts=counts,
            fingerprint=f"noise-{'x'.join(map(str, size))}-{train}-{search}",
        )

    def prepare(self, progress: bool = True) -> None:
        """Nothing is needed."""

    def split(self, name: str, opened_by: str | None = None) -> Split:
        """The images of a split; the same every time."""
        check_opening(name, opened_by)
        counts = self.info.counts
        rng = np.random.default_rng(list(counts).index(name))
        n, (height, width) = counts[name], self.info.size
        label = rng.integers(0, len(CLASSES), (n, height // 4, width // 4)).repeat(4, 1).repeat(4, 2).astype(np.uint8)
        depth = (1 + label + rng.random((n, 1, 1))).astype(np.float32)
        normals = np.array([[0, 0, 1], [1, 0, 0], [0, 0.6, 0.8]], np.float32)[label]
        image = np.stack([label * 100, depth * 50, rng.integers(0, 255, label.shape)], -1).astype(np.uint8)
        return Split(name, self.info, {"image": image, "segmentation": label, "depth": depth, "normals": normals})
