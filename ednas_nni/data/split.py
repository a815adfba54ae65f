"""One split of a data set as plain arrays, and the protocol of a data source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from ednas_nni.data.info import SPLITS, DataInfo
from ednas_nni.errors import DataError, did_you_mean


@dataclass(frozen=True, eq=False)
class Split:
    """One split: arrays whose first axis counts images.

    The arrays are normally memory-mapped and read-only: indexing copies only the pages that are touched, and many
    processes share one copy in the page cache.

    Attributes:
        name: ``train``, ``search``, ``select`` or ``test``.
        info: Facts about the data set.
        arrays: ``image`` uint8 (N, H, W, 3) RGB; ``segmentation`` uint8 (N, H, W) with ``info.ignore_index`` for
            pixels without a class; ``depth`` float32 (N, H, W) in ``info.depth_unit``, 0 = invalid; ``normals``
            float16 or float32 (N, H, W, 3), unit vectors (x right, y up, z towards the camera), zero vector =
            invalid. Targets that the data set lacks are absent.
        opened_by: Who opened it; only the test split needs it.
    """

    name: str
    info: DataInfo
    arrays: Mapping[str, np.ndarray]
    opened_by: str | None = None

    def __post_init__(self) -> None:
        """Check that all arrays agree with the info.

        Raises:
            DataError: An array is missing or has another length or size than announced.
        """
        height, width = self.info.size
        for name in ("image", *self.info.targets):
            if name not in self.arrays:
                raise DataError(f"split {self.name!r} of {self.info.name!r} lacks the array {name!r} it announces")
            shape = self.arrays[name].shape
            if shape[:3] != (self.info.counts[self.name], height, width):
                raise DataError(
                    f"array {name!r} of split {self.name!r} has shape {shape}; expected "
                    f"({self.info.counts[self.name]}, {height}, {width}, ...)"
                )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.arrays["image"])

    def target(self, name: str) -> np.ndarray:
        """Return the array of one target (or ``image``).

        Args:
            name: ``image``, ``segmentation``, ``depth`` or ``normals``.

        Returns:
            The read-only array; see :attr:`arrays` for shapes and units.

        Raises:
            DataError: The data set has no such target.
        """
        if name not in self.arrays:
            raise DataError(f"data set {self.info.name!r} has no target {name!r}.{did_you_mean(name, self.arrays)}")
        return self.arrays[name]

    @property
    def image(self) -> np.ndarray:
        """RGB images, uint8 (N, H, W, 3)."""
        return self.target("image")

    @property
    def segmentation(self) -> np.ndarray:
        """Class labels, uint8 (N, H, W), ``info.ignore_index`` = no class."""
        return self.target("segmentation")

    @property
    def depth(self) -> np.ndarray:
        """Depth along the optical axis, float32 (N, H, W), 0 = invalid."""
        return self.target("depth")

    @property
    def normals(self) -> np.ndarray:
        """Surface normals, float16/float32 (N, H, W, 3), zero vector = invalid."""
        return self.target("normals")


@runtime_checkable
class DataSource(Protocol):
    """A data set that a study can name.

    Constructor arguments are plain data, so that a study file can hold them. Building one is cheap: nothing is
    rendered, downloaded or read before :meth:`prepare` or :meth:`split`.
    """

    info: DataInfo

    def prepare(self, progress: bool = True) -> None:
        """Make the data ready once for all processes of this machine."""

    def split(self, name: str, opened_by: str | None = None) -> Split:
        """Open one split; ``test`` needs ``opened_by``."""


def check_opening(name: str, opened_by: str | None) -> None:
    """Refuse a split that does not exist, and the test split without a named reader.

    Args:
        name: Name of the split.
        opened_by: Who reads it, e.g. ``final evaluation``.

    Raises:
        DataError: Unknown split, or ``test`` without ``opened_by``.
    """
    if name not in SPLITS:
        raise DataError(f"split is {name!r}, which does not exist.{did_you_mean(name, SPLITS)}")
    if name == "test" and not opened_by:
        raise DataError(
            "split 'test' is kept closed while a search runs, because numbers chosen on it would flatter; name who "
            "reads it, e.g. split('test', opened_by='final evaluation'), or use 'select' to pick among networks"
        )
