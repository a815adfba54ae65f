"""Houses, offices, sheds and the town's silhouette at the end of the street.

A building stands behind its frame's origin: y = 0 is the building line, y points to the street, x runs along it.
"""

from __future__ import annotations

import numpy as np

from scenes.render.builder import Builder, Frame
from scenes.render.materials import Material, color, gray, plain, shaded
from scenes.render.outdoor import BAY
from scenes.streets.covers import facade, jitter, shop_front

_ROOFS = ((0.36, 0.14, 0.09), (0.30, 0.17, 0.12), (0.12, 0.12, 0.14), (0.20, 0.19, 0.19))
_DETAIL_ENDS_M = 45.0


def town_house(place: Frame, rng: np.random.Generator, bays: int, storeys: int) -> float:
    """A house in a row: ground floor with or without shops, storeys with windows, cornice, roof.

    Args:
        place: Middle of the front on the building line.
        rng: Source of randomness.
        bays: Number of windows side by side.
        storeys: Number of storeys above the ground floor.

    Returns:
        The width in metres.
    """
    storey = float(rng.uniform(2.9, 3.5))
    half_width, ground = bays * BAY * storey / 2, float(rng.uniform(3.4, 4.3))
    deep = bays % 2 + 4
    half_depth = deep * BAY * storey / 2
    wall = facade(rng, storey, storeys, bays)
    half_height = storeys * storey / 2
    shops = rng.random() < 0.5
    base = shop_front(rng, wall.first, ground, bays) if shops else plain(shaded(wall.first, rng.uniform(0.6, 0.95)))
    place.box((0, -half_depth, ground / 2), (half_width, half_depth, ground / 2), "building", base)
    upper = (0, -half_depth, ground + half_height)
    place.box(upper, (half_width - 0.04, half_depth - 0.04, half_height), "building", wall)
    top = ground + 2 * half_height
    if place.x < _DETAIL_ENDS_M:
        trim = plain(shaded(wall.first, rng.uniform(0.8, 1.25)))
        place.box((0, -0.06, ground), (half_width, 0.14, 0.12), "building", trim)
        place.box((0, -0.1, top), (half_width, 0.26, 0.16), "building", trim)
        if shops:
            _awning(place, rng, half_width)
        else:
            _doors(place, rng, half_width, storey, bays)
        if rng.random() < 0.4:
            _balconies(place, rng, ground, storey, storeys, bays, trim)
    _roof(place, rng, half_width, half_depth, top)
    return 2 * half_width


def _awning(place: Frame, rng: np.random.Generator, half_width: float) -> None:
    if rng.random() < 0.5:
        cloth = Material(color(rng, 0.2, 0.7, 0.9), gray(0.8), ("plain", "stripes")[rng.integers(2)], 0.8)
        reach = rng.uniform(0.5, 0.75) * half_width
        place.tapered((0, 0.55, 2.75), (reach, 0.6, 0.28), (0.0, 1.0), "building", cloth)


def _doors(place: Frame, rng: np.random.Generator, half_width: float, storey: float, bays: int) -> None:
    """Windows and a door of a ground floor without shops."""
    door = int(rng.integers(bays))
    leaf, frame = plain(color(rng, 0.05, 0.35, 0.7)), plain(gray(rng.uniform(0.6, 0.85)))
    glass = plain(gray(rng.uniform(0.05, 0.16)))
    for bay in range(bays):
        x = (bay - (bays - 1) / 2) * BAY * storey
        if bay == door:
            place.box((x, 0, 1.1), (0.55, 0.05, 1.15), "building", leaf)
        else:
            place.box((x, 0, 1.95), (0.62, 0.03, 0.82), "building", frame)
            place.box((x, 0.015, 1.95), (0.53, 0.03, 0.73), "building", glass)


def _balconies(
    place: Frame, rng: np.random.Generator, ground: float, storey: float, storeys: int, bays: int, trim: Material
) -> None:
    bay = float(rng.integers(bays)) - (bays - 1) / 2
    rail = plain(gray(rng.uniform(0.05, 0.5)))
    for level in range(min(storeys, 3)):
        z = ground + level * storey + 0.1
        place.box((bay * BAY * storey, 0.5, z), (1.15, 0.55, 0.09), "building", trim)
        place.box((bay * BAY * storey, 1.0, z + 0.55), (1.15, 0.03, 0.45), "building", rail)


