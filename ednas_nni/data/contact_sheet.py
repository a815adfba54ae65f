"""One picture that shows what a data set looks like: images and labels side by side, legends below."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from ednas_nni.data.kinds import label_kind
from ednas_nni.data.palette import INK, PAPER, font
from ednas_nni.data.source import DataSource

_GAP, _MARGIN, _HEAD = 6, 18, 34
_CELL_WIDTH = 256


def contact_sheet(source: DataSource, split: str = "train", n: int = 8, opened_by: str | None = None) -> Image.Image:
    """Draw the first `n` images of a split with all their labels; `opened_by` says who looks at the test split.

    One column for the image and one per label, legends below. Invalid pixels are black; a label that an image lacks
    entirely says so.
    """
    data = source.split(split, opened_by)
    info = data.info
    n = min(n, len(data))
    cell = (_CELL_WIDTH, max(1, round(_CELL_WIDTH * info.size[0] / info.size[1])))
    labels = {name: np.asarray(data.target(name)[:n]) for name in info.targets}
    drawings = {name: label_kind(name).drawing(values, info) for name, values in labels.items()}
    lefts = [_MARGIN + column * (cell[0] + _GAP) for column in range(1 + len(labels))]
    # Wide legends run below the image column, too, where theirs is the next one.
    places = {
        name: (lefts[0], 2 * cell[0] + _GAP) if drawing.wide and column == 1 else (lefts[column], cell[0])
        for column, (name, drawing) in enumerate(drawings.items(), 1)
    }
    foot = max([64, *(drawing.legend_height(places[name][1]) for name, drawing in drawings.items())])
    height = 2 * _MARGIN + _HEAD + n * cell[1] + (n - 1) * _GAP + foot
    sheet = Image.new("RGB", (lefts[-1] + cell[0] + _MARGIN, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    titles = [f"{info.name}, {split}, {info.size[0]} x {info.size[1]}", *(d.title for d in drawings.values())]
    for left, title in zip(lefts, titles, strict=True):
        draw.text((left, _MARGIN + 4), title, INK, font(15))
    for row in range(n):
        top = _MARGIN + _HEAD + row * (cell[1] + _GAP)
        image = Image.fromarray(np.asarray(data.image[row]))
        # Single pixels of a small image stay visible; only a large image is averaged.
        shrinks = image.width > cell[0]
        sheet.paste(image.resize(cell, Image.Resampling.BOX if shrinks else Image.Resampling.NEAREST), (lefts[0], top))
        for left, (name, values) in zip(lefts[1:], labels.items(), strict=True):
            picture = Image.fromarray(drawings[name].colors(values[row]))
            sheet.paste(picture.resize(cell, Image.Resampling.NEAREST), (left, top))  # labels must not blend
            if not label_kind(name).valid(values[row], info).any():
                middle = (left + cell[0] / 2, top + cell[1] / 2)
                draw.text(middle, f"no {name}", (190, 192, 198), font(14), anchor="mm")
    for name, drawing in drawings.items():
        left, width = places[name]
        drawing.legend(sheet, left, height - _MARGIN - foot + 14, width)
    return sheet
