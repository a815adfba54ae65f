"""Where pixels lie, and how long the rays through them are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def from_middle(size: tuple[int, ...]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return how far down (H, 1) and to the right (W,) pixels lie from the middle of a picture, in pixels."""
    height, width = size
    return (np.arange(height) - (height - 1) / 2)[:, None], np.arange(width) - (width - 1) / 2


def ray_lengths(size: tuple[int, ...], focal: float) -> NDArray[np.floating]:
    """Return how much longer the way along each pixel's ray is than along the optical axis: (H, W), 1 in the middle.

    `focal` is in pixels; the principal point is taken to be the middle.
    """
    v, u = from_middle(size)
    return np.sqrt(1 + (u * u + v * v) / focal**2)
