"""Colours and patterns of surfaces, drawn from distributions that many classes share.

Wood serves floors, tables, chairs, beds and furniture; fabric serves sofas, beds, chairs and objects. Colour alone
therefore does not give the class away: a network must look at shape and place.
"""

from __future__ import annotations

import colorsys
from typing import NamedTuple

import numpy as np

Color = tuple[float, float, float]


class Material(NamedTuple):
    """What a surface looks like.

    Attributes:
        first: Linear RGB reflectance, mostly in 0..1.
        second: The colour that the pattern mixes in.
        pattern: Name from `scenes.render.textures.NAMES`.
        scale: Factor on the pattern's frequency.
        glow: 0 = lit by the scene's light, 1 = shines by itself (window panes, lamp shades, screens).
        shift: Where the pattern begins, in its scaled coordinates; `None` draws a place per surface.
    """

    first: Color
    second: Color
    pattern: str = "plain"
    scale: float = 1.0
    glow: float = 0.0
    shift: tuple[float, float] | None = None


_WOODS: tuple[Color, ...] = (
    (0.42, 0.26, 0.13),
    (0.58, 0.41, 0.24),
    (0.24, 0.14, 0.08),
    (0.70, 0.55, 0.38),
    (0.36, 0.17, 0.10),
)


def color(rng: np.random.Generator, low: float = 0.12, high: float = 0.85, vivid: float = 0.75) -> Color:
    """Draw a colour: any hue, brightness in [low, high], saturation up to `vivid` and mostly moderate."""
    hue, value = rng.random(), rng.uniform(low, high)
    saturation = vivid * rng.random() ** 0.8
    return colorsys.hsv_to_rgb(hue, saturation, value)


def shaded(base: Color, factor: float) -> Color:
    """Return a colour made darker (factor below 1) or lighter."""
    red, green, blue = base
    return red * factor, green * factor, blue * factor


def gray(value: float) -> Color:
    """A neutral colour."""
    return value, value, value


def wood(rng: np.random.Generator, pattern: str = "wood") -> Material:
    """Draw a kind of wood."""
    base = shaded(_WOODS[rng.integers(len(_WOODS))], rng.uniform(0.8, 1.2))
    return Material(base, shaded(base, rng.uniform(0.5, 0.75)), pattern, rng.uniform(0.8, 1.3))


def fabric(rng: np.random.Generator) -> Material:
    """Draw a kind of cloth."""
    base = color(rng, 0.12, 0.75, 0.9)
    pattern = ("plain", "plain", "plain", "carpet", "stripes", "bands")[rng.integers(6)]
    return Material(base, shaded(base, rng.uniform(0.65, 1.25)), pattern, rng.uniform(0.8, 2.0))


def paint(rng: np.random.Generator, low: float = 0.15, high: float = 0.7) -> Material:
    """Draw an even coat of paint, mostly darker and more colourful than walls."""
    base = color(rng, low, high, 0.8)
    return Material(base, shaded(base, 0.85))


def plain(base: Color, glow: float = 0.0) -> Material:
    """An even surface of the given colour."""
    return Material(base, shaded(base, 0.85), "plain", 1.0, glow)
