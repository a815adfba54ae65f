"""Large furniture, each piece built of boxes in a frame whose y axis points to its front."""

from __future__ import annotations

import numpy as np

from scenes.render.builder import Frame
from scenes.render.materials import fabric, gray, paint, plain, shaded, wood
from scenes.rooms import props
from scenes.rooms.plan import FloorPlan


def bed(plan: FloorPlan, rng: np.random.Generator) -> None:
    """A bed with its head at the wall: frame, mattress, blanket, pillows."""
    half_width, half_length = rng.uniform(0.5, 0.85), rng.uniform(0.95, 1.05)
    place = plan.at_wall(half_width, half_length)
    if place is None:
        return
    cover, timber = fabric(rng), wood(rng)
    sheet = plain(gray(rng.uniform(0.75, 0.95)))
    top = rng.uniform(0.42, 0.58)
    place.box((0, 0, 0.14), (half_width, half_length, 0.14), "bed", timber)
    place.box((0, 0, (0.28 + top) / 2), (half_width - 0.03, half_length - 0.03, (top - 0.28) / 2), "bed", sheet)
    reach = rng.uniform(0.6, 0.75) * half_length
    place.box(
        (0, half_length - reach, (0.22 + top) / 2 + 0.02),
        (half_width + 0.005, reach, (top - 0.22) / 2 + 0.01),
        "bed",
        cover,
    )
    head = rng.uniform(0.42, 0.62)
    back = timber if rng.random() < 0.6 else fabric(rng)
    place.box((0, -half_length + 0.03, head), (half_width, 0.035, head), "bed", back)
    count = 1 if half_width < 0.6 else 2
    for n in range(count):
        x = (n - (count - 1) / 2) * half_width
        place.ellipsoid(
            (x, -half_length + 0.3, top + 0.07),
            (half_width / count * 0.8, 0.2, 0.1),
            "objects",
            fabric(rng) if rng.random() < 0.4 else sheet,
        )


def sofa(plan: FloorPlan, rng: np.random.Generator) -> None:
    """A sofa or armchair: base, seat cushions, back, arm rests."""
    seats = int(rng.integers(1, 4))
    half_width = 0.16 + 0.31 * seats
    half_depth = rng.uniform(0.4, 0.48)
    place = (
        plan.at_wall(half_width, half_depth)
        if seats > 1 or rng.random() < 0.5
        else plan.anywhere(half_width, half_depth)
    )
    if place is None:
        return
    cloth = fabric(rng)
    darker = cloth._replace(first=shaded(cloth.first, 0.85), second=shaded(cloth.second, 0.85))
    seat, back = rng.uniform(0.4, 0.46), rng.uniform(0.36, 0.46)
    place.box((0, 0.02, seat / 2 - 0.03), (half_width - 0.1, half_depth - 0.04, seat / 2 - 0.05), "sofa", darker)
    for n in range(seats):
        x = (n - (seats - 1) / 2) * 0.62
        place.box((x, 0.08, seat - 0.06), (0.3, half_depth - 0.1, 0.07), "sofa", cloth)
        place.box((x, -half_depth + 0.24, seat + back / 2), (0.29, 0.07, back / 2), "sofa", cloth)
    place.box((0, -half_depth + 0.1, back + 0.02), (half_width, 0.1, back), "sofa", darker)
    for side in (-1, 1):
        place.box((side * (half_width - 0.08), 0, 0.3), (0.08, half_depth, 0.3), "sofa", darker)
    if rng.random() < 0.5:
        place.ellipsoid(
            (rng.choice((-1, 1)) * (half_width - 0.34), -half_depth + 0.37, seat + 0.16),
            (0.18, 0.08, 0.16),
            "objects",
            fabric(rng),
        )


