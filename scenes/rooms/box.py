"""The shell of a room: a closed box around the camera, so that every ray hits something."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenes.render.camera import View
from scenes.render.shell import contact_shade

FLOOR, CEILING, WALL = 0, 1, 2
"""Surface numbers: floor, ceiling and four walls (x = 0, x = X, y = 0, y = Y)."""

_SIDES = ((WALL, WALL + 1), (WALL + 2, WALL + 3), (FLOOR, CEILING))
_INWARD = np.array([(0, 0, 1), (0, 0, -1), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)], np.float32)


@dataclass(frozen=True)
class RoomBox:
    """The walls, floor and ceiling of a room (see `scenes.render.shell.Shell`).

    Attributes:
        room: Extents (X, Y, Z) in metres; one corner is the origin.
        footprints: float32 (M, 4), rectangles on the floor where furniture stands: centre x, y, half x, y in metres.
    """

    room: tuple[float, float, float]
    footprints: np.ndarray
    count: int = 6
    background: None = None

    def cast(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Return the depth of the box and the surface that each ray meets."""
        depth = np.full(view.shape, np.inf, np.float32)
        surface = np.zeros(view.shape, np.int16)
        for axis, (low, high) in enumerate(_SIDES):
            direction = view.direction(axis)
            ahead = direction > 0
            t = np.where(ahead, np.float32(self.room[axis]) - view.origin[axis], -view.origin[axis]) / direction
            nearer = t < depth
            np.copyto(depth, t, where=nearer)
            np.copyto(surface, np.where(ahead, np.int16(high), np.int16(low)), where=nearer)
        return depth, surface

    def describe(self, points: np.ndarray, surface: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return inward normals, and metres along each surface."""
        u, v = points[0].copy(), points[2].copy()
        flat = surface < WALL
        v[flat] = points[1][flat]
        side = (surface == WALL) | (surface == WALL + 1)
        u[side] = points[1][side]
        normals = np.zeros_like(points)
        shell = np.nonzero(surface < self.count)[0]
        normals[:, shell] = _INWARD.T.take(surface.take(shell), axis=1)
        return normals, u, v

    def darken(self, ambient: np.ndarray, points: np.ndarray, surface: np.ndarray, normals: np.ndarray) -> None:
        """Darken where planes of the box meet, and the floor under and around furniture."""
        shade = np.ones_like(ambient)
        for axis, (low, high) in enumerate(_SIDES):
            gap = np.minimum(points[axis], np.float32(self.room[axis]) - points[axis])
            darker = 1 - np.float32(0.3) * np.exp(gap * np.float32(-4.5))
            meets = (surface == low) | (surface == high)
            shade *= np.where(meets, np.float32(1), darker)
        ambient *= shade
        floor = np.nonzero(surface == FLOOR)[0]
        ambient[floor] *= contact_shade(points, floor, self.footprints)
