"""Materials of streets: facades, ground, leaves, metal, cloth and car paint."""

from __future__ import annotations

import colorsys

import numpy as np

from scenes.render.materials import Color, Material, color, gray, plain, shaded
from scenes.render.outdoor import BAY

ASPHALT_SCALE = 1.0
GLASS: Color = (0.055, 0.075, 0.095)
RUBBER = plain(gray(0.025))

_PLASTERS: tuple[Color, ...] = (
    (0.74, 0.68, 0.56), (0.66, 0.60, 0.52), (0.78, 0.74, 0.68), (0.58, 0.48, 0.38), (0.68, 0.54, 0.40),
    (0.52, 0.54, 0.54), (0.70, 0.64, 0.42), (0.62, 0.50, 0.46), (0.50, 0.56, 0.50), (0.82, 0.79, 0.74),
)  # fmt: skip
_BRICKS: tuple[Color, ...] = ((0.40, 0.17, 0.11), (0.46, 0.24, 0.15), (0.34, 0.20, 0.15), (0.52, 0.36, 0.24))
_CLOTHES = ("plain", "plain", "plain", "plain", "bands")


def jitter(base: Color, rng: np.random.Generator, amount: float = 0.06) -> Color:
    """Vary a colour's brightness and, less, its hue."""
    bright = rng.uniform(1 - 2 * amount, 1 + 2 * amount)
    red, green, blue = rng.uniform(1 - amount, 1 + amount, 3).tolist()
    return base[0] * red * bright, base[1] * green * bright, base[2] * blue * bright


def facade(rng: np.random.Generator, storey: float, storeys: int, bays: int) -> Material:
    """Draw a facade whose windows fill whole bays and storeys of a box.

    Args:
        rng: Source of randomness.
        storey: Height of a storey in metres.
        storeys: Number of storeys of the box.
        bays: Number of bays of its front; the number on its sides must have the same parity.
    """
    kind = rng.integers(6)
    if kind < 3:
        base, pattern = _PLASTERS[rng.integers(len(_PLASTERS))], "windows"
    elif kind < 5:
        base, pattern = _BRICKS[rng.integers(len(_BRICKS))], "brick_windows"
    else:
        base, pattern = shaded(_PLASTERS[rng.integers(len(_PLASTERS))], 0.8), "ribbons"
    # Whole periods of the noise keep bays and storeys in place while no two houses have the same curtains.
    shift = (BAY * (bays / 2 + float(rng.integers(64))), storeys / 2 + float(rng.integers(64)))
    glass = shaded(GLASS, rng.uniform(0.8, 2.4))
    return Material(jitter(base, rng), glass, pattern, 1 / storey, 0.0, shift)


def shop_front(rng: np.random.Generator, wall: Color, storey: float, bays: int) -> Material:
    """Draw the ground floor of a house with shops; one storey high."""
    shift = (BAY * (bays / 2 + float(rng.integers(64))), 0.5 + float(rng.integers(64)))
    return Material(shaded(wall, rng.uniform(0.55, 1.0)), color(rng, 0.06, 0.4, 0.6), "shops", 1 / storey, 0.0, shift)


def leaves(rng: np.random.Generator) -> Material:
    """Draw foliage: mostly greens, some of them autumnal."""
    hue = rng.uniform(0.2, 0.33) if rng.random() < 0.88 else rng.uniform(0.07, 0.16)
    base = colorsys.hsv_to_rgb(hue, rng.uniform(0.55, 0.8), rng.uniform(0.28, 0.46))
    return Material(shaded(base, 0.28), base, "leaves", rng.uniform(0.7, 1.15))


def bark(rng: np.random.Generator) -> Material:
    """Draw the bark of a trunk."""
    base = shaded((0.30, 0.22, 0.15), rng.uniform(0.6, 1.2))
    return Material(base, shaded(base, 0.5), "wood", 1.0)


def grass(rng: np.random.Generator) -> Material:
    """Draw a lawn, some of it dry."""
    dry = rng.random() ** 2
    base = (0.15 + 0.22 * dry, 0.27 + 0.06 * dry, 0.07 + 0.05 * dry)
    return Material(shaded(base, 0.6), shaded(base, 1.35), "grass", 1.0)


def paving(rng: np.random.Generator) -> Material:
    """Draw the slabs of a sidewalk."""
    base = jitter((0.44, 0.42, 0.40), rng, 0.1)
    return Material(base, shaded(base, 0.72), ("slabs", "slabs", "carpet")[rng.integers(3)], rng.uniform(0.6, 1.3))


def asphalt(value: float) -> Material:
    """Asphalt of the given brightness."""
    return Material(gray(value * 0.78), (value * 1.2, value * 1.19, value * 1.16), "asphalt", ASPHALT_SCALE)


def metal(rng: np.random.Generator) -> Material:
    """Draw galvanised or painted metal."""
    if rng.random() < 0.25:
        return plain(shaded((0.08, 0.16, 0.10), rng.uniform(0.6, 1.6)))
    return plain(gray(rng.uniform(0.14, 0.5)))


def car_paint(rng: np.random.Generator) -> Material:
    """Draw the paint of a car: most are white, silver, gray or black, the others have a colour."""
    kind = rng.random()
    if kind < 0.62:
        base = jitter(gray((0.82, 0.55, 0.30, 0.12, 0.05)[rng.integers(5)]), rng, 0.04)
    else:
        hue = (0.0, 0.02, 0.58, 0.62, 0.6, 0.35, 0.12)[rng.integers(7)]
        base = colorsys.hsv_to_rgb(hue, rng.uniform(0.55, 0.9), rng.uniform(0.25, 0.7))
    return Material(base, shaded(base, 0.92))


def cloth(rng: np.random.Generator, low: float = 0.04, high: float = 0.7) -> Material:
    """Draw what people wear."""
    base = color(rng, low, high, 0.85)
    return Material(base, shaded(base, rng.uniform(0.5, 1.3)), _CLOTHES[rng.integers(5)], rng.uniform(1.0, 2.5))


def skin(rng: np.random.Generator) -> Material:
    """Draw a tone of skin."""
    return plain(shaded((0.72, 0.50, 0.38), rng.uniform(0.28, 1.1)))
