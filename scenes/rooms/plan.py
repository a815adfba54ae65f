"""The floor plan: where furniture may stand without running into other furniture."""

from __future__ import annotations

import numpy as np

from scenes.render.builder import Builder, Frame

FAR, RIGHT, LEFT = 0, 1, 2
"""Walls furniture leans on: x = X (which the camera faces), y = 0 and y = Y."""

_TRIES = 25
_GAP = 0.04


class FloorPlan:
    """Reserves rectangles of the floor.

    Attributes:
        room: Extents (X, Y, Z) in metres.
        footprints: Reserved rectangles (centre x, centre y, half x, half y) in metres.
    """

    def __init__(self, builder: Builder, room: tuple[float, float, float], rng: np.random.Generator) -> None:
        """Start with an empty floor."""
        self._builder = builder
        self._rng = rng
        self.room = room
        self.footprints: list[tuple[float, float, float, float]] = []

    def _reserve(self, x: float, y: float, half_x: float, half_y: float) -> bool:
        length, width, _ = self.room
        if x - half_x < 0.9 or x + half_x > length or y - half_y < 0 or y + half_y > width:
            return False
        for other_x, other_y, other_half_x, other_half_y in self.footprints:
            if abs(x - other_x) < half_x + other_half_x + _GAP and abs(y - other_y) < half_y + other_half_y + _GAP:
                return False
        self.footprints.append((x, y, half_x, half_y))
        return True

    def at_wall(self, half_width: float, half_depth: float, wall: int | None = None) -> Frame | None:
        """Find a free place along a wall, back to the wall.

        Args:
            half_width: Half extent along the wall, metres.
            half_depth: Half extent from the wall, metres.
            wall: FAR, RIGHT or LEFT; `None` draws one.

        Returns:
            A frame in the middle of the place whose y axis points into the room, or `None` when the room is full.
        """
        length, width, _ = self.room
        for _ in range(_TRIES):
            side = int(self._rng.integers(3)) if wall is None else wall
            position = float(self._rng.random())
            if side == FAR:
                room_left = width - 2 * half_width - 0.06
                x, y = length - half_depth - 0.01, half_width + 0.03 + max(room_left, 0) * position
                yaw, half_x, half_y = np.pi / 2, half_depth, half_width
            else:
                room_left = length - 1.0 - 2 * half_width
                x = 0.95 + half_width + max(room_left, 0) * position
                y = half_depth + 0.01 if side == RIGHT else width - half_depth - 0.01
                yaw, half_x, half_y = (0.0 if side == RIGHT else np.pi), half_width, half_depth
            if self._reserve(x, y, half_x, half_y):
                return Frame(self._builder, x, y, yaw)
        return None

    def anywhere(self, half_width: float, half_depth: float, turned: bool = True) -> Frame | None:
        """Find a free place away from the walls.

        Args:
            half_width: Half extent along the frame's x axis, metres.
            half_depth: Half extent along the frame's y axis, metres.
            turned: Any angle; otherwise along the walls.

        Returns:
            A frame in the middle of the place, or `None`.
        """
        length, width, _ = self.room
        for _ in range(_TRIES):
            yaw = float(self._rng.uniform(0, 2 * np.pi)) if turned else float(self._rng.integers(4) * np.pi / 2)
            cos, sin = abs(np.cos(yaw)), abs(np.sin(yaw))
            half_x, half_y = half_width * cos + half_depth * sin, half_width * sin + half_depth * cos
            x = self._rng.uniform(1.3 + half_x, max(1.31 + half_x, length - half_x))
            y = self._rng.uniform(half_y, max(half_y + 0.01, width - half_y))
            if self._reserve(float(x), float(y), float(half_x), float(half_y)):
                return Frame(self._builder, float(x), float(y), yaw)
        return None
