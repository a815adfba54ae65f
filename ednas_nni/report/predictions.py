"""Predictions of a network beside the ground truth, with legends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data import palette
from ednas_nni.report import style
from ednas_nni.report.examples import Examples, Map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IGNORED = 255
_UNITS = {"classes": "%", "directions": "°"}


def predictions_plot(examples: Examples, classes: tuple[str, ...], length_unit: str = "m") -> Figure:
    """Two rows per image: truth above, prediction below; a legend under each task.

    Args:
        examples: Images and maps.
        classes: Class names by label value; unknown ones are numbered.
        length_unit: Unit of maps of kind "length".
    """
    n, height, width = examples.image.shape[:3]
    columns = 1 + len(examples.maps)
    cell = 10 / columns
    row = cell * height / width
    total = 0.42 + n * (2 * row + 0.22) + 1.3
    made = style.figure(10, total)
    ranges = {m.task: _range(m) for m in examples.maps if m.kind == "length"}
    for index in range(n):
        top = total - 0.42 - index * (2 * row + 0.22)
        _picture(made, examples.image[index], 0, top, cell, row, total)
        _agreement(made, examples, index, top - row, cell, total, length_unit)
        for column, m in enumerate(examples.maps, start=1):
            for part, values in enumerate((m.truth[index], m.prediction[index])):
                shown = _colors(m, values, classes, ranges)
                _picture(made, shown, column * cell, top - part * row, cell, row, total)
            if column == 1:
                for part, text in enumerate(("truth", "prediction")):
                    y = (top - (part + 0.5) * row) / total
                    made.text((cell - 0.02) / 10, y, text, rotation=90, ha="right", va="center", fontsize=8.5, color="#52606d")
    made.text(0.06 / 10, 1 - 0.3 / total, "image", fontsize=10, weight="bold")
    for column, m in enumerate(examples.maps, start=1):
        made.text((column * cell + 0.06) / 10, 1 - 0.3 / total, style.plain(m.task), fontsize=10, weight="bold")
        box = ((column * cell + 0.06) / 10, 0.1 / total, (cell - 0.12) / 10, 1.15 / total)
        if m.kind == "classes":
            _class_legend(made.add_axes(box), m, classes, cell)
        elif m.kind == "length":
            _length_legend(made.add_axes((box[0], 0.88 / total, box[2], 0.16 / total)), ranges[m.task], length_unit)
        else:
            _direction_legend(made.add_axes((box[0], box[1], 1.15 / 10, box[3])))
    return made


def _picture(made: Figure, pixels: NDArray[np.uint8], left: float, top: float, cell: float, row: float, total: float) -> None:
    """One picture with its upper left corner at (left, top) inches from the lower left corner of the figure."""
    gap = 0.05
    axes = made.add_axes(((left + gap) / 10, (top - row + gap) / total, (cell - 2 * gap) / 10, (row - gap) / total))
    axes.imshow(pixels, interpolation="nearest", aspect="auto")
    axes.set_axis_off()


def _agreement(made: Figure, examples: Examples, index: int, top: float, cell: float, total: float, unit: str) -> None:
    lines = []
    for m in examples.maps:
        value, name = m.agreement(index, IGNORED)
        shown = f"{100 * value:.0f} %" if m.kind == "classes" else f"{value:.2f} {unit}" if m.kind == "length" else f"{value:.1f}°"
        lines.append(f"{style.plain(m.task, 16)}\n   {name} {shown}")
    made.text(0.08 / 10, (top - 0.1) / total, "\n".join(lines), fontsize=8, va="top", linespacing=1.35, color="#3e4c59")


def _range(m: Map) -> tuple[float, float]:
    valid = m.truth[m.truth > 0]
    if not valid.size:
        return 0.0, 1.0
    near, far = np.quantile(valid, [0.01, 0.99])
    return float(near), float(max(far, near + 1e-3))


def _colors(m: Map, values: NDArray, classes: tuple[str, ...], ranges: dict[str, tuple[float, float]]) -> NDArray[np.uint8]:
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
    axes.legend(handles=patches, loc="upper left", bbox_to_anchor=(0, 1.0), ncols=max(1, round(cell / 0.85)), fontsize=7.5, borderaxespad=0, handlelength=1.1, handleheight=0.9, handletextpad=0.4, columnspacing=0.9, labelspacing=0.35)


def _length_legend(axes: Axes, limits: tuple[float, float], unit: str) -> None:
    near, far = limits
    ramp = np.linspace(max(near, 1e-6), far, 256, dtype=np.float32)[None]
    axes.imshow(palette.color_depth(ramp, near, far), aspect="auto", extent=(near, far, 0, 1))
    axes.set_yticks([])
    axes.grid(False)
    axes.tick_params(labelsize=7.5, length=2)
    axes.set_xlabel(f"{unit}; black: not measured", fontsize=7.5, labelpad=2)


def _direction_legend(axes: Axes) -> None:
    """A ball whose surface shows the colour of each direction that faces the camera."""
    y, x = np.mgrid[1.0:-1.0:121j, -1.0:1.0:121j]
    inside = x**2 + y**2 <= 1
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, None))
    ball = palette.color_normals(np.stack([x, y, z], -1) * inside[..., None])
    axes.imshow(np.dstack([ball, np.where(inside, 255, 0).astype(np.uint8)]), extent=(0.0, 0.62, 0.24, 0.86))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_axis_off()
    style_of = {"fontsize": 7.5, "color": "#3e4c59"}
    axes.text(0.31, 0.89, "up", ha="center", va="bottom", **style_of)
    axes.text(0.66, 0.55, "right", va="center", **style_of)
    axes.text(0.31, 0.2, "down", ha="center", va="top", **style_of)
    axes.text(0.9, 0.24, "colour of a surface\nthat faces there;\ncentre: the camera", va="bottom", **style_of)
