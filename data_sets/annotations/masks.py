"""Class maps as pictures of tools: colours for classes, as CVAT writes them, and lists that name values or colours."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ednas_nni.data.class_table import COLOUR, IGNORED
from ednas_nni.data.headers import READ_ERRORS
from ednas_nni.data.reading import read_lines, read_rgb
from ednas_nni.errors import DataError

LABELMAP, CLASS_NAMES = "labelmap.txt", "class_names.txt"
"""`NAME:RED,GREEN,BLUE:parts:actions` a line, by CVAT and Datumaro; names of 0, 1, ..., by LabelMe's labelme2voc."""
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
_VOID = COLOUR + 0xE0E0C0
"""The colour of borders and difficult areas in Pascal VOC: no class."""
_FEW = 255


def colours(path: Path) -> NDArray[np.int64]:
    """Read a picture as one number a pixel, (H, W): `COLOUR` + 0xRRGGBB; palettes give their colours."""
    rgb = read_rgb(path).astype(np.int64)
    return COLOUR + (rgb[..., 0] << 16) + (rgb[..., 1] << 8) + rgb[..., 2]


def in_few_colours(path: Path) -> bool:
    """Whether a picture has so few colours that each can be a class: photos have thousands."""
    try:
        return len(np.unique(colours(path))) <= _FEW
    except DataError:
        return False


def names_of_values(mask: Path) -> tuple[Mapping[int, str], str]:
    """Return names by value or colour from the list nearest to a mask, and the name of the list; nothing without one.

    Grey masks beside a list of colours hold the numbers of its lines.
    """
    for folder in mask.parents[:3]:
        if (folder / LABELMAP).is_file():
            names = _labelmap(folder / LABELMAP)
            return dict(enumerate(names.values())) if mode(mask) == "L" else {_VOID: IGNORED, **names}, LABELMAP
        if (folder / CLASS_NAMES).is_file():
            listed = read_lines(folder / CLASS_NAMES)
            return {value: "background" if n == "_background_" else n for value, n in enumerate(listed)}, CLASS_NAMES
    return {}, ""


def mode(picture: Path) -> str:
    """How a picture stores its values, such as L, P or RGB; "" where it is none."""
    with suppress(*READ_ERRORS), Image.open(picture) as opened:
        return opened.mode
    return ""


def _labelmap(path: Path) -> Mapping[int, str]:
    names = {}
    for line in read_lines(path):
        if line.startswith("#"):
            continue
        try:
            name, colour, *_ = line.rsplit(":", 3)
            names[COLOUR + int.from_bytes(bytes(int(part) for part in colour.split(",")))] = name
        except ValueError:
            raise DataError(f"{path}: the line {line!r} is not NAME:RED,GREEN,BLUE:parts:actions") from None
    return names
