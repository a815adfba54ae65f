"""Procedural patterns: for surface coordinates in metres, how much of the second colour shows.

Patterns finer than a pixel are faded to their mean (the idea of mip maps: Williams, "Pyramidal parametrics",
SIGGRAPH 1983), so that far floors do not flicker.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scenes.render.noise import cell_shade, fraction, noise
from scenes.render.outdoor import OUTDOOR

Pattern = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _plain(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.float32(0.3) * noise(u * 2, v * 2)


def _planks(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    row = np.floor(v * 6)
    length = u * np.float32(0.8) + row * np.float32(0.37)
    gap = (fraction(v * 6) < 0.07) | (fraction(length) < 0.012)
    return np.where(gap, np.float32(1), 0.55 * cell_shade(length, row) + 0.35 * noise(u * 3, v * 40))


def _tiles(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    u, v = u * np.float32(2.5), v * np.float32(2.5)
    grout = (fraction(u) < 0.06) | (fraction(v) < 0.06)
    return np.where(grout, np.float32(1), 0.3 * cell_shade(u, v))


def _checker(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return ((np.floor(u * 2.5) + np.floor(v * 2.5)) % 2).astype(np.float32)


def _wood(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return noise(u * np.float32(1.2), v * np.float32(16)) * np.float32(0.8)


def _bricks(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    row = np.floor(v * 9)
    along = u * np.float32(3.5) + np.float32(0.5) * (row % 2)
    gap = (fraction(along) < 0.06) | (fraction(v * 9) < 0.13)
    return np.where(gap, np.float32(1), 0.45 * cell_shade(along, row))


def _stripes(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (fraction(u * 4) < 0.5).astype(np.float32)


def _bands(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (fraction(v * 4) < 0.35).astype(np.float32)


def _blobs(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.clip(noise(u * 7, v * 7) * np.float32(2) - np.float32(0.5), 0, 1)


def _carpet(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.float32(0.45) * noise(u * 25, v * 25) + np.float32(0.4) * noise(u * 3, v * 3)


def _folds(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.float32(0.5) + np.float32(0.5) * np.sin(u * 40 + 3 * noise(u * 2, v))


def _sky(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.clip(1.6 * noise(u * 2, v * 4) + 0.5 * noise(u * 7, v * 9) - 0.7, 0, 1)


# name -> (pattern, periods per metre of its finest feature, mean)
_PATTERNS: dict[str, tuple[Pattern, float, float]] = {
    "plain": (_plain, 2, 0.15),
    "planks": (_planks, 14, 0.48),
    "tiles": (_tiles, 6, 0.25),
    "checker": (_checker, 2.5, 0.5),
    "wood": (_wood, 14, 0.4),
    "bricks": (_bricks, 14, 0.36),
    "stripes": (_stripes, 4, 0.5),
    "bands": (_bands, 4, 0.35),
    "blobs": (_blobs, 5, 0.5),
    "carpet": (_carpet, 20, 0.42),
    "folds": (_folds, 7, 0.5),
    "sky": (_sky, 6, 0.4),
    **OUTDOOR,
}
NAMES: tuple[str, ...] = tuple(_PATTERNS)
"""Names of the patterns; the index is the number that surfaces carry."""


def mix(pattern: np.ndarray, u: np.ndarray, v: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Evaluate each point's pattern.

    Args:
        pattern: int8 (N,), index into `NAMES`.
        u: float32 (N,), first surface coordinate in metres, already scaled by the material.
        v: float32 (N,), second surface coordinate.
        pixel: float32 (N,), size of a pixel at that point in the same scaled coordinates.

    Returns:
        float32 (N,), weight of the second colour: mostly in [0, 1], a little beyond on some patterns.
    """
    weight = np.empty(len(u), np.float32)
    for number in np.nonzero(np.bincount(pattern))[0]:
        evaluate, finest, mean = _PATTERNS[NAMES[number]]
        chosen = np.nonzero(pattern == number)[0]
        raw = evaluate(u.take(chosen), v.take(chosen))
        keep = np.clip(1.7 - 1.5 * finest * pixel.take(chosen), 0, 1)
        weight[chosen] = mean + (raw - mean) * keep
    return weight
