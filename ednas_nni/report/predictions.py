"""Predictions of a network beside the ground truth, with legends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data import palette
from ednas_nni.report import style
from ednas_nni.report.examples import Examples, Map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IGNORED = 255
# Inches: the sheet's width, the strip for the words beside the rows, the space between pictures, title and legends.
WIDTH, GUTTER, GAP, HEAD, FOOT = 10.0, 0.26, 0.04, 0.34, 1.25


def predictions_plot(examples: Examples, classes: tuple[str, ...], length_unit: str = "m") -> Figure:
    """Two rows per image: truth above, prediction below; a legend under each task.

    Args:
        examples: Images and maps.
        classes: Class names by label value; unknown ones are numbered.
        length_unit: Unit of maps of kind "length".
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
        _agreement(sheet, examples, index, top - row, length_unit)
        for part, text in enumerate(("truth", "prediction")):
            look = {"rotation": 90, "ha": "center", "va": "center", "color": "#52606d"}
            sheet.text(cell + GUTTER / 2, top - (part + 0.5) * row, text, **look)
            for m, left in zip(examples.maps, lefts[1:], strict=True):
                values = (m.truth, m.prediction)[part][index]
                sheet.picture(_colors(m, values, classes, ranges), left, top - part * row)
    for name, left in zip(["image", *(m.task for m in examples.maps)], lefts, strict=True):
        sheet.text(left + GAP, sheet.height - HEAD + 0.1, style.plain(name), fontsize=10, weight="bold")
    for m, left in zip(examples.maps, lefts[1:], strict=True):
        if m.kind == "classes":
            _class_legend(sheet.axes(left + GAP, 0.05, cell - 2 * GAP, FOOT - 0.15), m, classes, cell)
        elif m.kind == "length":
            bar = sheet.axes(left + GAP, FOOT - 0.28, cell - 2 * GAP, 0.16)
            _length_legend(bar, ranges[m.task], length_unit)
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


def _agreement(sheet: _Sheet, examples: Examples, index: int, top: float, unit: str) -> None:
    """Under the image: how well it was answered."""
    for line, m in enumerate(examples.maps):
        value, name = m.agreement(index, IGNORED)
        shown = {"classes": f"{100 * value:.0f} %", "length": f"{value:.2f} {unit}", "directions": f"{value:.1f}°"}[
            m.kind
        ]
        y = top - 0.24 - 0.36 * line
        sheet.text(GAP + 0.02, y, shown, fontsize=11, weight="bold")
        look = {"fontsize": 7.5, "color": "#52606d", "va": "center_baseline", "linespacing": 1.2}
        sheet.text(GAP + 0.78, y, f"{name},\n{style.plain(m.task, 18)}", **look)


def _range(m: Map) -> tuple[float, float]:
    valid = m.truth[m.truth > 0]
    if not valid.size:
        return 0.0, 1.0
    near, far = np.quantile(valid, [0.01, 0.99])
    return float(near), float(max(far, near + 1e-3))


def _colors(
    m: Map, values: NDArray, classes: tuple[str, ...], ranges: dict[str, tuple[float, float]]
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
    axes.set_xlabel(f"[{unit}], black: not measured", fontsize=7.5, labelpad=2)


def _direction_legend(axes: Axes) -> None:
    """A ball whose surface shows the colour of each direction that faces the camera."""
    y, x = np.mgrid[1.0:-1.0:121j, -1.0:1.0:121j]
    inside = x**2 + y**2 <= 1
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, None))
    ball = palette.color_normals(np.stack([x, y, z], -1) * inside[..., None])
    axes.imshow(np.dstack([ball, np.where(inside, 255, 0).astype(np.uint8)]), extent=(0.0, 0.8, 0.16, 0.96))
    axes.set(xlim=(0, 2.1), ylim=(0, FOOT - 0.15))
    axes.set_axis_off()
    words = {"fontsize": 7.5, "color": "#3e4c59"}
    axes.text(0.4, 0.98, "up", ha="center", va="bottom", **words)
    axes.text(0.84, 0.56, "right", va="center", **words)
    axes.text(0.4, 0.13, "down", ha="center", va="top", **words)
    axes.text(1.25, 0.56, "the way a\nsurface faces;\ncentre: towards\nthe camera", va="center", **words)
