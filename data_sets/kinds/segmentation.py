"""The label kind `segmentation`: one class per pixel, uint8, 255 = no class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from data_sets.annotations.formats import is_annotations
from data_sets.annotations.masks import VOC, colours, in_few_colours, mode, names_of_values
from data_sets.annotations.reading import assigned, drafted, painted
from ednas_nni.data.class_names import CLASSES_FILE
from ednas_nni.data.class_table import COLOUR, IGNORED, NEVER_CLASSES, not_whole, written
from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.data.kinds.base import (
    Drafted,
    Drawing,
    LabelKind,
    LabelSurvey,
    LabelTable,
    Storage,
    Storing,
    percent,
    several,
)
from ednas_nni.data.palette import FAINT, INK, ROW, class_colors, color_classes, font
from ednas_nni.data.reading import is_npy, read_map, wrong_ids
from ednas_nni.errors import DataError

if TYPE_CHECKING:
    from ednas_nni.data.targets import ClassMap

MOSTLY_IGNORED = 0.6
SMOOTH_LEVELS, SMOOTH_STEPS = 16, 0.5
"""Values that a map of shades has at least, and the share of its steps of one or two."""


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
        self._shares: list[Array] = []
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
        self._shares.append(counts / counts.sum())
        self._total += values.size
        return True

    @property
    def spread(self) -> float:  # type: ignore[override]  # read only
        """Of the share of right pixels, where every pixel is said to be of the most common class."""
        return float(np.std([share[self.pixels.argmax()] for share in self._shares]))

    @property
    def ignored(self) -> float:
        """Share of all pixels without a class, images that lack the label left out."""
        return float(1 - self.pixels.sum() / self._total)


class ClassLabels(LabelKind[ClassSurvey]):
    """Classes."""

    name: ClassVar[str] = "segmentation"
    dtype: ClassVar[str] = "uint8"
    column: ClassVar[str] = "seg"
    details: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        # Stored values that are no class, beside 255 and -1.
        "ignore": several("ignore", int, "whole numbers separated by spaces, for example `0 255`")
    }
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
        """Read a picture, `.npy` of whole numbers, or annotations of the image; uint8 (H, W), 255 = no class.

        A picture is grey or has a palette, or colours where classes.txt names some.
        """
        if is_annotations(path):
            return painted(path, storage)
        stored = colours(path) if storage.classes.coloured and not is_npy(path) else read_map(path)
        return storage.classes.labels(stored, storage.details.get("ignore", ()), path)

    def may_read(self, path: Path, values: int) -> bool:
        """One value per pixel, or few colours."""
        return super().may_read(path, values) or (values in (3, 4) and in_few_colours(path))

    def annotated(
        self, folder: Path, images: Sequence[str], others: Sequence[Path], left: dict[str, list[Path]]
    ) -> Mapping[str, Path]:
        """Annotations of COCO, CVAT and LabelMe."""
        return assigned(folder, images, others, left)

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
        """One whole number of 8 bits (or with a sign) per pixel, in areas rather than shades."""
        if values.ndim != 2 or not (values.dtype.kind in "bi" or values.dtype == np.uint8):
            return False
        return not is_smooth(values) and float((values[:, 1:] == values[:, :-1]).mean()) > 0.5

    def draft(self, paths: Sequence[Path], tick: Callable[[], object]) -> Drafted:
        """Collect the stored values of all class maps for classes.txt, and say which may mean no class."""
        if drawn := [path for path in paths if is_annotations(path)]:
            return drafted(drawn, tick)
        names, source = names_of_values(paths[0])
        unread: dict[Path, str] = {}
        single = LabelKind.may_read  # one value per pixel
        coloured = any(value >= COLOUR for value in names) or any(
            in_few_colours(path) and not single(self, path, 3) for path in paths if mode(path).startswith("RGB")
        )
        pixels: Counter[int] = Counter()
        smooth = []
        largest: int | None = None
        for path in paths:
            try:
                stored = colours(path) if coloured and not is_npy(path) else read_map(path)
            except DataError as error:
                unread[path] = str(error)
                continue
            values, counts = np.unique(stored, return_counts=True)
            if fault := not_whole(values):
                raise DataError(f"{path}: looks like a class map by its name, but {fault}")
            if not coloured and stored.dtype.kind in "iu" and stored.dtype.itemsize > 1:
                largest = int(np.iinfo(stored.dtype).max)
            if not coloured and is_smooth(stored):
                smooth.append(path)
            elif len(pixels) <= 260:
                pairs = zip(values.tolist(), counts.tolist(), strict=True)
                pixels.update({int(value): count for value, count in pairs if value == value})  # NaN is no class
            if len(pixels) > 260 and not smooth:
                raise DataError(
                    f"{path}: with it the class maps hold more than 255 values; they are probably not class maps"
                )
            tick()
        if unread:
            return Drafted(refused=unread)
        if 2 * len(smooth) > len(paths):
            reason = f"values run smoothly as depth does, in {SMOOTH_LEVELS} or more shades: no class map"
            return Drafted(refused=dict.fromkeys(paths, reason))
        if (
            not names
            and paths[0].parent.name == "SegmentationClass"
            and len(pixels) > 9
            and pixels.keys() <= {*range(21), 255}
        ):
            names, source = dict(enumerate(VOC)), "Pascal VOC's 21, for the folder is SegmentationClass"
        guess = f"names of classes are those of {source}" if names else ""
        drawn_classes = _classes_of(paths, pixels, largest, smooth, names)
        note = drawn_classes.note
        if blurred := [path.name for path in paths if path.suffix.lower() in (".jpg", ".jpeg")]:
            note += (
                f"\n{len(blurred)} files of seg are JPEG, such as {blurred[0]}, which blurs labels: many values "
                "were never drawn. Store them as PNG, from the program that drew them"
            )
        return replace(drawn_classes, guess=guess, note=note)

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


def is_smooth(values: Array) -> bool:
    """Say whether a map (H, W) holds shades, as depth in 8 bits does, rather than classes.

    In a map of shades neighbours that differ do so by a step or two (by 1/48 of the range, where that is more): 59 %
    and more of them in depth maps of rooms and streets. Classes have no order, so where they meet anything does: at
    most 15 % in maps of NYUv2's 40 classes that hold 16 or more of them.
    """
    if values.dtype.kind not in "iu" or len(np.unique(values)) < SMOOTH_LEVELS:
        return False
    whole = values.astype(np.int64)
    steps = np.concatenate([np.abs(np.diff(whole, axis=axis)).ravel() for axis in (0, 1)])
    small = max(2, int(np.ptp(whole)) // 48)
    return bool((steps > 0).any()) and float((steps[steps > 0] <= small).mean()) >= SMOOTH_STEPS


def _classes_of(
    paths: Sequence[Path],
    pixels: Counter[int],
    largest: int | None,
    smooth: Sequence[Path],
    names: Mapping[int, str],
) -> Drafted:
    """Draft classes.txt from how many pixels hold each value, and the names that a list gives to some."""
    total = sum(pixels.values())
    share = {v: f"{written(v)} holds {percent(count / total)} % of the pixels" for v, count in pixels.items()}
    never = {*NEVER_CLASSES, *(v for v in (65535, largest) if v is not None)} & pixels.keys()
    classes = sorted(pixels.keys() - never)
    lines = []
    white = 65535 if 65535 in never else 255
    greys = [*classes, white]
    even = all(abs(value - white * n / max(len(classes), 1)) < 2 for n, value in enumerate(greys))
    if white in never and (even or len(classes) < 2):
        # What drawing programs write: 0 and 255, or 0, 128 and 255.
        never.discard(white)
        classes = greys
        lines.append(f"{share[white]} and is drafted as a class, as drawing programs write it")
    if len(classes) < 2:
        held = f"all pixels that have a class hold {written(classes[0])}" if classes else "no pixel has a class"
        reason = f"{held}, and a task needs two classes; store all else as another value"
        return Drafted(refused=dict.fromkeys(paths, reason))
    lines += [
        f"{share[value]} and is left out, as 'no class'; if it is a class, write `{value}: NAME` into {CLASSES_FILE}"
        for value in sorted(never)
    ]
    if 0 in classes and len(classes) > 1 and not names:
        lines.append(
            f"{share[0]} and is drafted as a class; if it means 'not labelled', as in NYUv2 and ADE20K, write "
            f"`0: ignore` in place of its line in {CLASSES_FILE}"
        )
    if smooth:
        lines.append(f"{len(smooth)} files run smoothly as depth does, such as {smooth[0].name}: are they class maps?")
    text = "".join(f"{written(value)}: {names.get(value, f'class {written(value)}')}\n" for value in classes)
    text += "".join(f"{value}: {IGNORED}\n" for value in sorted(never - {*NEVER_CLASSES}))
    return Drafted(
        texts={CLASSES_FILE: text},
        note="\n".join([f"{len(classes)} classes; give them names in {CLASSES_FILE}", *lines]),
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
        return 24 + ROW * (max(row for _, row in self.places(width)) + 1)

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
