"""Persons, riders and what they ride. A figure's x axis points to where it goes; it stands on z = 0.

What is far is built of fewer solids, as with vehicles.
"""

from __future__ import annotations

import math

import numpy as np

from scenes.render.builder import Frame
from scenes.render.materials import Material, color, gray, plain
from scenes.streets.covers import RUBBER, car_paint, cloth, skin

_HAIR = ((0.05, 0.035, 0.025), (0.16, 0.09, 0.04), (0.4, 0.28, 0.12), (0.35, 0.35, 0.34), (0.02, 0.02, 0.02))
_SADDLE_M = 0.94
_CHROME = plain(gray(0.55))
_DETAIL_ENDS_M = 24.0


def person(place: Frame, rng: np.random.Generator, size: float | None = None) -> None:
    """A pedestrian in mid step, some with a bag.

    Args:
        place: Where the person stands.
        rng: Source of randomness.
        size: Height relative to an adult of 1.75 m; `None` draws one.
    """
    s = float(rng.uniform(0.93, 1.06) if rng.random() < 0.88 else rng.uniform(0.55, 0.75)) if size is None else size
    trousers, shirt, face = cloth(rng, 0.03, 0.4), cloth(rng), skin(rng)
    step = float(rng.uniform(-0.17, 0.17)) * s
    if rng.random() < 0.2:  # a skirt or coat hides the thighs
        place.tapered((0, 0, 0.62 * s), (0.19 * s, 0.2 * s, 0.28 * s), (0.35, 0.3), "person", shirt)
    for side in (-1, 1):
        place.cylinder((side * step, side * 0.09 * s, 0.42 * s), (0.085 * s, 0.08 * s, 0.42 * s), "person", trousers)
        if place.x < _DETAIL_ENDS_M:
            shoe = (side * step + 0.05 * s, side * 0.09 * s, 0.04 * s)
            place.box(shoe, (0.13 * s, 0.06 * s, 0.04 * s), "person", RUBBER)
    _body(place.at(0, 0, 0.8 * s), rng, "person", s, shirt, face, -step)
    if rng.random() < 0.3:
        bag = cloth(rng)
        place.box((-0.17 * s, 0, 1.2 * s), (0.1 * s, 0.15 * s, 0.21 * s), "person", bag)


def _body(
    place: Frame, rng: np.random.Generator, label: str, s: float, shirt: Material, face: Material, swing: float
) -> None:
    """Torso, arms and head above the hips (z = 0 of the frame)."""
    place.tapered((0, 0, 0.31 * s), (0.14 * s, 0.215 * s, 0.32 * s), (-0.12, -0.18), label, shirt)
    for side in (-1, 1):
        arm = (side * swing, side * 0.265 * s, 0.3 * s)
        place.ellipsoid(arm, (0.065 * s, 0.06 * s, 0.33 * s), label, shirt)
        if place.x < _DETAIL_ENDS_M:
            place.ellipsoid((side * swing * 1.4, side * 0.27 * s, 0.0), (0.05 * s, 0.045 * s, 0.06 * s), label, face)
    if place.x < _DETAIL_ENDS_M:
        place.cylinder((0, 0, 0.65 * s), (0.055 * s, 0.055 * s, 0.06 * s), label, face)
    place.ellipsoid((0.01 * s, 0, 0.79 * s), (0.105 * s, 0.09 * s, 0.125 * s), label, face)
    hair = plain(_HAIR[rng.integers(len(_HAIR))]) if label == "person" else plain(color(rng, 0.05, 0.8, 0.9))
    place.ellipsoid((-0.025 * s, 0, 0.83 * s), (0.112 * s, 0.1 * s, 0.115 * s), label, hair)


