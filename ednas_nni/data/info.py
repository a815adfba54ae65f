"""What a data set tells about itself before a single image is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ednas_nni.errors import DataError

SPLITS: tuple[str, ...] = ("train", "search", "select", "test")
"""Names of the four disjoint splits.

``train`` fits weights, ``search`` scores candidates, ``select`` picks among the finalists and ``test`` is opened
only by a final evaluation.
"""

TARGETS: tuple[str, ...] = ("segmentation", "depth", "normals")
"""Names of the dense targets that a data set may carry."""

IGNORE_INDEX = 255
"""The label of pixels without a class, in arrays and in batches."""

DEPTH_KINDS: tuple[str, ...] = ("metric", "inverse", "disparity")


@dataclass(frozen=True)
class DataInfo:
    """Facts about a data set that tasks, networks and reports need.

    Attributes:
        name: Name of the data set, e.g. ``rooms``.
        size: Image height and width in pixels, ``(H, W)``.
        classes: Class names; the index is the label value in the segmentation map.
        counts: Number of images of each split.
        fingerprint: Hex digest that names the data: equal recipe, equal fingerprint.
        targets: Names of the targets that are present, in the order of :data:`TARGETS`.
        ignore_index: Label value of pixels without a class.
        depth_kind: ``metric`` (a length), ``inverse`` (1/length) or ``disparity`` (pixels).
        depth_unit: Unit of the stored depth, e.g. ``m``. 0 always means invalid.
        depth_max: Largest valid depth in ``depth_unit``; sources set labels beyond to 0. ``None`` = no bound.
    """

    name: str
    size: tuple[int, int]
    classes: tuple[str, ...]
    counts: dict[str, int]
    fingerprint: str
    targets: tuple[str, ...] = TARGETS
    ignore_index: int = 255
    depth_kind: Literal["metric", "inverse", "disparity"] = "metric"
    depth_unit: str = "m"
    depth_max: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that no data set can have.

        Raises:
            DataError: A field lies outside what is allowed.
        """
        if len(self.size) != 2 or any(not isinstance(n, int) or n < 1 for n in self.size):
            raise DataError(f"size is {self.size!r}; it must be (height, width) in whole pixels, both at least 1")
        unknown = [name for name in self.targets if name not in TARGETS]
        if unknown:
            raise DataError(f"targets holds {unknown}; allowed are {', '.join(TARGETS)}")
        if self.depth_kind not in DEPTH_KINDS:
            raise DataError(f"depth_kind is {self.depth_kind!r}; allowed are {', '.join(DEPTH_KINDS)}")
        if not 0 <= self.ignore_index <= 255 or self.ignore_index < len(self.classes):
            raise DataError(
                f"ignore_index is {self.ignore_index}; it must fit a byte (0..255) and lie above the "
                f"{len(self.classes)} class labels"
            )

    @property
    def num_classes(self) -> int:
        """Number of segmentation classes."""
        return len(self.classes)
