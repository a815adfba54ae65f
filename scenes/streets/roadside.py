"""What lines a street: sidewalks, and behind them, stretch by stretch, houses, gardens, parks, walls and fences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scenes.render.builder import Builder, Frame
from scenes.streets import buildings, furniture, plants
from scenes.streets.covers import grass, paving
from scenes.streets.road import NEVER, Road

Facing = Callable[[float, float], Frame]
"""(length, back) in metres -> the place that is so long and lies so far behind the sidewalk."""

BEGINS_M, ENDS_M = -22.0, 125.0
_BEYOND_M = 60.0
_CHARACTERS = ("town", "town", "town", "town", "suburb", "suburb", "park", "trade")


def stretches(road: Road) -> list[tuple[float, float]]:
    """Return where sidewalks run (from x to x): everywhere but across the side street."""
    if road.crossing is NEVER:
        return [(BEGINS_M, ENDS_M + 40)]
    return [(BEGINS_M, road.crossing[0]), (road.crossing[1], ENDS_M + 40)]


def sidewalks(builder: Builder, road: Road, rng: np.random.Generator) -> dict[int, str]:
    """Lay sidewalks and the ground behind them.

    Returns:
        The character of each side: town, suburb, park or trade.
    """
    characters = {}
    for side, width in road.sidewalks.items():
        characters[side] = _CHARACTERS[rng.integers(len(_CHARACTERS))]
        slabs, lawn = paving(rng), grass(rng)
        green = characters[side] in ("suburb", "park")
        strip = float(rng.uniform(0.7, 1.3)) if rng.random() < 0.3 and width > 2.4 else 0.0
        inner, outer = road.half_width, road.half_width + width
        for begin, end in stretches(road):
            middle, half = (begin + end) / 2, (end - begin) / 2
            frame = Frame(builder, middle, 0.0, 0.0)
            high = road.kerb / 2
            frame.box((0, side * (inner + outer) / 2, high), (half, width / 2, high), "sidewalk", slabs)
            if strip:
                y = side * (inner + 0.25 + strip / 2)
                frame.box((0, y, high + 0.01), (half - 0.5, strip / 2, high), "terrain", lawn)
            # A little lower than the slabs, so that the edge of the sidewalk shows.
            behind = (0, side * (outer + _BEYOND_M / 2), high - 0.01)
            label, cover = ("terrain", lawn) if green else ("sidewalk", paving(rng))
            frame.box(behind, (half, _BEYOND_M / 2, high), label, cover)
    return characters


def row(builder: Builder, road: Road, side: int, character: str, rng: np.random.Generator) -> None:
    """Fill one side of the street behind the sidewalk.

    Args:
        builder: Where solids go.
        road: The street.
        side: LEFT or RIGHT.
        character: As returned by `sidewalks`.
        rng: Source of randomness.
    """
    line = road.half_width + road.sidewalks[side]
    for begin, end in stretches(road):
        x = begin
        while x < min(end, ENDS_M) - 4:
            length = min(_stretch(builder, road, side, character, rng, x, end - x, line), end - x)
            x += length


def _stretch(
    builder: Builder, road: Road, side: int, character: str, rng: np.random.Generator, x: float, room: float,
    line: float,
) -> float:  # fmt: skip
    """Put one thing at x behind the building line; return the metres it takes."""
    kind = rng.random()
    ground = road.kerb

    def facing(length: float, back: float) -> Frame:
        return Frame(builder, x + length / 2, side * (line + back), 0.0 if side < 0 else np.pi, ground)

    if character == "town" and kind < 0.86:
        bays, storeys = int(rng.integers(3, 7)), int(rng.integers(2, 7))
        if bays * 2.9 > room:
            return room
        # The house is built around its middle, whose place follows from its width.
        state = facing(0, 0)
        width = buildings.town_house(state.at((1 if side < 0 else -1) * bays * 1.28, 0), rng, bays, storeys)
        return max(width, bays * 2.56) + (0.0 if rng.random() < 0.85 else rng.uniform(1.0, 3.5))
    if character == "trade" and kind < 0.55:
        if room < 24:
            return room
        buildings.hall(facing(22, rng.uniform(3, 9)), rng)
        if rng.random() < 0.5:
            furniture.fence(facing(22, 0.4), rng, 22)
        return 24.0
    if character == "suburb" and kind < 0.72:
        return _garden(facing, rng, min(room, 16.0))
    length = float(min(room, rng.uniform(8, 16)))
    _open_ground(facing, rng, length)
    return length


def _garden(facing: Facing, rng: np.random.Generator, length: float) -> float:
    """A detached house behind a hedge, fence or wall, with a tree."""
    if length < 12:
        return length
    buildings.cottage(facing(length, rng.uniform(4, 7)), rng)
    _border(facing(length, 0.4), rng, length - 2.5)
    for _ in range(int(rng.integers(1, 3))):
        spot = facing(length, rng.uniform(1.6, 3.5)).at(rng.uniform(-0.45, 0.45) * length, 0)
        (plants.tree if rng.random() < 0.6 else plants.bush)(spot, rng)
    return length


def _border(place: Frame, rng: np.random.Generator, length: float) -> None:
    kind = rng.integers(4)
    if kind == 0:
        plants.hedge(place, rng, length)
    elif kind == 1:
        furniture.wall(place, rng, length)
    else:
        furniture.fence(place, rng, length)


def _open_ground(facing: Facing, rng: np.random.Generator, length: float) -> None:
    """A gap between houses: a lawn or yard behind a border, with trees and a wood or houses far behind."""
    kind = rng.random()
    if kind < 0.65:
        _border(facing(length, 0.3), rng, length)
    elif kind < 0.75:
        furniture.guard_rail(facing(length, 0.3), rng, length)
    for _ in range(int(rng.integers(1, 4))):
        plants.tree(
            facing(length, rng.uniform(2, 9)).at(rng.uniform(-0.5, 0.5) * length, 0), rng, rng.uniform(0.8, 1.3)
        )
    if rng.random() < 0.3:
        plants.bush(facing(length, rng.uniform(1, 3)).at(rng.uniform(-0.5, 0.5) * length, 0), rng)
    if rng.random() < 0.5:
        plants.wood(facing(length, rng.uniform(13, 22)), rng, length + 4)
    elif rng.random() < 0.6:
        buildings.town_house(facing(length, rng.uniform(12, 25)), rng, 5, int(rng.integers(2, 5)))


def kerb_side(builder: Builder, road: Road, side: int, rng: np.random.Generator) -> None:
    """Place lamp posts, signs, traffic lights, bollards and trees between kerb and walkers."""
    y = road.half_width + 0.45
    x = float(rng.uniform(3, 9))
    trees = rng.random() < 0.45
    while x < 85:
        in_side_street = road.crossing[0] - 1 < x < road.crossing[1] + 1
        place = Frame(builder, x, side * y, 0.0, road.kerb)
        kind = rng.random()
        if in_side_street:
            pass
        elif kind < 0.3:
            furniture.lamp_post(place, rng, -side * float(rng.uniform(0.8, 2.0)))
        elif kind < 0.56:
            furniture.sign_post(place, rng)
        elif kind < 0.64:
            furniture.traffic_light(place, rng)
        elif kind < 0.7:
            furniture.bollards(place, rng)
        elif kind < 0.74 and road.sidewalks[side] > 2:
            furniture.direction_board(place.at(0, side * 0.9), rng)
        elif trees:
            plants.tree(place.at(0, side * 0.4), rng, rng.uniform(0.75, 1.1))
        x += rng.uniform(4, 10)
    stop = next((low for low, _ in road.zebras), None)
    if stop is not None and rng.random() < 0.7:
        arm = -side * (y - road.half_width + 2.2) if side < 0 and rng.random() < 0.5 else 0.0
        furniture.traffic_light(Frame(builder, stop - 1.0, side * y, 0.0, road.kerb), rng, arm)
