"""Who uses the street: parked and moving vehicles, walkers, riders."""

from __future__ import annotations

import math

import numpy as np

from scenes.render.builder import Builder, Frame
from scenes.streets import people, vehicles
from scenes.streets.road import Road

Footprint = tuple[float, float, float, float]
_FARTHEST_M = 80.0


def moving(builder: Builder, road: Road, rng: np.random.Generator) -> list[Footprint]:
    """Put vehicles and riders into the lanes.

    Returns:
        The rectangles they cover: centre x, y, half x, y in metres.
    """
    footprints: list[Footprint] = []
    busy = rng.uniform(9, 30)
    for y, way in road.lanes:
        x = float(rng.uniform(7, 22)) if way > 0 else float(rng.uniform(3.5, 20))
        while x < _FARTHEST_M:
            yaw = (0.0 if way > 0 else math.pi) + float(rng.uniform(-0.03, 0.03))
            kind = rng.random()
            if kind < 0.60:
                half = 2.3
                vehicles.car(Frame(builder, x + half, y + float(rng.uniform(-0.25, 0.25)), yaw), rng)
            elif kind < 0.69:
                half = 4.2
                vehicles.truck(Frame(builder, x + half, y, yaw), rng)
            elif kind < 0.78:
                half = 6.2
                vehicles.bus(Frame(builder, x + half, y, yaw), rng)
            else:
                half = 1.0
                edge = y - way * float(rng.uniform(0.2, 0.9))
                ride = people.motorcycle if rng.random() < 0.5 else people.bicycle
                ride(Frame(builder, x + half, edge, yaw), rng, ridden=True)
            if kind < 0.78:
                footprints.append((x + half, y, half, 0.9 if half < 3 else 1.2))
            x += 2 * half + float(rng.exponential(busy)) + 3
    if road.tram is not None and rng.random() < 0.75:
        x = float(rng.uniform(14, 50))
        vehicles.tram(Frame(builder, x, road.tram, math.pi if rng.random() < 0.6 else 0.0), rng)
        footprints.append((x, road.tram, 6.0, 1.2))
    return footprints


def parked(builder: Builder, road: Road, rng: np.random.Generator) -> list[Footprint]:
    """Fill the parking lanes; returns the rectangles that are covered."""
    footprints: list[Footprint] = []
    for side, y in road.parking.items():
        density = rng.uniform(0.3, 0.95)
        yaw = 0.0 if side < 0 or rng.random() < 0.3 else math.pi
        x = float(rng.uniform(-2, 4))
        while x < 60:
            blocked = road.crossing[0] - 3 < x < road.crossing[1] + 3 or any(a - 3 < x < b + 3 for a, b in road.zebras)
            if not blocked and rng.random() < density:
                place = Frame(builder, x, y + float(rng.uniform(-0.12, 0.12)), yaw + float(rng.uniform(-0.03, 0.03)))
                kind = rng.random()
                if kind < 0.9:
                    vehicles.car(place, rng)
                    footprints.append((x, y, 2.2, 0.9))
                elif kind < 0.94:
                    vehicles.truck(place, rng)
                    footprints.append((x, y, 3.4, 1.2))
                    x += 3
                else:
                    for n in range(int(rng.integers(1, 4))):
                        people.motorcycle(place.at(0.9 * n, 0, 0, 1.3), rng, ridden=False)
            x += rng.uniform(5.2, 6.4)
    return footprints


def walkers(builder: Builder, road: Road, taken: list[Footprint], rng: np.random.Generator) -> None:
    """Put people on the sidewalks and zebras, and park bicycles.

    Args:
        builder: Where solids go.
        road: The street.
        taken: Rectangles that vehicles cover; nobody crosses there.
        rng: Source of randomness.
    """
    crowd = float(rng.uniform(0.3, 1.6))
    for side, width in road.sidewalks.items():
        low, high = road.half_width + 0.9, road.half_width + max(width - 0.4, 1.2)
        for _ in range(int(rng.poisson(4 * crowd))):
            x, y = 4 + 46 * rng.random() ** 1.5, float(rng.uniform(low, high))
            height = 0.0 if road.crossing[0] < x < road.crossing[1] else road.kerb
            people.group(Frame(builder, x, side * y, 0.0, height), rng)
        for _ in range(int(rng.poisson(1.1))):
            x = 4 + 30 * rng.random()
            y = road.half_width + (0.35 if rng.random() < 0.5 else width - 0.35)
            stand = Frame(builder, x, side * y, float(rng.uniform(-0.25, 0.25)), road.kerb)
            for n in range(int(rng.integers(1, 5))):
                people.bicycle(stand.at(0.75 * n, 0, 0, 1.2 * float(rng.integers(2))), rng, ridden=False)
    for low, high in road.zebras:
        for _ in range(int(rng.integers(0, 4))):
            y = float(rng.uniform(-1, 1)) * road.half_width
            x = float(rng.uniform(low, high))
            if any(abs(x - a) < b + 0.4 and abs(y - c) < e + 0.4 for a, c, b, e in taken):
                continue
            place = Frame(builder, x, y, (float(rng.integers(2)) - 0.5) * math.pi)
            people.person(place, rng)
