"""What stands along streets: lamp posts, traffic lights, signs, fences, walls.

Frames are oriented as on the road: x along the street, away from the camera; a thing faces the camera where its x is
negative.
"""

from __future__ import annotations

import numpy as np

from scenes.render.builder import Frame
from scenes.render.materials import Color, Material, gray, plain, shaded
from scenes.streets.covers import jitter, metal

_RED: Color = (0.62, 0.03, 0.03)
_BLUE: Color = (0.02, 0.12, 0.52)
_YELLOW: Color = (0.85, 0.62, 0.03)
_GREEN: Color = (0.02, 0.30, 0.14)
_WHITE = plain(gray(0.85))
_BACK = plain(gray(0.35))
_LIGHTS: tuple[Color, ...] = ((1.25, 0.10, 0.05), (1.2, 0.7, 0.05), (0.1, 1.15, 0.45))


def lamp_post(place: Frame, rng: np.random.Generator, reach: float) -> None:
    """A street lamp whose arm reaches `reach` metres along y (negative: to the other side)."""
    coat, height, thick = metal(rng), rng.uniform(5.5, 8), rng.uniform(0.055, 0.09)
    place.cylinder((0, 0, height / 2), (thick, thick, height / 2), "pole", coat)
    place.cylinder((0, 0, 0.45), (thick * 1.7, thick * 1.7, 0.45), "pole", coat)
    place.box((0, reach / 2, height - 0.05), (0.035, abs(reach) / 2, 0.035), "pole", coat)
    place.box((0, reach, height - 0.08), (0.11, 0.32, 0.06), "pole", plain(gray(rng.uniform(0.4, 0.8))))


def bollards(place: Frame, rng: np.random.Generator) -> None:
    """A row of posts at the kerb."""
    coat, height = metal(rng), rng.uniform(0.4, 0.55)
    for n in range(int(rng.integers(2, 6))):
        place.cylinder((1.6 * n, 0, height), (0.07, 0.07, height), "pole", coat)


def traffic_light(place: Frame, rng: np.random.Generator, reach: float = 0.0) -> None:
    """A traffic light; with `reach` a second one hangs from an arm above the road."""
    coat = metal(rng)
    height = 5.4 if reach else rng.uniform(2.6, 3.1)
    place.cylinder((0, 0, height / 2), (0.07, 0.07, height / 2), "pole", coat)
    phase = int(rng.integers(3))
    _signal(place.at(-0.16, 0, 2.75), rng, phase)
    if reach:
        place.box((0, reach / 2, height - 0.06), (0.05, abs(reach) / 2, 0.05), "pole", coat)
        _signal(place.at(-0.12, reach, height - 0.3), rng, phase)


def _signal(place: Frame, rng: np.random.Generator, phase: int) -> None:
    case = plain(gray(rng.uniform(0.02, 0.06)))
    if rng.random() < 0.5:
        place.box((0.06, 0, 0), (0.015, 0.29, 0.62), "traffic light", plain(gray((0.02, 0.75)[rng.integers(2)])))
    place.box((0, 0, 0), (0.1, 0.17, 0.47), "traffic light", case)
    for n, tint in enumerate(_LIGHTS):
        on = n == phase
        lens = Material(tint if on else shaded(tint, 0.07), shaded(tint, 0.8 if on else 0.05), "plain", 1.0, 0.97 * on)
        place.ellipsoid((-0.1, 0, 0.29 - 0.29 * n), (0.05, 0.12, 0.12), "traffic light", lens)


def sign_post(place: Frame, rng: np.random.Generator) -> None:
    """A post with one or two signs that face the camera."""
    height, coat = rng.uniform(2.5, 3.1), metal(rng)
    place.cylinder((0, 0, height / 2), (0.045, 0.045, height / 2), "pole", coat)
    facing = place.at(-0.08, 0, height - 0.36, np.pi / 2 + rng.uniform(-0.15, 0.15))
    _sign(facing, rng)
    if rng.random() < 0.4:
        _sign(facing.at(0, 0, -0.72), rng)


