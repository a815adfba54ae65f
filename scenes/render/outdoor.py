"""Patterns of streets: facades, asphalt, leaves, wheels, windows of vehicles, clouds.

Weights below 0 or above 1 go beyond the two colours, e.g. to a window frame that is lighter than its wall. What a
coordinate of 1 means is said with each pattern; materials scale and shift their surfaces accordingly.
"""

from __future__ import annotations

import numpy as np

from scenes.render.noise import cell_shade, fraction, noise

BAY = 0.8
"""Width of a bay of windows in storeys."""


def _glass(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Panes: most are dark, some show a curtain or the sky."""
    shade = cell_shade(u, v)
    return np.where(shade > 0.82, np.float32(0.35), 0.7 + 0.4 * shade)


def _windows(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """One window with frame and sill per bay and storey; v counts storeys."""
    bay = u * np.float32(1 / BAY)
    x, y = np.abs(fraction(bay) - np.float32(0.5)), fraction(v)
    opening = (x < 0.29) & (y > 0.24) & (y < 0.8)
    frame = (x > 0.255) | (x < 0.016) | (y < 0.27) | (y > 0.775) | (np.abs(y - 0.62) < 0.012)
    sill = (x < 0.33) & (y > 0.19) & (y <= 0.24)
    wall = np.float32(0.12) * noise(u * 3, v * 3)
    return np.where(opening, np.where(frame, np.float32(-0.3), _glass(bay, v)), np.where(sill, np.float32(-0.22), wall))


def _brick_windows(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Windows in a wall of bricks."""
    row = np.floor(v * 30)
    along = u * 11 + np.float32(0.5) * (row % 2)
    joint = (fraction(along) < 0.1) | (fraction(v * 30) < 0.18)
    wall = np.where(joint, np.float32(-0.12), 0.22 * cell_shade(along, row))
    plain = _windows(u, v)
    return np.where(np.abs(plain) < 0.15, wall, plain)


def _ribbons(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bands of glass all along each storey, as on offices."""
    bay = u * np.float32(2.2)
    x, y = fraction(bay), fraction(v)
    glass = (y > 0.33) & (y < 0.85) & (x > 0.07)
    return np.where(glass, _glass(bay, v), np.float32(0.1) * noise(u * 2, v * 2))


def _shops(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Shop windows and a board above them; one storey high."""
    bay = u * np.float32(0.6 / BAY)
    x, y = fraction(bay), fraction(v)
    pane = (x > 0.08) & (x < 0.92) & (y > 0.14) & (y < 0.68)
    mullion = np.abs(x - 0.6) < 0.015
    board = (y > 0.75) & (y < 0.93) & (x > 0.03) & (x < 0.97)
    inside = 0.55 + 0.45 * noise(u * 9, v * 9)
    return np.where(pane & ~mullion, inside, np.where(board, cell_shade(bay, v) * 1.1 - 0.3, np.float32(0)))


def _asphalt(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Tar with worn tracks and grain; metres."""
    return (
        0.45 * noise(u * np.float32(0.35), v * np.float32(1.6))
        + 0.25 * noise(u * 2, v * 2)
        + 0.3 * noise(u * 14, v * 14)
    )


def _slabs(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Paving slabs, two to the metre; metres."""
    u, v = u * 2, v * 2
    joint = (fraction(u) < 0.07) | (fraction(v) < 0.07)
    return np.where(joint, np.float32(1), 0.45 * cell_shade(u, v) + 0.15 * noise(u * 5, v * 5))


def _grass(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.5 * noise(u * np.float32(0.8), v * np.float32(0.8)) + 0.5 * noise(u * 9, v * 9)


def _leaves(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Clumps of leaves with dark gaps; metres."""
    clumps = 0.55 * noise(u * np.float32(2.3), v * np.float32(2.3)) + 0.65 * noise(u * 7, v * 7)
    return np.clip(1.9 * clumps - 0.55, -0.15, 1.1)


def _wheel(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A tyre (first colour) around a rim with five spokes; v is the radius, 1 at the outside."""
    spoke = 0.55 + 0.45 * np.cos(u * 5)
    return np.where(v > 0.68, np.float32(0), np.where(v < 0.18, np.float32(0.8), spoke))


def _spokes(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A thin tyre (first colour) around spokes one can see through; v is the radius, 1 at the outside."""
    wire = np.float32(0.75) + np.float32(0.35) * np.cos(u * 18)
    return np.where((v > 0.86) | (v < 0.1), np.float32(0), wire)


def _ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A round sign: rim (first colour), field and a dark bar; v is the radius, 1 at the outside."""
    across, up = v * np.cos(u), v * np.sin(u)
    mark = (np.abs(across) < 0.45) & (np.abs(up) < 0.28) & (fraction(across * 3) < 0.6)
    return np.where(v > 0.76, np.float32(0), np.where(mark, np.float32(0.35), np.float32(1)))


def _coach(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The side of a bus or tram: a band of windows between pillars; v runs from 0 (floor) to 1 (roof)."""
    pane = (v > 0.42) & (v < 0.8) & (fraction(u * 2) > 0.09)
    stripe = (v > 0.1) & (v < 0.17)
    return np.where(pane, 0.8 + 0.2 * noise(u * 3, v * 3), np.where(stripe, np.float32(0.55), np.float32(0)))


def _letters(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Something written: rows of blocks; v counts rows."""
    row = fraction(v)
    return np.where((row > 0.3) & (row < 0.75) & (cell_shade(u * 3, v + 9) > 0.35), np.float32(1), np.float32(0))


def _clouds(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The sky: white at the horizon, clouds above; u and v are tangents of angles."""
    puffs = 0.55 * noise(u * 4, v * 11) + 0.3 * noise(u * 9, v * 26) + 0.2 * noise(u * 21, v * 60)
    return np.clip(0.85 * np.exp(np.maximum(v, 0) * np.float32(-7)) + np.maximum(2.4 * puffs - 1.25, 0), 0, 1)


# name -> (pattern, periods of its finest visible feature per unit, mean)
OUTDOOR = {
    "windows": (_windows, 2.4, 0.24),
    "brick_windows": (_brick_windows, 2.4, 0.27),
    "ribbons": (_ribbons, 2.4, 0.42),
    "shops": (_shops, 2.4, 0.45),
    "asphalt": (_asphalt, 10, 0.5),
    "slabs": (_slabs, 5, 0.38),
    "grass": (_grass, 7, 0.5),
    "leaves": (_leaves, 5, 0.58),
    "wheel": (_wheel, 1.2, 0.3),
    "spokes": (_spokes, 2.5, 0.55),
    "ring": (_ring, 1.5, 0.45),
    "coach": (_coach, 3, 0.32),
    "letters": (_letters, 3, 0.3),
    "clouds": (_clouds, 20, 0.4),
}
