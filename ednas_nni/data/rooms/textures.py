"""Procedural patterns: for surface coordinates in metres, how much of the second colour shows.

Patterns finer than a pixel are faded to their mean (the idea of mip maps: Williams, "Pyramidal parametrics",
SIGGRAPH 1983), so that far floors do not flicker.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Pattern = Callable[[np.ndarray, np.ndarray], np.ndarray]
_SIDE = 64
_TABLE = np.random.default_rng(20230705).random((_SIDE + 1, _SIDE + 1), dtype=np.float32)
_TABLE[-1], _TABLE[:, -1] = _TABLE[0], _TABLE[:, 0]
_FLAT = _TABLE.ravel()


def noise(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Smooth value noise with period 64 (Perlin, "An image synthesizer", SIGGRAPH 1985, in its simplest form).

    Args:
        u: float32 (N,).
        v: float32 (N,).

    Returns:
        float32 (N,) in [0, 1].
    """
    floor_u, floor_v = np.floor(u), np.floor(v)
    part_u, part_v = u - floor_u, v - floor_v
    part_u = part_u * part_u * (3 - 2 * part_u)
    part_v = part_v * part_v * (3 - 2 * part_v)
    cell = (floor_u.astype(np.int32) & (_SIDE - 1)) * (_SIDE + 1) + (floor_v.astype(np.int32) & (_SIDE - 1))
    a, b = _FLAT[cell], _FLAT[cell + _SIDE + 1]
    c, d = _FLAT[cell + 1], _FLAT[cell + _SIDE + 2]
    low, high = a + (b - a) * part_u, c + (d - c) * part_u
    return low + (high - low) * part_v


def _fraction(x: np.ndarray) -> np.ndarray:
    return x - np.floor(x)


def _cell_shade(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """One random shade for each unit cell."""
    cell = (np.floor(u).astype(np.int32) & (_SIDE - 1)) * (_SIDE + 1) + (np.floor(v).astype(np.int32) & (_SIDE - 1))
    return _FLAT[cell]


def _plain(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.float32(0.3) * noise(u * 2, v * 2)


def _planks(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    row = np.floor(v * 6)
    length = u * np.float32(0.8) + row * np.float32(0.37)
    gap = (_fraction(v * 6) < 0.07) | (_fraction(length) < 0.012)
    return np.where(gap, np.float32(1), 0.55 * _cell_shade(length, row) + 0.35 * noise(u * 3, v * 40))


def _tiles(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    u, v = u * np.float32(2.5), v * np.float32(2.5)
    grout = (_fraction(u) < 0.06) | (_fraction(v) < 0.06)
    return np.where(grout, np.float32(1), 0.3 * _cell_shade(u, v))


def _checker(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return ((np.floor(u * 2.5) + np.floor(v * 2.5)) % 2).astype(np.float32)


def _wood(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return noise(u * np.float32(1.2), v * np.float32(16)) * np.float32(0.8)


def _bricks(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    row = np.floor(v * 9)
    along = u * np.float32(3.5) + np.float32(0.5) * (row % 2)
    gap = (_fraction(along) < 0.06) | (_fraction(v * 9) < 0.13)
    return np.where(gap, np.float32(1), 0.45 * _cell_shade(along, row))


def _stripes(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (_fraction(u * 4) < 0.5).astype(np.float32)


def _bands(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return (_fraction(v * 4) < 0.35).astype(np.float32)


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
}
NAMES: tuple[str, ...] = tuple(_PATTERNS)
"""Names of the patterns; the index is the number that surfaces carry."""


def mix(pattern: np.ndarray, u: np.ndarray, v: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Evaluate each point's pattern.

    Args:
        pattern: int8 (N,), index into :data:`NAMES`.
        u: float32 (N,), first surface coordinate in metres, already scaled by the material.
        v: float32 (N,), second surface coordinate.
        pixel: float32 (N,), size of a pixel at that point in the same scaled coordinates.

    Returns:
        float32 (N,) in [0, 1], weight of the second colour.
    """
    weight = np.empty(len(u), np.float32)
    for number in np.unique(pattern):
        evaluate, finest, mean = _PATTERNS[NAMES[number]]
        chosen = np.nonzero(pattern == number)[0]
        raw = evaluate(u[chosen], v[chosen])
        keep = np.clip(1.7 - 1.5 * finest * pixel[chosen], 0, 1)
        weight[chosen] = mean + (raw - mean) * keep
    return weight