def _sign(place: Frame, rng: np.random.Generator) -> None:
    """One sign; the frame's y axis points to the reader."""
    kind, half = rng.integers(5), rng.uniform(0.3, 0.4)
    if kind == 0:  # round, red rim
        disc = Material(_RED, gray(0.85), "ring", 1 / half, 0.0, (0.0, 0.0))
        place.wheel((0, 0, 0), (half, 0.025, half), "traffic sign", disc)
    elif kind == 1:  # triangle
        tip = (1.0, 0.0) if rng.random() < 0.8 else (0.0, 0.0)
        place.tapered((0, 0, 0), (half * 1.1, 0.02, half), tip, "traffic sign", plain(_RED))
        place.tapered((0, 0.012, -0.06), (half * 0.72, 0.02, half * 0.62), tip, "traffic sign", _WHITE)
    elif kind == 2:  # blue
        face = Material(_BLUE, gray(0.9), "letters", 1.6)
        if rng.random() < 0.5:
            place.wheel((0, 0, 0), (half, 0.025, half), "traffic sign", plain(_BLUE))
        else:
            place.box((0, 0, 0), (half, 0.025, half), "traffic sign", face)
    elif kind == 3:  # priority road: yellow in white
        place.box((0, 0, 0), (half * 0.85, 0.02, half * 0.85), "traffic sign", _WHITE)
        place.box((0, 0.012, 0), (half * 0.62, 0.02, half * 0.62), "traffic sign", plain(_YELLOW))
    else:  # no entry
        place.wheel((0, 0, 0), (half, 0.025, half), "traffic sign", plain(_RED))
        place.box((0, 0.02, 0), (half * 0.7, 0.02, half * 0.18), "traffic sign", _WHITE)
    if rng.random() < 0.2:
        place.box((0, 0, -half - 0.2), (half * 0.9, 0.02, 0.14), "traffic sign", _WHITE)


def direction_board(place: Frame, rng: np.random.Generator) -> None:
    """A large board with destinations on two posts."""
    base = (_BLUE, _YELLOW, _GREEN, (0.8, 0.8, 0.78))[rng.integers(4)]
    ink = gray(0.05) if base in (_YELLOW, (0.8, 0.8, 0.78)) else gray(0.88)
    half, height = rng.uniform(0.8, 1.3), rng.uniform(2.6, 3.2)
    coat = metal(rng)
    for y in (-0.7, 0.7):
        place.cylinder((0.06, y * half, height / 2), (0.05, 0.05, height / 2), "pole", coat)
    board = Material(base, ink, "letters", 2.2)
    place.at(0, 0, 0, np.pi / 2).box((0, 0, height - 0.3), (half, 0.03, half * 0.55), "traffic sign", board)


def fence(place: Frame, rng: np.random.Generator, length: float) -> None:
    """A fence along the frame's x axis: posts and rails, pickets, or panels."""
    kind = rng.random()
    if kind < 0.45:
        coat, height = metal(rng), rng.uniform(0.9, 1.3)
        for n in range(int(length / 1.6) + 1):
            place.box((-length / 2 + 1.6 * n, 0, height / 2), (0.04, 0.04, height / 2), "fence", coat)
        for z in (0.25, 0.55, 0.95):
            place.box((0, 0, height * z), (length / 2, 0.025, 0.035), "fence", coat)
    elif kind < 0.75:
        base = jitter(((0.42, 0.28, 0.16), (0.7, 0.7, 0.68), (0.25, 0.18, 0.12))[rng.integers(3)], rng)
        height = rng.uniform(0.9, 1.7)
        boards = Material(base, shaded(base, 0.35), "stripes", rng.uniform(1.0, 1.8))
        place.box((0, 0, height / 2), (length / 2, 0.03, height / 2), "fence", boards)
    else:
        height, coat = rng.uniform(1.2, 1.9), metal(rng)
        mesh = Material(shaded(coat.first, 0.9), shaded(coat.first, 0.5), "checker", 3.0)
        place.box((0, 0, height / 2), (length / 2, 0.015, height / 2), "fence", mesh)
        for n in range(int(length / 2.5) + 1):
            place.cylinder((-length / 2 + 2.5 * n, 0, height / 2), (0.05, 0.05, height / 2), "fence", coat)


def wall(place: Frame, rng: np.random.Generator, length: float) -> None:
    """A free-standing wall along the frame's x axis: bricks, concrete or plaster, with a coping."""
    half_height, kind = rng.uniform(0.5, 1.3), rng.integers(3)
    base = jitter(((0.42, 0.2, 0.14), (0.5, 0.49, 0.47), (0.72, 0.68, 0.6))[kind], rng)
    cover = Material(base, shaded(base, 0.72), ("bricks", "carpet", "plain")[kind], rng.uniform(0.6, 1.0))
    place.box((0, 0, half_height), (length / 2, 0.14, half_height), "wall", cover)
    place.box((0, 0, 2 * half_height + 0.05), (length / 2, 0.2, 0.06), "wall", plain(shaded(base, 0.85)))


def guard_rail(place: Frame, rng: np.random.Generator, length: float) -> None:
    """A steel guard rail along the frame's x axis."""
    steel = plain(gray(rng.uniform(0.35, 0.55)))
    for n in range(int(length / 2) + 1):
        place.box((-length / 2 + 2 * n, 0, 0.3), (0.05, 0.05, 0.3), "fence", steel)
    place.box((0, 0.08, 0.58), (length / 2, 0.03, 0.15), "fence", steel)
