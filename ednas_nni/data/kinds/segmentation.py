"""The label kind `segmentation`: one class per pixel, uint8, 255 = no class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ednas_nni.data.class_names import CLASSES_FILE
from ednas_nni.data.class_table import NEVER_CLASSES, not_whole
from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.data.kinds.base import Drafted, Drawing, LabelKind, LabelSurvey, LabelTable, Storage, Storing, percent
from ednas_nni.data.kinds.legend import FAINT, INK, ROW, font
from ednas_nni.data.palette import class_colors, color_classes
from ednas_nni.data.reading import read_map, wrong_ids
from ednas_nni.errors import DataError, quoted

if TYPE_CHECKING:
    from ednas_nni.data.targets import ClassMap

MOSTLY_IGNORED = 0.6


def _ignored(value: Any) -> tuple[int, ...]:
    """Parse the column `ignore`: stored values that are no class, beside 255 and -1."""
    values = value.split() if isinstance(value, str) else value if isinstance(value, list) else [value]
    try:
        if any(isinstance(v, bool) or int(v) != float(v) for v in values):
            raise ValueError
        return tuple(int(v) for v in values)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"ignore = {quoted(value)}: must be whole numbers separated by spaces, for example `0 255`."
        ) from None


class ClassSurvey(LabelSurvey):
    """Class labels of a split.

    Attributes:
        pixels: int64 (K,), labelled pixels of each class.
        images_with: int64 (K,), images in which it occurs.
    """

    def __init__(self, facts: LabelFacts) -> None:
        self._ignore = facts.ignore_index
        self.pixels = np.zeros(facts.num_classes, np.int64)
        self.images_with = np.zeros(facts.num_classes, np.int64)
        self._total = 0

    def add(self, values: NDArray[np.uint8]) -> bool:
        """Count one image."""
        counts = np.bincount(values.ravel(), minlength=256)
        if counts[self._ignore] == values.size:
            return False
        self.images += 1
        counts = counts[: len(self.pixels)]
        self.pixels += counts
        self.images_with += counts > 0
        self._total += values.size
        return True

    @property
    def ignored(self) -> float:
        """Share of all pixels without a class, images that lack the label left out."""
        return float(1 - self.pixels.sum() / self._total)


class ClassLabels(LabelKind[ClassSurvey]):
    """Classes."""

    name: ClassVar[str] = "segmentation"
    dtype: ClassVar[str] = "uint8"
    column: ClassVar[str] = "seg"
    details: ClassVar[Mapping[str, Callable[[Any], Any]]] = {"ignore": _ignored}
    words: ClassVar[frozenset[str]] = frozenset(
        {"seg", "segs", "segmentation", "segmentations", "semantic", "semantics", "label", "labels", "labelids", "mask",
         "masks", "gtfine", "annotation", "annotations"}
    )  # fmt: skip

    def invalid(self, facts: LabelFacts) -> float:
        """The ignored label."""
        return facts.ignore_index

    def valid(self, values: NDArray[np.uint8], facts: LabelFacts) -> NDArray[np.bool_]:
        """Pixels with a class."""
        return values != facts.ignore_index

    def tensor(self, rows: NDArray[np.uint8], facts: LabelFacts) -> ClassMap:
        """int64 (N, H, W)."""
        from ednas_nni.data.targets import class_batch  # torch: workers that decode images do without it

        return class_batch(rows)

    def read(self, path: Path, storage: Storage) -> NDArray[np.uint8]:
        """Read a grey or palette picture or `.npy` of whole numbers; uint8 (H, W), 255 = no class.

        Raises:
            DataError: It cannot be read, or holds a value that is neither a class nor ignored.
        """
        return storage.classes.labels(read_map(path), storage.details.get("ignore", ()), path)

    def fit(self, small: Array, stored: Array, across: float, facts: LabelFacts, where: str) -> NDArray[np.uint8]:
        """Check all of them, not only those that the resize happened to meet."""
        ids = np.unique(stored)
        wrong = ids[(ids != facts.ignore_index) & ((ids < 0) | (ids >= facts.num_classes))]
        if wrong.size:
            raise DataError(wrong_ids(where, wrong, facts.num_classes))
        return small.astype(np.uint8)

    def storing(self, rows: NDArray[np.uint8], facts: LabelFacts, exact: bool = False) -> Storing:
        """The labels themselves, 255 = no class."""
        return lambda values: (np.where(values == facts.ignore_index, np.uint8(255), values), {})

    def looks_like(self, values: Array) -> bool:
        """One whole number of 8 bits (or with a sign) per pixel."""
        return values.ndim == 2 and (values.dtype.kind in "bi" or values.dtype == np.uint8)

    def draft(self, paths: Sequence[Path], tick: Callable[[], object]) -> Drafted:
        """Collect the stored values of all class maps for classes.txt.

        Raises:
            DataError: The maps do not hold classes.
        """
        ids: set[int] = set()
        for path in paths:
            values = np.unique(read_map(path))
            if fault := not_whole(values):
                raise DataError(f"{path}: looks like a class map by its name, but {fault}")
            ids.update(int(value) for value in values if value == value)  # NaN is no class
            if len(ids) > 260:
                raise DataError(
                    f"{path}: with it the class maps hold more than 255 values; they are probably not class maps"
                )
            tick()
        classes = sorted(ids - set(NEVER_CLASSES))
        if not classes:
            return Drafted()
        text = "".join(f"{value}: class {value}\n" for value in classes)
        return Drafted(texts={CLASSES_FILE: text}, note=f"{len(classes)} classes; give them names in {CLASSES_FILE}")

    def drawing(self, values: NDArray[np.uint8], facts: LabelFacts) -> Drawing:
        """Colours by class name."""
        return ClassDrawing(facts.classes)

    def survey(self, facts: LabelFacts) -> ClassSurvey:
        """Counts by class."""
        return ClassSurvey(facts)

    def table(self, surveys: Mapping[str, ClassSurvey], facts: LabelFacts) -> LabelTable:
        """One row per class with its share of each split."""
        columns = [("label", "right"), ("class", "left"), *((f"% of {split}", "right") for split in surveys)]
        rows: list[list[str | float]] = []
        for label, name in enumerate(facts.classes):
            shares = [
                percent(one.pixels[label] / max(one.pixels.sum(), 1)) if one.images else "-" for one in surveys.values()
            ]
            images = int(surveys["train"].images_with[label]) if "train" in surveys else 0
            rows.append([str(label), name, *shares, str(images), "" if images else "never seen"])
        ignored = [percent(one.ignored) if one.images else "-" for one in surveys.values()]
        rows.append([str(facts.ignore_index), "no class (of all pixels)", *ignored, "", ""])
        return LabelTable(
            "Classes (share of labelled pixels)", [*columns, ("training images", "right"), ("", "left")], rows
        )

    def suspicions(self, train: ClassSurvey, facts: LabelFacts) -> Iterator[str]:
        """Classes that never occur, and pixels that mostly have none."""
        occur = [name for name, count in zip(facts.classes, train.pixels, strict=True) if count]
        never = [name for name in facts.classes if name not in occur]
        if len(occur) == 1:
            yield (
                f"every labelled pixel of 'train' is {occur[0]!r}: the label files are probably not what they should be"
            )
        elif never:
            yield f"{len(never)} classes never occur in 'train' and cannot be learned: {', '.join(never)}"
        if train.ignored > MOSTLY_IGNORED:
            yield (
                f"{100 * train.ignored:.0f} % of the pixels of 'train' have no class; are the class values, or the "
                "values to ignore, the right ones?"
            )


class ClassDrawing(Drawing):
    """Colours by class name; the legend lists the names in columns."""

    title = "segmentation"
    wide = True

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes

    def colors(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Colour one label map."""
        return color_classes(values, self.classes)

    def legend_height(self, width: int) -> int:
        """As many lines as the names need."""
        return 24 + ROW * (self.places(width)[-1][1] + 1)

    def places(self, width: int) -> list[tuple[int, int]]:
        """Return the place (x in pixels, row) of each class: columns as wide as their longest name."""
        lengths = [round(font(12).getlength(name)) + 30 for name in self.classes]
        for rows in range(1, len(lengths) + 1):
            widths = [max(lengths[begin : begin + rows]) for begin in range(0, len(lengths), rows)]
            if sum(widths) <= width or rows == len(lengths):
                lefts = [sum(widths[:column]) for column in range(len(widths))]
                # Spare room is shared by the columns.
                spare = max(0, width - sum(widths)) // len(widths)
                return [(lefts[i // rows] + spare * (i // rows), i % rows) for i in range(len(lengths))]
        return [(0, 0)]

    def legend(self, sheet: Image.Image, left: int, top: int, width: int) -> None:
        """Draw a square of its colour before each name."""
        draw, colors = ImageDraw.Draw(sheet), class_colors(self.classes)
        for index, (name, (x, row)) in enumerate(zip(self.classes, self.places(width), strict=False)):
            x, y = left + x, top + row * ROW
            draw.rectangle((x, y + 1, x + 12, y + 13), tuple(int(c) for c in colors[index]), FAINT)
            draw.text((x + 17, y), name, INK, font(12))
