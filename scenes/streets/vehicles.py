"""Cars, vans, trucks, buses and trams. A vehicle's x axis points to its front; it stands on z = 0.

What is far is built of fewer solids; that depends on the distance alone, never on the size of the picture.
"""

from __future__ import annotations

import numpy as np

from scenes.render.builder import Frame
from scenes.render.materials import Material, color, gray, plain, shaded
from scenes.streets.covers import GLASS, car_paint

_DETAIL_ENDS_M = 32.0
_TAIL_LIGHT = Material((0.55, 0.02, 0.02), (0.45, 0.01, 0.01), "plain", 1.0, 0.35)
_HEAD_LIGHT = Material((0.95, 0.95, 0.88), (0.8, 0.8, 0.78), "plain", 1.0, 0.3)
_PLATE = plain((0.75, 0.74, 0.66))
_TRIM = plain(gray(0.035))


def _near(place: Frame) -> bool:
    return place.x < _DETAIL_ENDS_M


def _wheels(place: Frame, label: str, axles: tuple[float, ...], half_track: float, radius: float, rim: float) -> None:
    look = Material(gray(0.03), gray(rim), "wheel", 1 / radius, 0.0, (0.0, 0.0))
    for x in axles:
        for side in (-1, 1):
            place.wheel((x, side * half_track, radius), (radius, 0.1, radius), label, look)


def _lights(place: Frame, label: str, half_length: float, half_width: float, z: float) -> None:
    for side in (-1, 1):
        place.box((-half_length, side * (half_width - 0.16), z), (0.03, 0.14, 0.08), label, _TAIL_LIGHT)
        place.box((half_length, side * (half_width - 0.19), z - 0.06), (0.03, 0.16, 0.07), label, _HEAD_LIGHT)
    place.box((-half_length, 0, z - 0.2), (0.03, 0.26, 0.06), label, _PLATE)
    place.box((half_length, 0, z - 0.28), (0.03, 0.26, 0.06), label, _PLATE)


def car(place: Frame, rng: np.random.Generator) -> None:
    """A saloon, hatchback, estate or van."""
    kind = rng.random()
    coat = car_paint(rng)
    half_length, half_width = rng.uniform(1.95, 2.3), rng.uniform(0.84, 0.93)
    # Where the cabin begins and ends (share of the half length), how its sides lean, and how high it is.
    back, front, lean, high = (
        (-0.72, 0.42, 0.42, 0.50)
        if kind < 0.35  # saloon
        else (-0.96, 0.40, 0.26, 0.53)
        if kind < 0.65  # hatchback
        else (-0.98, 0.46, 0.2, 0.60)
        if kind < 0.85  # estate, off-road
        else (-0.99, 0.72, 0.14, 0.88)  # van
    )
    sill, belt = 0.24, rng.uniform(0.84, 0.94)
    glass = Material(shaded(GLASS, rng.uniform(0.5, 1.5)), (0.2, 0.24, 0.28), "sky", 0.5)
    body = (belt - sill) / 2
    place.tapered((0, 0, sill + body), (half_length, half_width, body), (0.05, 0.09), "car", coat)
    middle, half_cabin = (back + front) / 2 * half_length, (front - back) / 2 * half_length
    place.tapered((middle, 0, belt + high / 2), (half_cabin, half_width * 0.91, high / 2), (lean, 0.2), "car", glass)
    roof = half_cabin * (1 - lean)
    place.tapered((middle, 0, belt + high), (roof, half_width * 0.76, 0.045), (0.1, 0.12), "car", coat)
    _wheels(place, "car", (-0.6 * half_length, 0.64 * half_length), half_width - 0.06, rng.uniform(0.3, 0.35), 0.45)
    if not _near(place):
        return
    # Pillars between the side windows; the cabin leans inwards, so they are as wide as its foot.
    for x in (-0.12, 0.9 - lean) if kind > 0.35 else (-0.05,):
        place.tapered(
            (middle - x * half_cabin, 0, belt + high / 2), (0.05, half_width * 0.92, high / 2), (0.0, 0.2), "car", coat
        )
    _lights(place, "car", half_length - 0.02, half_width, belt - 0.17)
    for end in (-1, 1):
        place.box((end * (half_length - 0.04), 0, sill + 0.1), (0.08, half_width - 0.05, 0.1), "car", _TRIM)
    for side in (-1, 1):
        mirror = (middle + half_cabin * 0.72, side * (half_width + 0.05), belt + 0.08)
        place.box(mirror, (0.06, 0.1, 0.07), "car", coat)


