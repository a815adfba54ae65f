"""Value noise from one fixed table, the raw material of all patterns."""

from __future__ import annotations

import numpy as np

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
    a, b = _FLAT.take(cell), _FLAT.take(cell + _SIDE + 1)
    c, d = _FLAT.take(cell + 1), _FLAT.take(cell + _SIDE + 2)
    low, high = a + (b - a) * part_u, c + (d - c) * part_u
    return low + (high - low) * part_v


def fraction(x: np.ndarray) -> np.ndarray:
    """Return the part of x behind the decimal point, in [0, 1)."""
    return x - np.floor(x)


def cell_shade(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return one random shade in [0, 1] for each unit cell."""
    cell = (np.floor(u).astype(np.int32) & (_SIDE - 1)) * (_SIDE + 1) + (np.floor(v).astype(np.int32) & (_SIDE - 1))
    return _FLAT.take(cell)
