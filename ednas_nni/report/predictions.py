"""Example predictions that a trial left beside its log, drawn beside the ground truth, with legends."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data import palette
from ednas_nni.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILE = "examples.npz"
TRUTHS = ("truth", "target")
MOST_IMAGES = 4
MOST_PIXELS = 640
_JOB = re.compile(r"[A-Za-z0-9_-]+")
IGNORED = 255
Kind = Literal["classes", "length", "directions"]
D = TypeVar("D", bound=np.generic)
# Inches: the sheet's width, the strip for the words beside the rows, the space between pictures, title and legends.
WIDTH, GUTTER, GAP, HEAD, FOOT = 10.0, 0.26, 0.04, 0.34, 1.25


@dataclass(frozen=True)
class Map:
    """One task's prediction beside its truth on n images.

    Attributes:
        task: Name of the task.
        kind: "classes" (whole numbers (n, H, W)), "length" (float (n, H, W), 0 = invalid) or "directions" (float
            (n, H, W, 3), the zero vector = invalid). The arrays' type tells, not the task's name.
        truth: Ground truth.
        prediction: The network's answer, of the same shape.
    """

    task: str
    kind: Kind
    truth: NDArray[Any]
    prediction: NDArray[Any]

    def agreement(self, index: int, ignore: int = IGNORED) -> tuple[float, str]:
        """How well one image was answered, over its valid pixels.

        Returns:
            Classes: share of right pixels in [0, 1]. Length: mean absolute error in the map's unit. Directions:
            mean angle in degrees. NaN without a valid pixel. Then the name of that number.
        """
        truth, prediction = self.truth[index], self.prediction[index]
        if self.kind == "classes":
            return _mean((truth == prediction)[truth != ignore]), "pixel accuracy"
        truth, prediction = truth.astype(np.float64), prediction.astype(np.float64)
        if self.kind == "length":
            return _mean(np.abs(truth - prediction)[truth > 0]), "mean absolute error"
        valid = (truth**2).sum(-1) > 0.25
        a, b = truth[valid], prediction[valid]
        norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
        cosine = (a * b).sum(-1) / np.maximum(norms, 1e-12)
        return _mean(np.degrees(np.arccos(cosine.clip(-1, 1)))), "mean angle"


@dataclass(frozen=True)
class Examples:
    """Images uint8 (n, H, W, 3), n >= 1, with the maps of all tasks."""

    image: NDArray[np.uint8]
    maps: tuple[Map, ...]


def find_examples(experiment: Path, job: str | None) -> Path | None:
    """The file that a trial of a local experiment left, None where there is none."""
    if not job or not _JOB.fullmatch(job):
        return None
    return next(iter(sorted(experiment.glob(f"environments/*/trials/{job}/{FILE}"))), None)


def read_examples(path: Path) -> Examples:
    """Read the arrays; nothing in the file is executed.

    Raises:
        ValueError: The file is damaged, or its arrays do not belong together.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    return examples_of(arrays, path.name)


