"""What hangs on walls: windows with curtains, pictures, televisions, doors, wall cupboards and shelves."""

from __future__ import annotations

import numpy as np

from scenes.render.builder import Builder, Frame
from scenes.render.materials import Material, color, fabric, gray, paint, plain, shaded, wood
from scenes.rooms import props
from scenes.rooms.plan import FAR, RIGHT


class Walls:
    """Reserves stretches of wall, so that pictures do not hang across windows."""

    def __init__(self, builder: Builder, room: tuple[float, float, float], rng: np.random.Generator) -> None:
        """Start with empty walls."""
        self._builder, self._rng = builder, rng
        self.room = room
        self._used: list[tuple[int, float, float]] = []

    def stretch(self, half_width: float, wall: int | None = None) -> Frame | None:
        """Find a free stretch of wall.

        Args:
            half_width: Half extent along the wall, metres.
            wall: FAR, RIGHT or LEFT; `None` draws one, most often the far wall.

        Returns:
            A frame on the floor line whose y axis points into the room, or `None`.
        """
        length, width, _ = self.room
        for _ in range(12):
            side = int((0, 0, 1, 2)[self._rng.integers(4)]) if wall is None else wall
            low, high = (
                (half_width + 0.1, width - half_width - 0.1)
                if side == FAR
                else (1.1 + half_width, length - half_width - 0.1)
            )
            if low > high:
                continue
            along = float(self._rng.uniform(low, high))
            if any(s == side and abs(along - a) < half_width + h + 0.08 for s, a, h in self._used):
                continue
            self._used.append((side, along, half_width))
            if side == FAR:
                return Frame(self._builder, length, along, np.pi / 2)
            return Frame(self._builder, along, 0.0 if side == RIGHT else width, 0.0 if side == RIGHT else np.pi)
        return None


def window(walls: Walls, rng: np.random.Generator) -> None:
    """A window with a bright view and, often, curtains (class window, as in the 13-class mapping of NYUv2)."""
    half_width, half_height = rng.uniform(0.4, 0.7), rng.uniform(0.42, 0.6)
    drawn = rng.random() < 0.5
    place = walls.stretch(half_width + (0.2 if drawn else 0.05))
    if place is None:
        return
    z = min(0.85 + half_height + rng.uniform(0.0, 0.15), walls.room[2] - half_height - 0.1)
    frame = plain(gray(rng.uniform(0.7, 0.95)))
    place.box((0, 0.01, z), (half_width + 0.05, 0.03, half_height + 0.05), "window", frame)
    bright = rng.uniform(0.75, 1.25)
    pane = Material((0.5 * bright, 0.72 * bright, 1.0 * bright), (bright, bright, bright), "sky", 0.5, 0.95)
    panes = int(rng.integers(1, 4))
    for n in range(panes):
        x = (n - (panes - 1) / 2) * 2 * half_width / panes
        place.box((x, 0.025, z), (half_width / panes - 0.025, 0.02, half_height - 0.02), "window", pane)
    if drawn:
        base = color(rng, 0.25, 0.8, 0.9)
        cloth = Material(base, shaded(base, 0.65), "folds", 1.0)
        half_drop = (z + half_height + 0.1) / 2 if rng.random() < 0.5 else half_height + 0.12
        for side in (-1, 1):
            place.box(
                (side * (half_width + 0.02), 0.07, z + half_height + 0.1 - half_drop),
                (rng.uniform(0.14, 0.2), 0.03, half_drop),
                "window",
                cloth,
            )