def truck(place: Frame, rng: np.random.Generator) -> None:
    """A lorry with a box, a tilt or an open load."""
    half_length, half_width = rng.uniform(2.6, 4.2), rng.uniform(1.12, 1.25)
    coat = Material(color(rng, 0.2, 0.85, 0.9), gray(0.85), "plain", 1.0)
    cab_half, cab_high = 0.9, rng.uniform(1.05, 1.3)
    cab = half_length - cab_half
    place.tapered((cab, 0, 0.55 + cab_high), (cab_half, half_width * 0.97, cab_high), (0.14, 0.05), "truck", coat)
    screen = plain(shaded(GLASS, rng.uniform(0.6, 1.3)))
    place.box((cab + 0.12, 0, 0.7 + cab_high * 1.35), (cab_half - 0.13, half_width * 0.98, 0.36), "truck", screen)
    place.box((cab + 0.28, 0, 0.7 + cab_high * 1.35), (cab_half - 0.27, half_width * 0.86, 0.36), "truck", screen)
    load, rear = half_length - cab_half - 0.15, -cab_half - 0.05
    place.box((0, 0, 0.72), (half_length - 0.1, half_width * 0.6, 0.14), "truck", _TRIM)
    kind = rng.random()
    high = rng.uniform(1.1, 1.45)
    if kind < 0.75:
        base = color(rng, 0.25, 0.9, 0.75) if kind < 0.45 else gray(rng.uniform(0.55, 0.85))
        cover = Material(
            base, shaded(base, 0.7), ("folds", "plain", "letters")[rng.integers(3)], rng.uniform(0.25, 0.5)
        )
        place.box((rear, 0, 0.9 + high), (load, half_width, high), "truck", cover)
        if _near(place):
            place.box((rear - load, 0, 0.9 + high), (0.03, 0.03, high * 0.96), "truck", _TRIM)
    else:
        place.box((rear, 0, 1.2), (load, half_width, 0.32), "truck", plain(color(rng, 0.1, 0.6, 0.8)))
        earth = Material((0.3, 0.22, 0.14), (0.16, 0.11, 0.07), "grass", 1.5)
        place.ellipsoid((rear, 0, 1.45), (load * 0.92, half_width * 0.85, 0.5), "truck", earth)
    axles = (-0.72 * half_length, -0.45 * half_length, 0.7 * half_length)
    _wheels(place, "truck", axles, half_width - 0.14, 0.48, 0.3)
    if _near(place):
        _lights(place, "truck", half_length, half_width, 0.85)
        place.box((-half_length + 0.02, 0, 0.55), (0.05, half_width * 0.9, 0.07), "truck", plain((0.6, 0.1, 0.08)))


def bus(place: Frame, rng: np.random.Generator) -> None:
    """A city bus: a body with a band of windows, windscreen, destination."""
    half_length, half_width, half_height = rng.uniform(4.6, 6.2), 1.26, rng.uniform(1.3, 1.45)
    base = color(rng, 0.35, 0.85, 0.9)
    _coach(place, "bus", base, (half_length, half_width, half_height), 0.32)
    _wheels(place, "bus", (-0.55 * half_length, 0.62 * half_length), half_width - 0.08, 0.48, 0.35)
    if _near(place):
        _lights(place, "bus", half_length + 0.02, half_width, 0.85)


def tram(place: Frame, rng: np.random.Generator) -> None:
    """A tram of two or three coaches (class train)."""
    half_length, half_width, half_height = rng.uniform(4.2, 5.5), 1.24, rng.uniform(1.45, 1.6)
    base = color(rng, 0.35, 0.8, 0.95)
    coaches = int(rng.integers(2, 4))
    for n in range(coaches):
        part = place.at(-n * (2 * half_length + 0.5), 0)
        _coach(part, "train", base, (half_length, half_width, half_height), 0.28)
        if n:  # the bellows to the coach before it
            part.box((half_length + 0.25, 0, 1.7), (0.3, 1.0, 1.3), "train", _TRIM)
        part.box((0, 0, 0.2), (half_length * 0.8, half_width * 0.8, 0.2), "train", _TRIM)
        part.box((0, 0, 0.4 + 2 * half_height), (half_length * 0.3, 0.8, 0.2), "train", plain(gray(0.4)))
    place.box((-half_length * 0.2, 0, 1.2 + 2 * half_height), (0.04, 0.75, 0.03), "train", _TRIM)
    place.box((-half_length * 0.2, 0, 0.8 + 2 * half_height), (0.03, 0.03, 0.4), "train", _TRIM)


def _coach(
    place: Frame, label: str, base: tuple[float, float, float], half: tuple[float, float, float], floor: float
) -> None:
    """The body of a bus or tram: sides with windows, and ends with a large pane and a lit board."""
    half_length, half_width, half_height = half
    tall = 2 * half_height
    side = Material(base, shaded(GLASS, 0.9), "coach", 1 / tall, 0.0, (0.0, 0.5))
    place.box((0, 0, floor + half_height), half, label, side)
    place.box(
        (0, 0, floor + tall + 0.03), (half_length * 0.97, half_width * 0.9, 0.06), label, plain(shaded(base, 0.8))
    )
    pane = Material(shaded(GLASS, 1.0), (0.16, 0.2, 0.24), "sky", 0.4)
    board = Material(gray(0.02), (0.9, 0.6, 0.1), "letters", 3.0, 0.6)
    for end in (-1, 1):
        x = end * half_length
        place.box((x, 0, floor + tall * 0.58), (0.025, half_width * 0.88, tall * 0.2), label, pane)
        place.box((x, 0, floor + tall * 0.89), (0.03, half_width * 0.6, tall * 0.06), label, board)
        place.box((x, 0, floor + tall * 0.2), (0.02, half_width * 0.97, tall * 0.14), label, plain(shaded(base, 0.85)))
