"""The cross-section of a street: lanes, parking, sidewalks, a side street, and the marks on the asphalt.

The street runs along x, the camera drives at x = 0 towards larger x. Traffic keeps to the right, and right is where y
is negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RIGHT, LEFT = -1, 1
NEVER = (1e6, 1e6 + 1)
_DOUBLE_GAP_M = 0.12


@dataclass(frozen=True)
class Line:
    """A white line along the street.

    Attributes:
        y: Its middle, metres.
        half_width: Half its width, metres.
        dash: Length of a dash, metres.
        period: From one dash to the next; 0 = unbroken.
        phase: Where the dashes begin.
    """

    y: float
    half_width: float = 0.07
    dash: float = 0.0
    period: float = 0.0
    phase: float = 0.0


@dataclass(frozen=True)
class Road:
    """What lies on the ground.

    Attributes:
        half_width: Half the width between the kerbs, metres.
        lanes: Middle of each lane (y, metres) with its direction (1 = as the camera, -1 = towards it).
        parking: Middle of the parking lanes by side, where there is one.
        sidewalks: Width of the sidewalk by side, metres.
        kerb: Height of the kerb, metres.
        crossing: From where to where a side street crosses (x, metres).
        tram: Middle of the tram's track, or `None`.
        lines: Lines along the street.
        zebras: Zebra crossings, from x to x.
        bars: Stop lines: from x to x, from y to y.
        rails: Places of rails (y, metres).
        other_asphalt: Lanes with another asphalt, from y to y.
    """

    half_width: float
    lanes: tuple[tuple[float, int], ...]
    parking: dict[int, float]
    sidewalks: dict[int, float]
    kerb: float
    crossing: tuple[float, float]
    tram: float | None
    lines: tuple[Line, ...]
    zebras: tuple[tuple[float, float], ...]
    bars: tuple[tuple[float, float, float, float], ...]
    rails: tuple[float, ...]
    other_asphalt: tuple[tuple[float, float], ...]

    @property
    def own_lane(self) -> float:
        """Middle of the rightmost lane that goes with the camera, metres."""
        return min(y for y, way in self.lanes if way > 0)


def make_road(rng: np.random.Generator) -> Road:
    """Draw a street: one or two lanes each way, with or without parking, side street, zebra and tram.

    Args:
        rng: Source of randomness.
    """
    lane = float(rng.uniform(2.9, 3.5))
    ours, oncoming = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    tram = bool(rng.random() < 0.25)
    island = 3.4 if tram else 0.0
    parking_width = {side: 2.2 if rng.random() < 0.6 else 0.35 for side in (RIGHT, LEFT)}
    width = (ours + oncoming) * lane + island + sum(parking_width.values())
    half = width / 2
    right_edge, left_edge = -half + parking_width[RIGHT], half - parking_width[LEFT]
    lanes = [(right_edge + lane * (n + 0.5), 1) for n in range(ours)]
    lanes += [(left_edge - lane * (n + 0.5), -1) for n in range(oncoming)]
    middle_low, middle_high = right_edge + ours * lane, left_edge - oncoming * lane
    dash, period, phase = float(rng.uniform(2, 4)), float(rng.uniform(6, 11)), float(rng.uniform(0, 8))
    lines = [Line(right_edge + lane * n, 0.06, dash, period, phase) for n in range(1, ours)]
    lines += [Line(left_edge - lane * n, 0.06, dash, period, phase) for n in range(1, oncoming)]
    if tram:
        lines += [Line(middle_low), Line(middle_high)]
    elif rng.random() < 0.35:
        lines += [Line(middle_low - _DOUBLE_GAP_M, 0.06), Line(middle_low + _DOUBLE_GAP_M, 0.06)]
    elif rng.random() < 0.85:
        lines.append(Line(middle_low, 0.07, dash, period, phase))
    if rng.random() < 0.75:
        lines += [Line(right_edge, 0.07), Line(left_edge, 0.07)]
    crossing = NEVER
    if rng.random() < 0.45:
        begin = float(rng.uniform(9, 45))
        crossing = (begin, begin + float(rng.uniform(7, 11)))
    zebras: list[tuple[float, float]] = []
    bars: list[tuple[float, float, float, float]] = []
    if rng.random() < 0.5:
        begin = crossing[0] - 4.5 if crossing is not NEVER else float(rng.uniform(7, 35))
        zebras.append((begin, begin + 3))
        bars.append((begin - 1.3, begin - 0.9, right_edge, middle_low))
        if crossing is not NEVER and rng.random() < 0.7:
            zebras.append((crossing[1] + 1.0, crossing[1] + 4.0))
    centre = (middle_low + middle_high) / 2
    other = [(-half, right_edge), (left_edge, half)] if rng.random() < 0.6 else []
    if tram and rng.random() < 0.6:
        other.append((middle_low, middle_high))
    return Road(
        half_width=half,
        lanes=tuple(lanes),
        parking={side: side * (half - w / 2) for side, w in parking_width.items() if w > 1},
        sidewalks={side: float(rng.uniform(1.8, 4.5)) for side in (RIGHT, LEFT)},
        kerb=float(rng.uniform(0.08, 0.15)),
        crossing=crossing,
        tram=centre if tram else None,
        lines=tuple(lines),
        zebras=tuple(zebras),
        bars=tuple(bars),
        rails=(centre - 0.72, centre + 0.72) if tram else (),
        other_asphalt=tuple(other),
    )