def examples_of(arrays: Mapping[str, NDArray[Any]], whence: str) -> Examples:
    """The arrays of `NetworkEvaluator.example_predictions`; ValueError: they do not belong together."""
    image = arrays.get("image")
    if image is None or image.dtype != np.uint8 or image.ndim != 4 or image.shape[-1] != 3 or not image.size:
        raise ValueError(f"{whence} holds no `image` of type uint8 and shape (n, H, W, 3)")
    step = -(-max(image.shape[1:3]) // MOST_PIXELS)
    maps = []
    for name in arrays:
        task, _, role = name.rpartition("_")
        truth = next((arrays[f"{task}_{word}"] for word in TRUTHS if f"{task}_{word}" in arrays), None)
        if role != "prediction" or truth is None:
            continue
        kind = _kind(truth)
        if kind is None or arrays[name].shape != truth.shape or truth.shape[:3] != image.shape[:3]:
            shapes = f"{arrays[name].shape}, truth {truth.shape}, images {image.shape}"
            raise ValueError(f"{whence}: the shapes of {name} do not fit: {shapes}")
        maps.append(Map(task, kind, _less(truth, step), _less(arrays[name], step)))
    if not maps:
        raise ValueError(f"{whence} holds no prediction with its truth")
    return Examples(_less(image, step), tuple(maps))


def _kind(truth: NDArray[Any]) -> Kind | None:
    if truth.ndim == 3 and truth.dtype.kind in "iub":
        return "classes"
    if truth.dtype.kind == "f":
        return "length" if truth.ndim == 3 else "directions" if truth.ndim == 4 and truth.shape[-1] == 3 else None
    return None


def _less(array: NDArray[D], step: int) -> NDArray[D]:
    return array[:MOST_IMAGES, ::step, ::step]


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if values.size else float("nan")


def predictions_plot(examples: Examples, legends: Mapping[str, tuple[str, ...]], units: Mapping[str, str]) -> Figure:
    """Two rows per image: truth above, prediction below; a legend under each task.

    Legends name the values of a task's map of kind "classes" (values without a name are numbered), units belong to one
    of kind "length".
    """
    n, height, width = examples.image.shape[:3]
    columns = 1 + len(examples.maps)
    cell = (WIDTH - GUTTER) / columns
    row = cell * height / width
    pitch = 2 * row + 0.2
    sheet = _Sheet(style.figure(WIDTH, HEAD + n * pitch + FOOT), cell, row)
    lefts = [0.0, *(GUTTER + column * cell for column in range(1, columns))]
    ranges = {m.task: _range(m) for m in examples.maps if m.kind == "length"}
    for index in range(n):
        top = sheet.height - HEAD - index * pitch
        sheet.picture(examples.image[index], lefts[0], top)
        _agreement(sheet, examples, index, top - row, units)
        for part, text in enumerate(("truth", "prediction")):
            middle = top - (part + 0.5) * row
            sheet.text(cell + GUTTER / 2, middle, text, rotation=90, ha="center", va="center", color=style.SOFT)
            for m, left in zip(examples.maps, lefts[1:], strict=True):
                values = (m.truth, m.prediction)[part][index]
                sheet.picture(_colors(m, values, legends.get(m.task, ()), ranges), left, top - part * row)
    for name, left in zip(["image", *(m.task for m in examples.maps)], lefts, strict=True):
        sheet.text(left + GAP, sheet.height - HEAD + 0.1, style.plain(name), fontsize=10, weight="bold")
    for m, left in zip(examples.maps, lefts[1:], strict=True):
        if m.kind == "classes":
            axes = sheet.axes(left + GAP, 0.05, cell - 2 * GAP, FOOT - 0.15)
            _class_legend(axes, m, legends.get(m.task, ()), cell)
        elif m.kind == "length":
            bar = sheet.axes(left + GAP, FOOT - 0.28, cell - 2 * GAP, 0.16)
            _length_legend(bar, ranges[m.task], units.get(m.task, ""))
        else:
            _direction_legend(sheet.axes(left + GAP, 0.05, 2.1, FOOT - 0.15))
    return sheet.figure


@dataclass(frozen=True)
class _Sheet:
    """A figure measured in inches from its lower left corner, with pictures of one size."""

    figure: Figure
    cell: float
    row: float

    @property
    def height(self) -> float:
        return float(self.figure.get_size_inches()[1])

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        return self.figure.add_axes((left / WIDTH, bottom / self.height, width / WIDTH, height / self.height))

    def picture(self, pixels: NDArray[np.uint8], left: float, top: float) -> None:
        """One picture with its upper left corner there."""
        axes = self.axes(left + GAP, top - self.row + GAP, self.cell - 2 * GAP, self.row - GAP)
        axes.imshow(pixels, interpolation="nearest", aspect="auto")
        axes.set_axis_off()

    def text(self, x: float, y: float, text: str, **look: Any) -> None:
        self.figure.text(x / WIDTH, y / self.height, text, **{"fontsize": 8.5, **look})


def _agreement(sheet: _Sheet, examples: Examples, index: int, top: float, units: Mapping[str, str]) -> None:
    """Under the image: how well it was answered."""
    for line, m in enumerate(examples.maps):
        value, name = m.agreement(index, IGNORED)
        length = f"{value:.2f} {units.get(m.task, '')}"
        texts = {"classes": f"{100 * value:.0f} %", "length": length, "directions": f"{value:.1f}°"}
        y = top - 0.24 - 0.36 * line
        sheet.text(GAP + 0.02, y, texts[m.kind], fontsize=11, weight="bold")
        words = f"{name},\n{style.plain(m.task, 18)}"
        sheet.text(GAP + 0.78, y, words, fontsize=7.5, color=style.SOFT, va="center_baseline", linespacing=1.2)


def _range(m: Map) -> tuple[float, float]:
    valid = m.truth[m.truth > 0]
    if not valid.size:
        return 0.0, 1.0
    near, far = np.quantile(valid, [0.01, 0.99])
    return float(near), float(max(far, near + 1e-3))


def _colors(
    m: Map, values: NDArray[Any], classes: tuple[str, ...], ranges: dict[str, tuple[float, float]]
) -> NDArray[np.uint8]:
    if m.kind == "classes":
        return palette.color_classes(values.clip(0, IGNORED).astype(np.uint8), _named(m, classes))
    if m.kind == "length":
        return palette.color_depth(np.nan_to_num(values.astype(np.float32)), *ranges[m.task])
    return palette.color_normals(np.nan_to_num(values.astype(np.float32)))


def _named(m: Map, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Class names, extended by numbers as far as the maps go."""
    used = [int(v) for array in (m.truth, m.prediction) for v in np.unique(array) if 0 <= v < IGNORED]
    return classes + tuple(f"class {i}" for i in range(len(classes), max(used, default=-1) + 1))


def _class_legend(axes: Axes, m: Map, classes: tuple[str, ...], cell: float) -> None:
    from matplotlib.patches import Patch

    names, table = _named(m, classes), palette.class_colors(_named(m, classes))
    used = {int(v) for array in (m.truth, m.prediction) for v in np.unique(array)}
    patches = [
        Patch(facecolor=table[i] / 255, edgecolor="#b8c0c8", linewidth=0.5, label=style.plain(names[i], 14))
        for i in sorted(used)
        if 0 <= i < len(names)
    ][:40]
    if used - set(range(len(names))):
        patches.append(Patch(facecolor="black", label="no label"))
    axes.set_axis_off()
    axes.legend(
        handles=patches,
        loc="upper left",
        bbox_to_anchor=(0, 1.0),
        ncols=max(1, round(cell / 0.85)),
        fontsize=7.5,
        borderaxespad=0,
        handlelength=1.1,
        handleheight=0.9,
        handletextpad=0.4,
        columnspacing=0.9,
        labelspacing=0.35,
    )


def _length_legend(axes: Axes, limits: tuple[float, float], unit: str) -> None:
    near, far = limits
    ramp = np.linspace(max(near, 1e-6), far, 256, dtype=np.float32)[None]
    axes.imshow(palette.color_depth(ramp, near, far), aspect="auto", extent=(near, far, 0, 1))
    axes.set_yticks([])
    axes.grid(False)
    axes.tick_params(labelsize=7.5, length=2)
    axes.set_xlabel(f"[{unit or 'no unit'}], black: not measured", fontsize=7.5, labelpad=2)


def _direction_legend(axes: Axes) -> None:
    """A ball whose surface shows the colour of each direction that faces the camera."""
    y, x = np.mgrid[1.0:-1.0:121j, -1.0:1.0:121j]
    inside = x**2 + y**2 <= 1
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, None))
    ball = palette.color_normals(np.stack([x, y, z], -1) * inside[..., None])
    axes.imshow(np.dstack([ball, np.where(inside, 255, 0).astype(np.uint8)]), extent=(0.0, 0.8, 0.16, 0.96))
    axes.set(xlim=(0, 2.1), ylim=(0, FOOT - 0.15))
    axes.set_axis_off()
    for x, y, text, across, upright in (
        (0.4, 0.98, "up", "center", "bottom"),
        (0.84, 0.56, "right", "left", "center"),
        (0.4, 0.13, "down", "center", "top"),
        (1.25, 0.56, "the way a\nsurface faces;\ncentre: towards\nthe camera", "left", "center"),
    ):
        axes.text(x, y, text, ha=across, va=upright, fontsize=7.5, color="#3e4c59")
