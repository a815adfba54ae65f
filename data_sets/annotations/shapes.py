"""Areas that somebody drew on an image, and the label map that they make.

Coordinates are x to the right and y down in pixels from the picture's upper left corner, so that pixel (row 0, column
0) reaches from 0 to 1 and its centre is (0.5, 0.5), as in COCO, CVAT and LabelMe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data.class_table import ClassTable

Points = NDArray[np.float64]
Bits = NDArray[np.bool_]

_LARGEST = 1 << 15
"""Side of a mask."""
_ROUND = 180
"""Corners of what stands for an ellipse: 0.15 pixels off at a radius of 1000."""


@dataclass(frozen=True, eq=False)
class Shape:
    """One area; a later one covers an earlier one.

    Attributes:
        label: As it was typed; None = no class, as for a crowd that nobody told apart.
        outlines: Polygons (n, 2) of x, y; the area is all that one of them holds.
        mask: bool (h, w) whose upper left pixel is `corner` (row, column) of the image; None without.
    """

    label: str | None
    outlines: Sequence[Points] = ()
    mask: Bits | None = None
    corner: tuple[int, int] = (0, 0)

    def paint(self, canvas: NDArray[np.uint8], value: int) -> None:
        """Set the pixels of the area; what lies outside of the canvas is cut off."""
        for outline in self.outlines:
            rows, columns, area = filled(outline, canvas.shape[:2])
            canvas[rows, columns][area] = value
        if self.mask is not None:
            (top, left), (height, width) = self.corner, self.mask.shape
            part = canvas[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
            inner = self.mask[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]]
            part[inner] = value


@dataclass(frozen=True, eq=False)
class Annotated:
    """What was drawn on one image, the lowest first.

    Attributes:
        size: Height and width of the picture on which it was drawn; None where the file does not say.
        passed: Number of shapes that have no area, by their kind, such as `polyline`.
    """

    size: tuple[int, int] | None
    shapes: Sequence[Shape]
    passed: Mapping[str, int] = field(default_factory=dict)

    def labels(self, size: tuple[int, int], classes: ClassTable, where: Path) -> NDArray[np.uint8]:
        """Paint all shapes; uint8 (H, W), 255 = no class. Pixels without a shape are what the table says of ''."""
        canvas = np.full(size, classes.drawn("", where), np.uint8)
        for shape in self.shapes:
            shape.paint(canvas, classes.drawn(shape.label, where))
        return canvas

    def covered(self, size: tuple[int, int]) -> float:
        """Share of the pixels that a shape covers."""
        canvas = np.zeros(size, np.uint8)
        for shape in self.shapes:
            shape.paint(canvas, 1)
        return float(canvas.mean())


def filled(outline: Points, size: tuple[int, ...]) -> tuple[slice, slice, Bits]:
    """Return rows, columns and in them the pixels whose centres lie inside of a polygon, by the even-odd rule.

    Along a row, each edge that crosses the line through the pixels' centres turns inside into outside. So one bit is
    flipped per edge and row, at the first centre to the right of the crossing, and the exclusive or of all bits to the
    left says whether a pixel is inside. Two polygons that share an edge share no pixel and leave none out. Example: a
    triangle (0, 0), (4, 0), (0, 4) has the rows 1110, 1100, 1000; the centres on its long side are outside.
    """
    least = np.ceil(outline.min(0) - 0.5).clip(0, size[1::-1]).astype(int)
    most = np.ceil(outline.max(0) - 0.5).clip(0, size[1::-1]).astype(int)
    (left, top), (right, bottom) = least, most
    flips = np.zeros((max(bottom - top, 0), max(right - left, 0) + 1), np.uint8)
    for one, other in zip(outline, np.roll(outline, -1, 0), strict=True):
        (x0, y0), (x1, y1) = sorted((one, other), key=lambda point: point[1])
        rows = np.arange(max(top, int(np.ceil(y0 - 0.5))), min(bottom, int(np.ceil(y1 - 0.5))))
        if len(rows):
            crossing = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
            flips[rows - top, np.ceil(crossing - 0.5).clip(left, right).astype(int) - left] ^= 1
    inside = np.bitwise_xor.accumulate(flips[:, :-1], axis=1).astype(bool)
    return slice(top, bottom), slice(left, right), inside


def polygon(points: object) -> Points:
    """Return corners (n, 2), from pairs or from x, y, x, y, ...; ValueError where there are none, or no numbers."""
    corners = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(corners) or not (np.abs(corners) < 1e7).all():  # also rejects NaN
        raise ValueError(f"a polygon has the points {corners.tolist()[:4]}")
    return corners


def box(left: float, top: float, right: float, bottom: float, degrees: float = 0.0) -> Points:
    """Return the corners of a rectangle, turned clockwise about its middle."""
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return polygon(_turned(corners, ((left + right) / 2, (top + bottom) / 2), degrees))


def ellipse(x: float, y: float, across: float, down: float, degrees: float = 0.0) -> Points:
    """Return an ellipse with two radii about (x, y) as a polygon, turned clockwise."""
    angles = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)
    return polygon(_turned(np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], 1), (x, y), degrees))


def runs(counts: Sequence[int], size: tuple[int, int], by_column: bool = False) -> Bits:
    """Return the mask (h, w) of run lengths, which begin with pixels outside: by rows, or by columns as in COCO."""
    if min(counts, default=0) < 0 or sum(counts) != size[0] * size[1] or max(size) > _LARGEST:
        raise ValueError(f"run lengths add up to {sum(counts)}, but the mask has {size[0]} x {size[1]} pixels")
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape(size, order="F" if by_column else "C")


def _turned(points: Points, about: tuple[float, float], degrees: float) -> Points:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return (points - about) @ np.array([[cos, sin], [-sin, cos]]) + about
