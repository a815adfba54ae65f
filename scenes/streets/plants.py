"""Trees, bushes, hedges and lawns."""

from __future__ import annotations

import math

import numpy as np

from scenes.render.builder import Frame
from scenes.render.materials import Material
from scenes.streets.covers import bark, leaves

_FAR_M = 28.0


def tree(place: Frame, rng: np.random.Generator, size: float = 1.0) -> None:
    """A tree: round, tall or conical; about `size` x 7 m high."""
    kind = rng.random()
    crown, stem = leaves(rng), bark(rng)
    if kind < 0.14:
        _fir(place, rng, size, crown, stem)
        return
    trunk = rng.uniform(0.9, 1.5) * size
    radius = rng.uniform(1.3, 2.1) * size
    thick = rng.uniform(0.1, 0.17) * size
    place.cylinder((0, 0, trunk), (thick, thick, trunk), "vegetation", stem)
    squeeze = rng.uniform(1.2, 1.7) if kind < 0.4 else rng.uniform(0.75, 1.0)
    middle = 2 * trunk + 0.7 * radius * squeeze
    count = 2 if place.x > _FAR_M else 6
    core = (0.85 if count > 3 else 1.0) * radius
    place.ellipsoid((0, 0, middle), (core, core, core * squeeze), "vegetation", crown)
    turn = rng.uniform(0, 6.28)
    for n in range(count):
        angle, part = turn + n * 6.28 / count, rng.uniform(0.4, 0.68)
        away = radius * rng.uniform(0.5, 0.72)
        x, y = math.cos(angle) * away, math.sin(angle) * away
        z = middle + rng.uniform(-0.62, 0.68) * radius * squeeze
        place.ellipsoid(
            (x, y, z), (part * radius, part * radius * rng.uniform(0.8, 1.1), part * radius), "vegetation", crown
        )


def _fir(place: Frame, rng: np.random.Generator, size: float, needles: Material, stem: Material) -> None:
    height, half_width = rng.uniform(4.5, 7) * size, rng.uniform(1.0, 1.6) * size
    place.cylinder((0, 0, 0.5), (0.15, 0.15, 0.5), "vegetation", stem)
    for n in range(3):
        z, share = 0.8 + height * n * 0.26, 1 - 0.27 * n
        place.at(0, 0, 0, 0.5 * n).tapered(
            (0, 0, z + height * 0.22), (half_width * share, half_width * share, height * 0.22), (0.92, 0.92),
            "vegetation", needles,
        )  # fmt: skip


def bush(place: Frame, rng: np.random.Generator) -> None:
    """A bush about 1.5 m high."""
    crown = leaves(rng)
    half = rng.uniform(0.5, 0.9)
    for _ in range(3):
        x, y = rng.uniform(-0.7, 0.7, 2).tolist()
        size = half * rng.uniform(0.7, 1.1)
        place.ellipsoid((x, y, size * 0.7), (size * 1.1, size, size * 0.9), "vegetation", crown)


def hedge(place: Frame, rng: np.random.Generator, length: float) -> None:
    """A clipped hedge along the frame's x axis."""
    half_height = rng.uniform(0.45, 0.95)
    place.tapered((0, 0, half_height), (length / 2, 0.4, half_height), (0.0, 0.25), "vegetation", leaves(rng))


def wood(place: Frame, rng: np.random.Generator, length: float) -> None:
    """A dense stand of trees along the frame's x axis, far enough to be made of few solids."""
    x = -length / 2
    crowns = (leaves(rng), leaves(rng))
    while x < length / 2:
        half_height, half_width = rng.uniform(2.5, 5), rng.uniform(2.2, 4)
        place.ellipsoid(
            (x, rng.uniform(-3, 0), half_height), (half_width, 3, half_height), "vegetation", crowns[rng.integers(2)]
        )
        x += half_width * rng.uniform(1.2, 1.7)