def cabinet(plan: FloorPlan, rng: np.random.Generator, low: bool | None = None) -> Frame | None:
    """A chest of drawers or wardrobe; low ones carry things.

    Returns:
        The place of its top when it is low, else `None`.
    """
    low = bool(rng.random() < 0.6) if low is None else low
    half_width, half_depth = rng.uniform(0.35, 0.75), rng.uniform(0.2, 0.3)
    half_height = rng.uniform(0.3, 0.48) if low else rng.uniform(0.75, 1.05)
    place = plan.at_wall(half_width, half_depth)
    if place is None:
        return None
    coat = wood(rng) if rng.random() < 0.65 else paint(rng)
    front = coat._replace(first=shaded(coat.first, 1.18), second=shaded(coat.second, 1.18))
    knob = plain(gray(rng.uniform(0.1, 0.8)))
    place.box((0, 0, half_height), (half_width, half_depth, half_height), "furniture", coat)
    rows, columns = (int(rng.integers(1, 4)), int(rng.integers(1, 3))) if low else (1, 2)
    for row in range(rows):
        for column in range(columns):
            x = (column - (columns - 1) / 2) * 2 * half_width / columns
            z = half_height * 2 * (row + 0.5) / rows
            place.box(
                (x, half_depth + 0.004, z),
                (half_width / columns * 0.93, 0.01, half_height / rows * 0.92),
                "furniture",
                front,
            )
            if low:
                place.box((x, half_depth + 0.025, z), (0.07, 0.012, 0.014), "furniture", knob)
    return place.at(0, 0, 2 * half_height) if low else None


def bookshelf(plan: FloorPlan, rng: np.random.Generator) -> None:
    """An open shelf whose boards carry rows of books and a few other things."""
    half_width, half_depth, height = rng.uniform(0.38, 0.7), 0.16, rng.uniform(1.1, 2.0)
    place = plan.at_wall(half_width, half_depth)
    if place is None:
        return
    coat = wood(rng) if rng.random() < 0.7 else paint(rng)
    inside = coat._replace(first=shaded(coat.first, 0.7), second=shaded(coat.second, 0.7))
    place.box((0, -half_depth + 0.012, height / 2), (half_width, 0.012, height / 2), "furniture", inside)
    for side in (-1, 1):
        place.box((side * (half_width - 0.015), 0, height / 2), (0.02, half_depth, height / 2), "furniture", coat)
    boards = max(3, round(height / 0.4) + 1)
    step = (height - 0.04) / (boards - 1)
    for n in range(boards):
        place.box((0, 0, 0.02 + n * step), (half_width, half_depth, 0.02), "furniture", coat)
        if n == boards - 1:
            continue
        board = place.at(0, 0.03, 0.04 + n * step)
        if rng.random() < 0.82:
            props.book_row(board, rng, half_width - 0.06, (step - 0.04) * 0.85)
        elif step > 0.3:
            props.small(board, rng, 0.6)


def desk(plan: FloorPlan, rng: np.random.Generator) -> None:
    """A table at a wall, with a chair in front and things on top."""
    half_width, half_depth, height = rng.uniform(0.5, 0.8), rng.uniform(0.28, 0.36), rng.uniform(0.7, 0.78)
    place = plan.at_wall(half_width, half_depth + 0.25)
    if place is None:
        return
    place = place.at(0, -0.25)
    _table(place, rng, half_width, half_depth, height)
    on_top = place.at(0, 0, height)
    if rng.random() < 0.55:
        props.screen(on_top.at(rng.uniform(-0.15, 0.15), -0.05), rng, rng.uniform(0.24, 0.36))
    else:
        props.book_row(on_top.at(-half_width * 0.4, -0.1), rng, 0.25, 0.28)
    props.small(on_top.at(half_width * 0.75, 0), rng, 1.0)
    if rng.random() < 0.7:
        chair(place.at(rng.uniform(-0.2, 0.2), half_depth + 0.2, 0, np.pi + rng.uniform(-0.5, 0.5)), rng)


