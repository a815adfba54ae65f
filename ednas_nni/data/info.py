"""What a data set tells about itself before a single image is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from ednas_nni import plugins
from ednas_nni.errors import DataError

Array = NDArray[Any]
"""An array whose type of elements depends on the kind of label: integers for classes, floats for depth."""

SPLITS: tuple[str, ...] = ("train", "search", "select", "test")
"""Names of the four disjoint splits.

`train` fits weights, `search` scores candidates, `select` picks among the finalists and `test` is opened only by a
final evaluation.
"""

TARGETS: tuple[str, ...] = ("segmentation", "depth", "normals")
"""The label kinds that come with EDNAS, in the order in which tables and pictures show them; others follow by name."""

IGNORE_INDEX = 255
"""The label of pixels without a class, in arrays and in batches."""

DepthKind = Literal["metric", "inverse", "disparity"]
DEPTH_KINDS: tuple[DepthKind, ...] = ("metric", "inverse", "disparity")


def in_order(names: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Sort names of label kinds: those of `TARGETS` first."""
    return tuple(sorted(names, key=lambda name: (TARGETS.index(name) if name in TARGETS else len(TARGETS), name)))


def checked_size(size: object) -> tuple[int, int]:
    """Return the (height, width) of the images that a data set shall make: whole pixels from 8 to 4096."""
    if (
        not isinstance(size, (tuple, list))
        or len(size) != 2
        or any(not isinstance(n, int) or not 8 <= n <= 4096 for n in size)
    ):
        raise DataError(f"size is {size!r}; it must be (height, width) in whole pixels, both from 8 to 4096")
    return size[0], size[1]


@dataclass(frozen=True, kw_only=True)
class LabelFacts:
    """What labels (`targets`: names of label kinds) a data set has and what their values mean.

    Attributes:
        classes: Class names; the index is the label value in the segmentation map.
        ignore_index: Label value of pixels without a class.
        depth_kind: `metric` (a length), `inverse` (1/length) or `disparity` (pixels).
        depth_unit: Unit of the stored depth, e.g. `m`. 0 always means invalid.
        depth_max: Largest valid depth in `depth_unit`; sources set labels beyond to 0. None: no bound.
        trusted: Labels that no camera could have seen, or that contradict each other, are accepted.
    """

    targets: tuple[str, ...] = TARGETS
    classes: tuple[str, ...] = ()
    ignore_index: int = IGNORE_INDEX
    depth_kind: DepthKind = "metric"
    depth_unit: str = "m"
    depth_max: float | None = None
    trusted: bool = False

    def __post_init__(self) -> None:
        kinds = plugins.names("label_kinds")
        if not kinds:
            raise DataError(
                "no label kinds are registered: this code is newer than the installed entry points; install "
                "EDNAS again, e.g. pip install -e ."
            )
        unknown = [name for name in self.targets if name not in kinds]
        if unknown:
            raise DataError(
                f"targets holds {unknown}; allowed are the registered label kinds {', '.join(in_order(kinds))}"
            )
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


@dataclass(frozen=True, kw_only=True)
class DataInfo(LabelFacts):
    """Facts about a data set that tasks, networks and reports need.

    Attributes:
        size: Image height and width in pixels, (H, W); `counts` are images by split.
        fingerprint: Hex digest that names the data set before anything is read: equal options, names and sizes of
            files, equal fingerprint.
        content: Reads what `identity` is made of, where the fingerprint alone does not tell what the arrays hold.
    """

    name: str
    size: tuple[int, int]
    counts: dict[str, int]
    fingerprint: str
    content: Callable[[], str] | None = field(default=None, compare=False, repr=False)

    @property
    def identity(self) -> str:
        """The key of all that is measured on the data: priors, lambdas, baselines, the results in a journal.

        For files on disk a digest of the decoded arrays, so the data set is prepared where it was not yet; for what is
        drawn from a recipe, such as rendered scenes, the fingerprint.
        """
        return self.fingerprint if self.content is None else self.content()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.size) != 2 or any(not isinstance(n, int) or n < 1 for n in self.size):
            raise DataError(f"size is {self.size!r}; it must be (height, width) in whole pixels, both at least 1")
