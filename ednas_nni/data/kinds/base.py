"""The contract of a label kind. Whoever fits, moves, draws, checks, spoils or writes labels asks the kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data.class_table import ClassTable
from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.errors import DataError, quoted

if TYPE_CHECKING:
    from PIL import Image

    from ednas_nni.data.targets import Label

OPEN = "?"
"""A cell of a manifest that a user must fill before the manifest is read."""

Storing = Callable[[Array], tuple[Array, dict[str, str]]]


@dataclass(frozen=True)
class Storage:
    """What a manifest and the data set's options say of how a label is stored.

    Attributes:
        details: Cells of the image's row in the columns that the kind declares, parsed; empty ones are left out.
        classes: Which class a stored value is.
        normal_axes: What the channels of normals hold: x right, y up, z towards the camera.
        image: The file of the image that the label belongs to.
        upright: Whether the image is turned as its EXIF orientation says.
    """

    details: Mapping[str, Any] = field(default_factory=dict)
    classes: ClassTable = field(default_factory=lambda: ClassTable({}))
    normal_axes: Sequence[str] = ("x", "y", "z")
    image: Path | None = None
    upright: bool = True


@dataclass(frozen=True)
class Drafted:
    """What a look at the files of a label tells for a drafted manifest; texts have one line each.

    Attributes:
        cells: Cells of further columns, the same for every image; `each` has those of each file.
        guess: What was assumed and why.
        texts: Further files to write, by name; `note` says what the user is to do with them.
        asks: What nothing tells: those cells are `OPEN`, and the manifest is not read before they are filled.
        refused: Files that are not of this kind or cannot be read, with the reason, of which the first is said; the
            others are looked at again.
    """

    cells: Mapping[str, str] = field(default_factory=dict)
    guess: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    each: Sequence[Mapping[str, str]] = ()
    asks: str = ""
    refused: Mapping[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelTable:
    """What `ednas data check` prints about a label.

    The columns say to which side their cells are flush, left or right; numbers are printed with three to four digits.
    """

    title: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str | float]]


class Drawing(ABC):
    """How the labels on one sheet are drawn; made for all of them together, so that they share their colours' scale.

    A `wide` legend takes the room below the images, too, where the label stands beside them.
    """

    title: str
    wide: bool = False

    @abstractmethod
    def colors(self, values: Array) -> NDArray[np.uint8]:
        """Colour one label; uint8 (H, W, 3), invalid pixels black."""

    def legend_height(self, width: int) -> int:
        """Return the height in pixels of the legend."""
        return 64

    def legend(self, sheet: Image.Image, left: int, top: int, width: int) -> None:  # noqa: B027  (not abstract)
        """Draw the legend; by default there is none."""


class LabelSurvey(ABC):
    """Sums up the labels of a split, image by image."""

    images: int = 0
    """Number of images that have the label."""

    spread: float = 0.0
    """Standard deviation over images of the score (0 to 1) of one and the same prediction for all; 0 = not known."""

    @abstractmethod
    def add(self, values: Array) -> bool:
        """Add one image; return whether it has a valid pixel."""


class ValidSurvey(LabelSurvey):
    """Counts valid pixels."""

    def __init__(self) -> None:
        self._valid = self._total = 0

    def count(self, valid: NDArray[np.bool_]) -> bool:
        """Count the pixels of one image; return whether one of them is valid."""
        if not valid.any():
            return False
        self.images += 1
        self._valid += int(valid.sum())
        self._total += valid.size
        return True

    @property
    def valid(self) -> float:
        """Share of valid pixels, images that lack the label left out."""
        return self._valid / self._total


S = TypeVar("S", bound=LabelSurvey)


class LabelKind(ABC, Generic[S]):
    """One kind of dense label: what its values are and what may be done to them.

    A data set has at most one label of a kind; the kind's name is that of its arrays. Register the class under that
    name in the entry-point group `ednas_nni.label_kinds`. A kind has no state; what differs between data sets comes as
    `LabelFacts`. docs/adding_a_data_set.md has a complete example, `ednas_nni.testing.label_kinds` the suite.

    Attributes:
        name: Name of the arrays.
        dtype: numpy type of the arrays in the cache.
        channels: Array per pixel as a trailing shape: () or e.g. (3,).
        column: Column of a manifest that names its files.
        mask: Column that names files of the same shape: the label is valid where they are not 0; "" = none.
        details: Parsers of further columns by name: cell -> plain value; `ValueError` = wrong, with the reason.
        same: Those of `details` that must be the same for all images, with the value of an empty cell.
        words: Words in paths and headings that tell files of this kind, in lower case.
        sensed: Comes from a depth sensor, so that its holes are holes of this label.
    """

    name: ClassVar[str]
    dtype: ClassVar[str]
    channels: ClassVar[tuple[int, ...]] = ()
    column: ClassVar[str]
    mask: ClassVar[str] = ""
    details: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    same: ClassVar[Mapping[str, Any]] = {}
    words: ClassVar[frozenset[str]] = frozenset()
    sensed: ClassVar[bool] = False

    # ---- Arrays

    def invalid(self, facts: LabelFacts) -> float:
        """Return the value (in all channels) of pixels without a label."""
        return 0

    def empty(self, size: tuple[int, int], facts: LabelFacts) -> Array:
        """Return what stands for the label of an image that lacks it: (H, W[, C]), invalid everywhere."""
        return np.full((*size, *self.channels), self.invalid(facts), self.dtype)

    @abstractmethod
    def valid(self, values: Array, facts: LabelFacts) -> NDArray[np.bool_]:
        """Return which pixels have a label: bool (..., H, W) of values (..., H, W[, C])."""

    @abstractmethod
    def tensor(self, rows: Array, facts: LabelFacts) -> Label:
        """Return a typed batch (N, [C,] H, W) of arrays (N, H, W[, C]); its type says how it moves. Imports torch."""

    # ---- Files

    @abstractmethod
    def read(self, path: Path, storage: Storage) -> Array:
        """Read the file that a manifest names, at its own resolution; a DataError names it."""

    @abstractmethod
    def fit(self, small: Array, stored: Array, across: float, facts: LabelFacts, where: str) -> Array:
        """Check values and bring them into the arrays' type, invalid where they say nothing.

        Of the label `stored` at its own resolution, `small` are the nearest pixels at the size of the arrays, so that
        no value is invented; `across` is the width of `small` divided by the width that it shows. Messages name the
        file `where`.
        """

    @abstractmethod
    def storing(self, rows: Array, facts: LabelFacts, exact: bool = False) -> Storing:
        """Return the function that makes of a label what `read` reads: an array and cells of the columns `details`.

        The array fits a picture, or holds floats for `.npy`. `rows` are all labels (N, H, W[, C]) that shall be stored
        alike; `exact` asks for floats rather than whole numbers that lose a little.
        """

    def may_read(self, path: Path, values: int) -> bool:
        """Say whether a picture or array with so many values per pixel may be of this kind; grey may lie in colours."""
        if self.channels:
            return values in ((3, 4) if self.channels == (3,) else self.channels)
        from ednas_nni.data.reading import read_map  # PIL comes with it

        try:
            return values == 1 or bool(len(read_map(path)))
        except DataError:
            return False

    def annotated(
        self, folder: Path, images: Sequence[str], others: Sequence[Path], left: dict[str, list[Path]]
    ) -> Mapping[str, Path]:
        """Return which of a folder's `others`, files that are no pictures, is the label of an image, by image.

        Paths count from the folder. `left` gets, by reason, what has no place in a manifest. By default there are none.
        """
        return {}

    def looks_like(self, values: Array) -> bool:
        """Say whether a file's values, (H, W) or (H, W, C), look like this kind. By default only its name tells."""
        return False

    def draft(self, paths: Sequence[Path], tick: Callable[[], object]) -> Drafted:
        """Look at files of this kind for the draft of a manifest; `tick` is called for each one read."""
        return Drafted()

    def question(self, column: str, paths: Sequence[Path]) -> str:
        """Return what an open cell of one of the `details` asks, given the files of its rows; one line each."""
        return ""

    # ---- Pictures and numbers

    @abstractmethod
    def drawing(self, values: Array, facts: LabelFacts) -> Drawing:
        """Return how the labels (N, H, W[, C]) of one sheet are drawn."""

    @abstractmethod
    def survey(self, facts: LabelFacts) -> S:
        """Return what sums up the labels of one split."""

    @abstractmethod
    def table(self, surveys: Mapping[str, S], facts: LabelFacts) -> LabelTable:
        """Return what is printed of the surveys by split; one without an image has nothing to tell."""

    def suspicions(self, train: S, facts: LabelFacts) -> Iterable[str]:
        """Return what is probably not meant, given the survey of a training split with at least one label."""
        return ()


def several(name: str, kind: type[int] | type[float], must: str) -> Callable[[Any], tuple[float, ...]]:
    """Return the parser of a column that holds several stored values, such as `0 255`, or a single one."""

    def parse(value: Any) -> tuple[float, ...]:
        values = value.split() if isinstance(value, str) else value if isinstance(value, list) else [value]
        try:
            if any(isinstance(v, bool) or (kind is int and int(v) != float(v)) for v in values):
                raise ValueError
            return tuple(map(kind, values))
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{name} = {quoted(value)}: must be {must}.") from None

    return parse


def by_split(
    title: str, names: Sequence[str], surveys: Mapping[str, S], cells: Callable[[S], Sequence[str | float]]
) -> LabelTable:
    """Return a table with one row per split: its cells, dashes where no image has the label."""
    rows = [[split, *(cells(one) if one.images else ["-"] * len(names))] for split, one in surveys.items()]
    return LabelTable(title, [("split", "left"), *((name, "right") for name in names)], rows)


def percent(share: float) -> str:
    """Return a share in percent, with more digits where it is small."""
    value = 100 * float(share)
    return "0" if value == 0 else f"{value:.1f}" if value >= 0.1 else f"{value:.2g}"
