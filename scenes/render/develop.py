"""Turns linear light into a photograph.

The picture is smoothed with the quincunx pattern: each pixel is half its centre and an eighth of each of its four
corners, which costs one more ray per pixel instead of three.
"""

from __future__ import annotations

import numpy as np


def develop(centre: np.ndarray, corner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Clip, smooth, expose, balance white, apply a tone curve, add sensor noise.

    Args:
        centre: float32 (3, H, W), linear light at pixel centres.
        corner: float32 (3, H + 1, W + 1), linear light at pixel corners.
        rng: Draws exposure, white balance and noise.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    # Clipping before smoothing keeps edges of bright windows smooth.
    centre, corner = np.minimum(centre, 1.25), np.minimum(corner, 1.25)
    sides = corner[:, :-1] + corner[:, 1:]
    light = np.float32(0.5) * centre + np.float32(0.125) * (sides[..., :-1] + sides[..., 1:])
    gain = rng.uniform(0.9, 1.2) * rng.uniform(0.94, 1.06, (3, 1, 1))
    light = np.clip(light * gain.astype(np.float32), 0, 1) ** np.float32(1 / 1.9)
    light += rng.standard_normal(light.shape, np.float32) * np.float32(rng.uniform(0.004, 0.016))
    return np.ascontiguousarray((np.clip(light, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8).transpose(1, 2, 0))