def _roof(place: Frame, rng: np.random.Generator, half_width: float, half_depth: float, top: float) -> None:
    kind = rng.random()
    if kind < 0.35:
        return
    base = jitter(_ROOFS[rng.integers(len(_ROOFS))], rng, 0.1)
    tiles = Material(base, shaded(base, 0.7), "bands", 0.8)
    half = rng.uniform(1.0, 1.9)
    taper = (0.12, 0.5) if kind < 0.65 else (0.0, 1.0)
    place.tapered((0, -half_depth, top + half), (half_width, half_depth, half), taper, "building", tiles)
    if rng.random() < 0.5:
        chimney = plain(shaded((0.4, 0.2, 0.14), rng.uniform(0.6, 1.2)))
        x = rng.uniform(-0.6, 0.6) * half_width
        place.box((x, -half_depth, top + 2 * half), (0.4, 0.4, 0.9), "building", chimney)


def cottage(place: Frame, rng: np.random.Generator) -> float:
    """A detached house with a gable roof; returns its width in metres."""
    storeys, bays = int(rng.integers(1, 3)), int(rng.integers(3, 6))
    storey = float(rng.uniform(2.7, 3.0))
    half_width, half_height = bays * BAY * storey / 2, storeys * storey / 2
    half_depth = (bays % 2 + 2) * BAY * storey / 2
    wall = facade(rng, storey, storeys, bays)
    place.box((0, -half_depth, half_height), (half_width, half_depth, half_height), "building", wall)
    base = jitter(_ROOFS[rng.integers(len(_ROOFS))], rng, 0.1)
    tiles = Material(base, shaded(base, 0.7), "bands", 0.8)
    half = rng.uniform(1.1, 1.7)
    taper = (0.0, 1.0) if rng.random() < 0.6 else (1.0, 0.0)
    roof = (half_width + 0.35, half_depth + 0.35, half)
    place.tapered((0, -half_depth, 2 * half_height + half), roof, taper, "building", tiles)
    return 2 * half_width


def hall(place: Frame, rng: np.random.Generator) -> float:
    """A low shed, supermarket or workshop; returns its width in metres."""
    half_width, half_depth, height = rng.uniform(6, 11), rng.uniform(5, 9), rng.uniform(3.8, 6)
    base = jitter(gray(rng.uniform(0.3, 0.75)), rng, 0.1)
    sheet = Material(base, shaded(base, 0.8), "folds", 0.35)
    place.box((0, -half_depth, height / 2), (half_width, half_depth, height / 2), "building", sheet)
    gate = plain(color(rng, 0.1, 0.5, 0.6))
    for x in (-0.5, 0.3):
        place.box((x * half_width, 0, 1.6), (1.5, 0.05, 1.6), "building", gate)
    board = Material(color(rng, 0.15, 0.7, 0.9), gray(0.85), "letters", 1.0)
    place.box((0, 0.05, height - 0.7), (half_width * 0.45, 0.06, 0.45), "building", board)
    return float(2 * half_width)


def skyline(builder: Builder, rng: np.random.Generator, begin: float, half_gap: float) -> None:
    """What closes the view: far houses across the end of the street, or trees (`plants` adds those)."""
    y = -75.0
    while y < 75:
        storey = 3.1
        bays, storeys = int(rng.integers(4, 8)), int(rng.integers(3, 8))
        half_width = bays * BAY * storey / 2
        x = begin + rng.uniform(0, 25)
        wall = facade(rng, storey, storeys, bays)
        if abs(y + half_width) > half_gap or rng.random() < 0.5:
            place = Frame(builder, x, y + half_width, np.pi / 2)
            place.box((0, -5, storeys * storey / 2), (half_width, 5, storeys * storey / 2), "building", wall)
        y += 2 * half_width + rng.uniform(0, 5)
