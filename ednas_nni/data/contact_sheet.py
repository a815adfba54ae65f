"""One picture that shows what a data set looks like: images, classes, depth and normals side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ednas_nni.data.palette import class_colors, color_classes, color_depth, color_normals
from ednas_nni.data.split import DataSource, Split

_PAPER, _INK, _FAINT = (250, 250, 248), (40, 42, 48), (120, 124, 132)
_GAP, _MARGIN, _HEAD, _ROW = 6, 18, 34, 20
_FOOT = 64
_CELL_WIDTH = 256
_LINEAR_UP_TO = 12.0
"""Depths that span a larger ratio than this are drawn on a logarithmic scale."""


@dataclass(frozen=True)
class _Scale:
    """The depths of the lightest and darkest colour, and whether colours follow the logarithm."""

    near: float
    far: float
    logarithmic: bool


def contact_sheet(source: DataSource, split: str = "train", n: int = 8, opened_by: str | None = None) -> Image.Image:
    """Draw the first images of a split with all their targets.

    Args:
        source: The data set.
        split: Name of the split.
        n: Number of images, one row each; at most the length of the split.
        opened_by: Who looks; needed for the test split.

    Returns:
        An RGB picture: one column for the image and one per target, legends below. Invalid pixels are black; a label
        that an image lacks entirely says so.
    """
    data = source.split(split, opened_by)
    info = data.info
    n = min(n, len(data))
    cell = (_CELL_WIDTH, max(1, round(_CELL_WIDTH * info.size[0] / info.size[1])))
    columns = ("image", *info.targets)
    scale = _depth_scale(data, n) if "depth" in columns else _Scale(0.0, 1.0, False)
    # The class names run below the image column too; they need the room of both.
    places = _flow(info.classes, 2 * cell[0] + _GAP)
    foot = max(_FOOT, 24 + _ROW * (places[-1][1] + 1)) if "segmentation" in columns else _FOOT
    width = 2 * _MARGIN + len(columns) * cell[0] + (len(columns) - 1) * _GAP
    height = 2 * _MARGIN + _HEAD + n * cell[1] + (n - 1) * _GAP + foot
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        left = _MARGIN + column * (cell[0] + _GAP)
        draw.text((left, _MARGIN + 4), _title(name, split, data), _INK, _font(15))
        for row in range(n):
            place = (left, _MARGIN + _HEAD + row * (cell[1] + _GAP))
            _paste(sheet, draw, place, cell, name, data, row, scale)
    top = height - _MARGIN - foot + 14
    for column, name in enumerate(columns):
        left = _MARGIN + column * (cell[0] + _GAP)
        if name == "segmentation":
            _class_legend(draw, _MARGIN, top, info.classes, places)
        elif name == "depth":
            _depth_legend(sheet, draw, left + 10, top, cell[0] - 30, scale, info.depth_unit)
        elif name == "normals":
            _normal_legend(sheet, draw, left, top)
    return sheet


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _title(name: str, split: str, data: Split) -> str:
    info = data.info
    if name == "image":
        return f"{info.name}, {split}, {info.size[0]} x {info.size[1]}"
    return f"{info.depth_kind} depth" if name == "depth" and info.depth_kind == "inverse" else name


def _paste(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    cell: tuple[int, int],
    name: str,
    data: Split,
    row: int,
    scale: _Scale,
) -> None:
    """Draw one cell of the sheet."""
    values = np.asarray(data.target(name)[row])
    if name == "segmentation":
        colored, valid = color_classes(values, data.info.classes), values != data.info.ignore_index
    elif name == "depth":
        colored, valid = color_depth(values, scale.near, scale.far, scale.logarithmic), values > 0
    elif name == "normals":
        colored, valid = color_normals(values), np.abs(values).sum(-1) > 0
    else:
        colored, valid = values, np.ones(1, bool)
    picture = Image.fromarray(colored)
    # Labels must not blend, and single pixels of a small image stay visible; only a large image is averaged.
    shrinks = name == "image" and picture.width > cell[0]
    sheet.paste(picture.resize(cell, Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST), place)
    if not valid.any():
        middle = (place[0] + cell[0] / 2, place[1] + cell[1] / 2)
        draw.text(middle, f"no {name}", (190, 192, 198), _font(14), anchor="mm")


def _depth_scale(data: Split, n: int) -> _Scale:
    depth = np.asarray(data.depth[:n])
    valid = depth[depth > 0]
    if not valid.size:
        return _Scale(1.0, 2.0, False)
    low, high = (float(v) for v in np.percentile(valid, (1, 99)))
    if high > _LINEAR_UP_TO * low:
        low, high = _round(low, up=False), _round(high, up=True)
        logarithmic = True
    else:
        step = 0.5 if high > 2 else _round((high - low) / 10 or high / 10, up=True)
        low, high = float(np.floor(low / step) * step), float(np.ceil(high / step) * step)
        logarithmic = False
    # A large inverse depth or disparity is near.
    return _Scale(low, high, logarithmic) if data.info.depth_kind == "metric" else _Scale(high, low, logarithmic)


def _round(value: float, up: bool) -> float:
    """Return the neighbouring 1, 2 or 5 times a power of ten that is not below (``up``) or not above the value."""
    power = 10.0 ** np.floor(np.log10(value))
    steps = [factor * power for factor in (1, 2, 5, 10)]
    if up:
        return float(next(step for step in steps if step >= value * 0.999))
    return float(next(step for step in reversed(steps) if step <= value * 1.001))


def _flow(classes: tuple[str, ...], width: int) -> list[tuple[int, int]]:
    """Return the place (x in pixels, row) of each class in the legend: columns as wide as their longest name."""
    lengths = [round(_font(12).getlength(name)) + 30 for name in classes]
    for rows in range(1, len(classes) + 1):
        widths = [max(lengths[begin : begin + rows]) for begin in range(0, len(classes), rows)]
        if sum(widths) <= width or rows == len(classes):
            lefts = [sum(widths[:column]) for column in range(len(widths))]
            # Spare room is shared by the columns.
            spare = max(0, width - sum(widths)) // len(widths)
            return [(lefts[i // rows] + spare * (i // rows), i % rows) for i in range(len(classes))]
    return [(0, 0)]


def _class_legend(
    draw: ImageDraw.ImageDraw, left: int, top: int, classes: tuple[str, ...], places: list[tuple[int, int]]
) -> None:
    colors, font = class_colors(classes), _font(12)
    for index, (name, (x, row)) in enumerate(zip(classes, places, strict=True)):
        x, y = left + x, top + row * _ROW
        draw.rectangle((x, y + 1, x + 12, y + 13), tuple(int(c) for c in colors[index]), _FAINT)
        draw.text((x + 17, y), name, _INK, font)


def _depth_legend(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, left: int, top: int, width: int, scale: _Scale, unit: str
) -> None:
    near, far = scale.near, scale.far
    share = np.linspace(0, 1, width)
    values = near * (far / near) ** share if scale.logarithmic else near + (far - near) * share
    # 0 would count as invalid, so values are kept just above it.
    values = np.broadcast_to(np.maximum(values, 1e-9).astype(np.float32), (14, width))
    sheet.paste(Image.fromarray(color_depth(values, near, far, scale.logarithmic)), (left, top))
    draw.rectangle((left - 1, top - 1, left + width, top + 14), outline=_FAINT)
    end = 0.0
    for value in _ticks(scale):
        part = np.log(value / near) / np.log(far / near) if scale.logarithmic else (value - near) / (far - near)
        x = left + (width - 1) * float(part)
        half = _font(12).getlength(f"{value:g}") / 2
        draw.line((x, top + 14, x, top + 18), _FAINT)
        # Figures that would touch their neighbour are left out; their marks stay.
        if x - half > end:
            draw.text((x, top + 20), f"{value:g}", _INK, _font(12), anchor="mt")
            end = x + half + 6
    name = f"in {unit}" if unit != "1" else "without unit"
    draw.text((left + width / 2, top + 36), f"{name}, black: no depth", _FAINT, _font(12), anchor="mt")


def _ticks(scale: _Scale) -> list[float]:
    """Return round values from near to far."""
    low, high = min(scale.near, scale.far), max(scale.near, scale.far)
    if scale.logarithmic:
        powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        values = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        values = [float(f"{v:.6g}") for v in values if low * 0.999 <= v <= high * 1.001]
    else:
        step = _round((high - low) / 7, up=True)
        values = (np.arange(np.ceil(low / step), np.floor(high / step + 1e-6) + 0.5) * step).tolist()
    return values if scale.near < scale.far else values[::-1]


def _normal_legend(sheet: Image.Image, draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
    side = 44
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(1, -1, side))
    inside = x * x + y * y < 1
    ball = np.stack([x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0))], -1) * inside[..., None]
    picture = np.where(inside[..., None], color_normals(ball), np.array(_PAPER, np.uint8)).astype(np.uint8)
    sheet.paste(Image.fromarray(picture), (left + 4, top - 6))
    draw.text((left + side + 14, top), "as on a ball seen from the camera:", _INK, _font(12))
    draw.text((left + side + 14, top + 17), "red right, green up, blue towards it", _FAINT, _font(12))
