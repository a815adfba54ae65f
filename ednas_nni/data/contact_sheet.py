"""One picture that shows what a data set looks like: images, classes, depth and normals side by side."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ednas_nni.data.palette import class_colors, color_classes, color_depth, color_normals
from ednas_nni.data.split import DataSource, Split

_PAPER, _INK, _FAINT = (250, 250, 248), (40, 42, 48), (120, 124, 132)
_GAP, _MARGIN, _HEAD, _FOOT = 6, 18, 34, 64
_CELL_WIDTH = 256


def contact_sheet(source: DataSource, split: str = "train", n: int = 8, opened_by: str | None = None) -> Image.Image:
    """Draw the first images of a split with all their targets.

    Args:
        source: The data set.
        split: Name of the split.
        n: Number of images, one row each; at most the length of the split.
        opened_by: Who looks; needed for the test split.

    Returns:
        An RGB picture: one column for the image and one per target, legends below.
    """
    data = source.split(split, opened_by)
    info = data.info
    n = min(n, len(data))
    cell = (_CELL_WIDTH, max(1, round(_CELL_WIDTH * info.size[0] / info.size[1])))
    columns = ("image", *info.targets)
    near, far = _depth_range(data, n) if "depth" in columns else (0.0, 1.0)
    width = 2 * _MARGIN + len(columns) * cell[0] + (len(columns) - 1) * _GAP
    height = 2 * _MARGIN + _HEAD + n * cell[1] + (n - 1) * _GAP + _FOOT
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        left = _MARGIN + column * (cell[0] + _GAP)
        title = f"{info.name}, {split}, {info.size[0]} x {info.size[1]}" if name == "image" else name
        draw.text((left, _MARGIN + 4), title, _INK, _font(15))
        pictures = _colored(name, data, n, near, far)
        for row in range(n):
            place = (left, _MARGIN + _HEAD + row * (cell[1] + _GAP))
            # Nearest neighbour: labels must not blend, and single pixels of the image stay visible.
            sheet.paste(Image.fromarray(pictures[row]).resize(cell, Image.Resampling.NEAREST), place)
    top = height - _MARGIN - _FOOT + 14
    for column, name in enumerate(columns):
        left = _MARGIN + column * (cell[0] + _GAP)
        if name == "segmentation":
            # The class names run below the image column too; they need the room of both.
            _class_legend(draw, _MARGIN, top, left + cell[0] - _MARGIN, info.classes)
        elif name == "depth":
            _depth_legend(sheet, draw, left + 6, top, cell[0] - 12, near, far, info.depth_unit)
        elif name == "normals":
            _normal_legend(sheet, draw, left, top)
    return sheet


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _depth_range(data: Split, n: int) -> tuple[float, float]:
    depth = np.asarray(data.depth[:n])
    valid = depth[depth > 0]
    if not valid.size:
        return 0.0, 1.0
    near, far = np.percentile(valid, (1, 99))
    return float(np.floor(near * 2) / 2), float(np.ceil(far * 2) / 2)


def _colored(name: str, data: Split, n: int, near: float, far: float) -> np.ndarray:
    rows = np.asarray(data.target(name)[:n])
    if name == "segmentation":
        return color_classes(rows, data.info.classes)
    if name == "depth":
        return color_depth(rows, near, far)
    return color_normals(rows) if name == "normals" else rows


def _class_legend(draw: ImageDraw.ImageDraw, left: int, top: int, width: int, classes: tuple[str, ...]) -> None:
    colors, font = class_colors(classes), _font(12)
    rows = 2 if len(classes) <= 14 else 3
    per_row = -(-len(classes) // rows)
    step = width / per_row
    for index, name in enumerate(classes):
        x, y = left + (index % per_row) * step, top + (index // per_row) * 20
        draw.rectangle((x, y + 1, x + 12, y + 13), tuple(int(c) for c in colors[index]), _FAINT)
        draw.text((x + 17, y), name, _INK, font)


def _depth_legend(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, left: int, top: int, width: int, near: float, far: float, unit: str
) -> None:
    values = np.broadcast_to(np.linspace(near, far, width, dtype=np.float32), (14, width))
    # 0 would count as invalid, so the first value is kept just above it.
    sheet.paste(Image.fromarray(color_depth(np.maximum(values, 1e-4), near, far)), (left, top))
    draw.rectangle((left - 1, top - 1, left + width, top + 14), outline=_FAINT)
    step = _round_step((far - near) / 7)
    ticks = np.arange(np.ceil(near / step), np.floor(far / step - 0.3) + 0.5) * step
    for value in ticks:
        x = left + (width - 1) * (value - near) / (far - near)
        draw.line((x, top + 14, x, top + 18), _FAINT)
        draw.text((x, top + 20), f"{value:g}", _INK, _font(12), anchor="mt")
    draw.text((left + width, top + 20), unit, _INK, _font(12), anchor="rt")


def _round_step(wanted: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below ``wanted``."""
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted * 0.999))


def _normal_legend(sheet: Image.Image, draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
    side = 44
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(1, -1, side))
    inside = x * x + y * y < 1
    ball = np.stack([x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0))], -1) * inside[..., None]
    picture = np.where(inside[..., None], color_normals(ball), np.array(_PAPER, np.uint8)).astype(np.uint8)
    sheet.paste(Image.fromarray(picture), (left + 4, top - 6))
    draw.text((left + side + 14, top), "as on a ball seen from the camera:", _INK, _font(12))
    draw.text((left + side + 14, top + 17), "red right, green up, blue towards it", _FAINT, _font(12))
