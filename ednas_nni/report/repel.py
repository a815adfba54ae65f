"""Labels of points that do not cover each other, the points, or a line."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Right and above first, where readers look for a label; then round the point, then further away.
_ANGLES = (30, 150, -30, -150, 90, -90, 0, 180, 60, 120, -60, -120)
_RADII = (9, 20, 34, 50, 70, 95)


def place(
    points: NDArray[np.float64],
    sizes: NDArray[np.float64],
    frame: tuple[float, float, float, float],
    obstacles: NDArray[np.float64],
    gap: float = 2.0,
    unit: float = 1.0,
) -> NDArray[np.float64]:
    """Choose a place for each label, one after the other.

    Args:
        points: (n, 2) in pixels, what the labels belong to.
        sizes: (n, 2) width and height of the labels in pixels.
        frame: Left, bottom, right, top in pixels; labels stay inside where they can.
        obstacles: (m, 2) positions in pixels that should stay visible.
        gap: Free pixels around each label.
        unit: Pixels of one step of distance; larger for pictures of more dots per inch.

    Returns:
        (n, 2) centres of the labels in pixels. Two labels overlap only where no tried place is free.
    """
    taken: list[tuple[float, float, float, float]] = []
    centres = np.zeros((len(points), 2))
    for i, (point, size) in enumerate(zip(points, sizes, strict=True)):
        best_cost, best_box = math.inf, (0.0, 0.0, 0.0, 0.0)
        for ring, radius in enumerate(_RADII):
            for turn, angle in enumerate(_ANGLES):
                box = _box(point, size, radius * unit, angle, gap)
                cost = 1000 * sum(_overlap(box, other) > 0 for other in taken)
                cost += 200 * (_outside(box, frame) > 0) + 6 * _covered(box, obstacles) + 2.5 * ring + 0.15 * turn
                if cost < best_cost:
                    best_cost, best_box = cost, box
        taken.append(best_box)
        centres[i] = (best_box[0] + best_box[2]) / 2, (best_box[1] + best_box[3]) / 2
    return centres


def _box(
    point: NDArray[np.float64], size: NDArray[np.float64], radius: float, angle: float, gap: float
) -> tuple[float, float, float, float]:
    """The box whose nearest edge or corner lies `radius` from the point in the given direction."""
    dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    half = size / 2 + gap
    x = point[0] + dx * radius + half[0] * (0 if abs(dx) < 0.2 else math.copysign(1, dx))
    y = point[1] + dy * radius + half[1] * (0 if abs(dy) < 0.2 else math.copysign(1, dy))
    return x - half[0], y - half[1], x + half[0], y + half[1]


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


def _outside(box: tuple[float, float, float, float], frame: tuple[float, float, float, float]) -> float:
    return max(0.0, frame[0] - box[0], frame[1] - box[1], box[2] - frame[2], box[3] - frame[3])


def _covered(box: tuple[float, float, float, float], obstacles: NDArray[np.float64]) -> int:
    if not len(obstacles):
        return 0
    x, y = obstacles[:, 0], obstacles[:, 1]
    return int(((x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])).sum())
