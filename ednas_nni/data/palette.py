"""Colours of labels, depth and normals, ink and fonts: shared by contact sheets and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import ImageFont

PAPER, INK, FAINT = (250, 250, 248), (40, 42, 48), (120, 124, 132)
ROW = 20
"""Height in pixels of a line of a legend."""

# Rooms: hand-picked so that classes that touch often (wall/window, floor/table, sofa/bed) stay far apart in hue and
# lightness, and so that large classes are calm while small ones are loud.
_ROOMS: dict[str, tuple[int, int, int]] = {
    "bed": (214, 69, 80),
    "books": (255, 176, 0),
    "ceiling": (226, 222, 208),
    "chair": (0, 146, 146),
    "floor": (158, 122, 88),
    "furniture": (108, 84, 168),
    "objects": (255, 90, 205),
    "picture": (120, 220, 70),
    "sofa": (46, 104, 220),
    "table": (238, 120, 40),
    "tv": (30, 30, 46),
    "wall": (168, 178, 192),
    "window": (120, 205, 245),
}

# Streets: the colours of CityScapes, which people know; only trains are a little lighter, to differ from buses.
_STREETS: dict[str, tuple[int, int, int]] = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 110, 120),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
    "flat": (128, 64, 128),
    "construction": (70, 70, 70),
    "object": (220, 220, 0),
    "nature": (107, 142, 35),
    "human": (220, 20, 60),
    "vehicle": (0, 0, 142),
}

IGNORED = (0, 0, 0)

_DEPTH = np.array(
    [
        (252, 250, 210),
        (253, 205, 120),
        (246, 142, 82),
        (219, 82, 96),
        (163, 48, 122),
        (98, 32, 124),
        (42, 22, 92),
        (12, 10, 46),
    ],
    dtype=np.float32,
)


def class_colors(classes: tuple[str, ...]) -> np.ndarray:
    """Return one colour per class, uint8 (256, 3): row = label value; others (255 = ignored) are black.

    The names of rooms and of streets keep fixed colours (`wall` occurs in both: its company decides); others get evenly
    spread hues.
    """
    named = max((_ROOMS, _STREETS), key=lambda colors: len(colors.keys() & set(classes)))
    table = np.tile(np.array(IGNORED, np.uint8), (256, 1))
    for index, name in enumerate(classes):
        # The golden ratio spreads any number of hues without neighbours being alike.
        hue = (index * 0.618034) % 1.0
        phase = np.array([hue, hue - 1 / 3, hue + 1 / 3]) * 2 * np.pi
        spread = np.clip(128 + 110 * np.cos(phase), 0, 255).astype(np.uint8)
        table[index] = named.get(name, tuple(int(c) for c in spread))
    return table


def color_classes(labels: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Colour a label map, uint8 (..., H, W) -> (..., H, W, 3)."""
    return class_colors(classes)[labels]


def ramp(values: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Look values, clipped to [0, 1], up in a piecewise linear ramp of `anchors`, (K, 3) in 0..255; uint8 (..., 3)."""
    position = np.clip(values, 0.0, 1.0) * (len(anchors) - 1)
    stops = np.arange(len(anchors))
    channels = [np.interp(position, stops, anchors[:, c]) for c in range(3)]
    return (np.stack(channels, -1) + 0.5).astype(np.uint8)


def color_depth(depth: np.ndarray, near: float, far: float, logarithmic: bool = False) -> np.ndarray:
    """Colour a depth map (..., H, W): near is light, far is dark, invalid (0) is black; uint8 (..., H, W, 3).

    With inverse depth `near` is the larger value. `logarithmic`: equal ratios look equally far apart; needs `near` and
    `far` above 0.
    """
    valid = depth > 0
    if logarithmic:
        depth, near, far = np.log(np.where(valid, depth, 1)), float(np.log(near)), float(np.log(far))
    span = far - near
    picture = ramp((depth - near) / (span if abs(span) > 1e-6 else 1e-6), _DEPTH)
    picture[~valid] = IGNORED
    return picture


def color_normals(normals: np.ndarray) -> np.ndarray:
    """Colour unit normals (..., H, W, 3): red = right, green = up, blue = towards the camera; invalid is black."""
    values = normals.astype(np.float32)
    picture = (np.clip(values * 0.5 + 0.5, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)
    picture[(values * values).sum(-1) < 0.25] = IGNORED
    return picture


def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Return the font that comes with Pillow."""
    from PIL import ImageFont  # colours alone, as in reports, do without it

    return ImageFont.load_default(size)