def picture(walls: Walls, rng: np.random.Generator) -> None:
    """A framed picture, some with a mount."""
    half_width, half_height = rng.uniform(0.28, 0.6), rng.uniform(0.26, 0.45)
    place = walls.stretch(half_width + 0.04)
    if place is None:
        return
    z = rng.uniform(1.4, max(1.41, min(1.75, walls.room[2] - half_height - 0.1)))
    border = wood(rng, "plain") if rng.random() < 0.6 else plain(gray(rng.choice((0.05, 0.9))))
    place.box((0, 0.012, z), (half_width + 0.035, 0.015, half_height + 0.035), "picture", border)
    if rng.random() < 0.4:
        place.box((0, 0.018, z), (half_width, 0.013, half_height), "picture", plain(gray(0.92)))
        half_width, half_height = half_width * 0.72, half_height * 0.72
    art = Material(
        color(rng, 0.15, 0.9, 0.95),
        color(rng, 0.15, 0.9, 0.95),
        ("blobs", "blobs", "bands", "checker")[rng.integers(4)],
        rng.uniform(0.4, 1.2),
    )
    place.box((0, 0.022, z), (half_width, 0.012, half_height), "picture", art)


def television(walls: Walls, rng: np.random.Generator) -> None:
    """A flat television on the wall."""
    half_width = rng.uniform(0.4, 0.68)
    place = walls.stretch(half_width)
    if place is not None:
        props.panel(place.at(0, 0.05, rng.uniform(1.2, 1.5)), rng, half_width, half_width * 0.58)


def door(walls: Walls, rng: np.random.Generator) -> None:
    """A door (class wall, as in the 13-class mapping of NYUv2)."""
    place = walls.stretch(0.5)
    if place is None:
        return
    coat = wood(rng) if rng.random() < 0.5 else paint(rng, 0.6, 0.95)
    place.box((0, 0.0, 1.03), (0.48, 0.03, 1.03), "wall", plain(shaded(coat.first, 0.75)))
    place.box((0, 0.015, 1.0), (0.42, 0.03, 1.0), "wall", coat)
    inset = coat._replace(first=shaded(coat.first, 0.85), second=shaded(coat.second, 0.85))
    for z in (0.55, 1.5):
        place.box((0, 0.03, z), (0.29, 0.02, 0.36), "wall", inset)
    place.ellipsoid((0.35, 0.07, 1.0), (0.03, 0.03, 0.03), "wall", plain(gray(0.7)))


def wall_shelf(walls: Walls, rng: np.random.Generator) -> None:
    """A board with books on the wall."""
    half_width = rng.uniform(0.35, 0.6)
    place = walls.stretch(half_width)
    if place is None:
        return
    for z in (1.35, 1.75)[: int(rng.integers(1, 3))]:
        place.box((0, 0.12, z), (half_width, 0.12, 0.02), "furniture", wood(rng))
        props.book_row(place.at(0, 0.12, z + 0.02), rng, half_width * 0.9, 0.3)


def wall_cupboard(walls: Walls, rng: np.random.Generator) -> None:
    """A row of cupboards under the ceiling."""
    half_width = rng.uniform(0.45, 0.9)
    place = walls.stretch(half_width)
    if place is None:
        return
    coat = wood(rng) if rng.random() < 0.5 else paint(rng)
    front = coat._replace(first=shaded(coat.first, 1.15), second=shaded(coat.second, 1.15))
    z = walls.room[2] - 0.5
    place.box((0, 0.17, z), (half_width, 0.17, 0.33), "furniture", coat)
    doors = 2 if half_width < 0.65 else 3
    for n in range(doors):
        x = (n - (doors - 1) / 2) * 2 * half_width / doors
        place.box((x, 0.345, z), (half_width / doors - 0.015, 0.01, 0.31), "furniture", front)


def rug(place: Frame, rng: np.random.Generator, half_width: float, half_depth: float) -> None:
    """A rug (class floor, as in the 13-class mapping of NYUv2)."""
    cloth = fabric(rng)
    place.box((0, 0, 0.002), (half_width, half_depth, 0.002), "floor", cloth)
    place.box((0, 0, 0.003), (half_width - 0.12, half_depth - 0.12, 0.003), "floor", fabric(rng))