def dining(plan: FloorPlan, rng: np.random.Generator) -> None:
    """A table in the room with chairs around it."""
    half_width, half_depth, height = rng.uniform(0.45, 0.8), rng.uniform(0.38, 0.48), rng.uniform(0.7, 0.78)
    place = plan.anywhere(half_width + 0.2, half_depth + 0.38, turned=rng.random() < 0.4)
    if place is None:
        return
    _table(place, rng, half_width, half_depth, height)
    for _ in range(int(rng.integers(0, 3))):
        props.small(
            place.at(rng.uniform(-0.7, 0.7) * half_width, rng.uniform(-0.6, 0.6) * half_depth, height), rng, 1.0
        )
    style = int(rng.integers(2**31))
    for side in (-1, 1):
        for x in (-0.45, 0.45) if half_width > 0.6 else (0.0,):
            if rng.random() < 0.75:
                spot = place.at(
                    x * half_width, side * (half_depth + 0.12), 0, np.pi * (side > 0) + rng.uniform(-0.2, 0.2)
                )
                # One seed per table gives all its chairs the same make.
                chair(spot, np.random.default_rng(style))


def coffee_table(plan: FloorPlan, rng: np.random.Generator) -> None:
    """A low table with a book or two."""
    half_width, half_depth, height = rng.uniform(0.35, 0.6), rng.uniform(0.25, 0.38), rng.uniform(0.36, 0.48)
    place = plan.anywhere(half_width, half_depth, turned=rng.random() < 0.4)
    if place is None:
        return
    _table(place, rng, half_width, half_depth, height)
    if rng.random() < 0.5:
        props.book_pile(place.at(-0.4 * half_width, 0, height), rng)
    if rng.random() < 0.6:
        props.small(place.at(0.4 * half_width, 0, height), rng, 1.0)


def _table(place: Frame, rng: np.random.Generator, half_width: float, half_depth: float, height: float) -> None:
    coat = wood(rng) if rng.random() < 0.75 else paint(rng)
    dark = coat._replace(first=shaded(coat.first, 0.8), second=shaded(coat.second, 0.8))
    place.box((0, 0, height - 0.025), (half_width, half_depth, 0.025), "table", coat)
    place.box((0, 0, height - 0.09), (half_width - 0.06, half_depth - 0.05, 0.04), "table", dark)
    leg = rng.uniform(0.025, 0.045)
    for x in (-1, 1):
        for y in (-1, 1):
            place.box(
                (x * (half_width - 0.06), y * (half_depth - 0.06), height / 2 - 0.02),
                (leg, leg, height / 2 - 0.02),
                "table",
                dark,
            )


def chair(place: Frame, rng: np.random.Generator) -> None:
    """A chair at the given place: seat, back, legs."""
    coat = wood(rng) if rng.random() < 0.6 else paint(rng, 0.1, 0.85)
    seat = fabric(rng) if rng.random() < 0.5 else coat
    legs = coat._replace(first=shaded(coat.first, 0.75), second=shaded(coat.second, 0.75))
    half, height = rng.uniform(0.2, 0.24), rng.uniform(0.43, 0.47)
    back = rng.uniform(0.2, 0.3)
    place.box((0, 0, height), (half, half, 0.03), "chair", seat)
    if rng.random() < 0.6:
        place.box((0, -half + 0.02, height + back + 0.05), (half, 0.022, back), "chair", coat)
    else:
        for x in (-0.85, -0.28, 0.28, 0.85):
            place.box((x * half, -half + 0.02, height + back), (0.022, 0.02, back), "chair", coat)
        place.box((0, -half + 0.02, height + 2 * back), (half, 0.024, 0.05), "chair", coat)
    for x in (-1, 1):
        for y in (-1, 1):
            place.cylinder(
                (x * (half - 0.03), y * (half - 0.03), height / 2), (0.022, 0.022, height / 2), "chair", legs
            )
