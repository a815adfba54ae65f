"""Small things: books, screens, lamps, plants, boxes, vases."""

from __future__ import annotations

import numpy as np

from scenes.render.builder import Frame
from scenes.render.materials import Material, color, fabric, gray, plain, shaded, wood


def book_row(place: Frame, rng: np.random.Generator, half_width: float, height: float) -> None:
    """Upright books side by side.

    Args:
        place: Middle of the row; books stand on its z = 0.
        rng: Source of randomness.
        half_width: Half extent of the row, metres.
        height: Height of the tallest book, metres.
    """
    height = min(height, 0.36)
    x = -half_width
    end = half_width * rng.uniform(0.4, 1.0)
    while x < end:
        half_thickness = rng.uniform(0.016, 0.04)
        half_height = height / 2 * rng.uniform(0.72, 1.0)
        base = color(rng, 0.15, 0.9, 0.9)
        spine = Material(base, color(rng, 0.2, 0.95, 0.6), ("plain", "bands")[rng.integers(2)], rng.uniform(1.5, 3))
        place.box(
            (x + half_thickness, 0, half_height), (half_thickness, rng.uniform(0.08, 0.1), half_height), "books", spine
        )
        x += 2 * half_thickness + 0.003


def book_pile(place: Frame, rng: np.random.Generator) -> None:
    """A few books lying on each other."""
    z = 0.0
    for _ in range(int(rng.integers(2, 5))):
        half = rng.uniform(0.015, 0.03)
        place.at(0, 0, 0, rng.uniform(-0.4, 0.4)).box(
            (0, 0, z + half), (0.14, 0.1, half), "books", plain(color(rng, 0.15, 0.9, 0.9))
        )
        z += 2 * half


def screen(place: Frame, rng: np.random.Generator, half_width: float) -> None:
    """A television or monitor on a foot; some are switched on."""
    half_height = half_width * rng.uniform(0.56, 0.64)
    case = plain(gray(rng.uniform(0.02, 0.06)))
    place.box((0, 0, 0.02), (half_width * 0.35, 0.1, 0.02), "tv", case)
    place.box((0, -0.02, 0.06), (0.04, 0.03, 0.05), "tv", case)
    panel(place.at(0, 0, 0.09 + half_height), rng, half_width, half_height)


def panel(place: Frame, rng: np.random.Generator, half_width: float, half_height: float) -> None:
    """The flat part of a television, centred on the frame."""
    place.box((0, 0, 0), (half_width, 0.03, half_height), "tv", plain(gray(rng.uniform(0.015, 0.05))))
    if rng.random() < 0.12:
        picture = Material(color(rng, 0.3, 0.8), color(rng, 0.1, 0.7), "blobs", rng.uniform(0.4, 1.0), 0.9)
    else:
        picture = Material((0.02, 0.022, 0.03), (0.09, 0.1, 0.13), "sky", 0.6)
    place.box((0, 0.022, 0.01), (half_width * 0.95, 0.012, half_height * 0.9), "tv", picture)


def small(place: Frame, rng: np.random.Generator, size: float) -> None:
    """A vase, ball, box or plant that stands on the frame's z = 0; about `size` x 20 cm high."""
    kind = int(rng.integers(4))
    s = size * rng.uniform(0.07, 0.13)
    look = fabric(rng)
    if kind == 0:
        place.ellipsoid((0, 0, s), (s, s, s), "objects", look)
    elif kind == 1:
        place.cylinder((0, 0, s * 1.2), (s * 0.6, s * 0.6, s * 1.2), "objects", look)
        place.cylinder((0, 0, s * 2.6), (s * 0.3, s * 0.3, s * 0.3), "objects", look)
    elif kind == 2:
        place.at(0, 0, 0, rng.uniform(0, 3)).box((0, 0, s * 0.9), (s, s * 0.8, s * 0.9), "objects", look)
    else:
        _plant(place, rng, s)


def _plant(place: Frame, rng: np.random.Generator, s: float) -> None:
    leaf = (rng.uniform(0.08, 0.2), rng.uniform(0.25, 0.5), rng.uniform(0.05, 0.15))
    leaves = Material(leaf, shaded(leaf, 0.4), "blobs", 2.0)
    place.cylinder((0, 0, s * 0.6), (s * 0.6, s * 0.6, s * 0.6), "objects", plain(color(rng, 0.3, 0.8, 0.6)))
    for _ in range(3):
        x, y, z = rng.uniform(-0.5, 0.5, 3) * s
        place.ellipsoid((x, y, s * 2.0 + z), (s * 0.8, s * 0.8, s * 0.9), "objects", leaves)


def on_floor(place: Frame, rng: np.random.Generator) -> None:
    """A standing lamp, a large plant, a basket or a box on the floor."""
    kind = int(rng.integers(4))
    if kind == 0:
        height = rng.uniform(1.2, 1.6)
        metal = plain(gray(rng.uniform(0.1, 0.5)))
        place.cylinder((0, 0, 0.02), (0.15, 0.15, 0.02), "objects", metal)
        place.cylinder((0, 0, height / 2), (0.02, 0.02, height / 2), "objects", metal)
        shade = plain((0.95, 0.88, 0.7), rng.uniform(0.2, 0.9))
        place.cylinder((0, 0, height + 0.12), (0.22, 0.22, 0.17), "objects", shade)
    elif kind == 1:
        _plant(place, rng, rng.uniform(0.26, 0.4))
    elif kind == 2:
        half = rng.uniform(0.16, 0.26)
        place.cylinder((0, 0, half), (half * 0.8, half * 0.8, half), "objects", fabric(rng))
    else:
        half = rng.uniform(0.18, 0.28)
        card = wood(rng, "plain") if rng.random() < 0.5 else fabric(rng)
        place.box((0, 0, half * 0.8), (half, half * 0.8, half * 0.8), "objects", card)