def _rider(place: Frame, rng: np.random.Generator, saddle: float, spread: float) -> None:
    """Somebody who sits at height `saddle` with the feet `spread` metres apart."""
    trousers, shirt, face = cloth(rng, 0.03, 0.4), cloth(rng), skin(rng)
    for side in (-1, 1):
        high = float(rng.uniform(0.25, 0.4))
        place.tapered((0.2, side * spread, saddle - 0.08), (0.27, 0.075, 0.085), (0.2, 0.1), "rider", trousers)
        shin = (saddle - high) / 2
        place.cylinder((0.4, side * spread, high + shin), (0.06, 0.06, shin), "rider", trousers)
        if place.x < _DETAIL_ENDS_M:
            place.box((0.45, side * spread, high), (0.12, 0.05, 0.045), "rider", RUBBER)
    _body(place.at(0.06, 0, saddle - 0.05), rng, "rider", 0.97, shirt, face, 0.0)
    for side in (-1, 1):
        place.tapered((0.3, side * 0.24, saddle + 0.28), (0.27, 0.05, 0.05), (0.1, 0.1), "rider", shirt)


def bicycle(place: Frame, rng: np.random.Generator, ridden: bool) -> None:
    """A bicycle, with or without its rider."""
    coat, radius = car_paint(rng), 0.34
    tyre = Material(gray(0.03), gray(0.3), "spokes", 1 / radius, 0.0, (0.0, 0.0))
    for x in (-0.52, 0.52):
        place.wheel((x, 0, radius), (radius, 0.025, radius), "bicycle", tyre)
    place.tapered((-0.06, 0, 0.56), (0.16, 0.025, 0.27), (-0.85, 0.0), "bicycle", coat)
    place.box((-0.06, 0, 0.81), (0.42, 0.03, 0.035), "bicycle", coat)
    place.box((0.46, 0, 0.72), (0.03, 0.03, 0.38), "bicycle", coat)
    place.box((0.44, 0, 1.06), (0.03, 0.28, 0.025), "bicycle", _CHROME)
    if place.x < _DETAIL_ENDS_M:
        place.box((-0.25, 0, 0.74), (0.025, 0.025, 0.2), "bicycle", coat)
    place.box((-0.27, 0, _SADDLE_M), (0.13, 0.07, 0.03), "bicycle", RUBBER)
    if rng.random() < 0.3:
        place.box((0.66, 0, 0.85), (0.14, 0.16, 0.11), "bicycle", cloth(rng))
    if ridden:
        _rider(place.at(-0.22, 0), rng, _SADDLE_M + 0.08, 0.11)


def motorcycle(place: Frame, rng: np.random.Generator, ridden: bool) -> None:
    """A motorcycle or scooter, with or without its rider."""
    coat, radius = car_paint(rng), float(rng.uniform(0.26, 0.32))
    tyre = Material(gray(0.03), gray(0.35), "wheel", 1 / radius, 0.0, (0.0, 0.0))
    for x in (-0.62, 0.64):
        place.wheel((x, 0, radius), (radius, 0.085, radius), "motorcycle", tyre)
    place.tapered((0.05, 0, 0.46), (0.4, 0.17, 0.2), (0.1, 0.2), "motorcycle", plain(gray(0.1)))
    place.ellipsoid((0.15, 0, 0.78), (0.3, 0.17, 0.16), "motorcycle", coat)
    place.tapered((-0.4, 0, 0.76), (0.34, 0.14, 0.07), (0.1, 0.2), "motorcycle", RUBBER)
    place.tapered((-0.68, 0, 0.72), (0.2, 0.12, 0.11), (0.3, 0.2), "motorcycle", coat)
    place.tapered((0.58, 0, 0.9), (0.12, 0.18, 0.24), (0.5, 0.3), "motorcycle", coat)
    place.box((0.48, 0, 1.08), (0.04, 0.36, 0.03), "motorcycle", _CHROME)
    lamp = Material((0.6, 0.02, 0.02), (0.5, 0.02, 0.02), "plain", 1.0, 0.3)
    place.box((-0.88, 0, 0.74), (0.02, 0.09, 0.05), "motorcycle", lamp)
    if ridden:
        _rider(place.at(-0.3, 0), rng, 0.86, 0.22)


def group(place: Frame, rng: np.random.Generator) -> None:
    """One to three people who walk together."""
    heading = (math.pi if rng.random() < 0.5 else 0.0) + float(rng.uniform(-0.5, 0.5))
    for n in range((1, 1, 1, 2, 2, 3)[rng.integers(6)]):
        person(place.at(rng.uniform(-0.3, 0.3), 0.62 * n, 0, heading + rng.uniform(-0.3, 0.3)), rng)
