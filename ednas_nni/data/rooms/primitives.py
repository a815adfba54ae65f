"""The three convex solids rooms are made of, each tested in its own frame where it is a unit shape.

A solid is scaled by its half extents and turned about the vertical axis only. In its own frame a box is
[-1, 1]^3, an ellipsoid the unit ball and a cylinder the unit disc times [-1, 1]. Ray origins are one point per
call (the camera or the light), directions come as three component arrays that broadcast together.

Slab test: Kay and Kajiya, "Ray tracing complex scenes", SIGGRAPH 1986. Quadrics: the textbook quadratic formula.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BOX, ELLIPSOID, CYLINDER = 0, 1, 2
NEAR = 0.03
"""Hits nearer than this (in units of the ray parameter) are ignored."""


@dataclass(frozen=True)
class Primitives:
    """K solids as columns.

    Attributes:
        kind: int8 (K,), one of BOX, ELLIPSOID, CYLINDER.
        centre: float32 (K, 3), metres.
        half: float32 (K, 3), half extents in metres.
        cos: float32 (K,), cosine of the yaw.
        sin: float32 (K,), sine of the yaw.
    """

    kind: np.ndarray
    centre: np.ndarray
    half: np.ndarray
    cos: np.ndarray
    sin: np.ndarray

    def __len__(self) -> int:
        """Number of solids."""
        return len(self.kind)

    def to_local(self, vectors: np.ndarray) -> np.ndarray:
        """Turn and scale one vector per solid into that solid's frame.

        Args:
            vectors: float32 (3,) or (K, 3), room axes, metres.

        Returns:
            float32 (K, 3), in half extents.
        """
        x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
        turned = (self.cos * x + self.sin * y, self.cos * y - self.sin * x, np.broadcast_to(z, self.cos.shape))
        return np.stack(turned, -1) / self.half

    def corners(self) -> np.ndarray:
        """Corners of the bounding boxes, float32 (K, 8, 3), metres in room coordinates."""
        signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], np.float32)
        local = self.half[:, None, :] * signs
        cos, sin = self.cos[:, None], self.sin[:, None]
        turned = np.stack(
            [cos * local[..., 0] - sin * local[..., 1], sin * local[..., 0] + cos * local[..., 1], local[..., 2]], -1
        )
        return turned + self.centre[:, None, :]


def _hit_box(origin: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    enter = leave = None
    for start, direction in zip(origin, (x, y, z), strict=True):
        inverse = 1.0 / direction
        middle, reach = -start * inverse, np.abs(inverse)
        low, high = middle - reach, middle + reach
        enter = low if enter is None else np.maximum(enter, low)
        leave = high if leave is None else np.minimum(leave, high)
    return np.where((enter < leave) & (enter > NEAR), enter, np.float32(np.inf))


def _hit_ellipsoid(origin: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    a = x * x + y * y + z * z
    b = origin[0] * x + origin[1] * y + origin[2] * z
    root = b * b - a * (origin @ origin - np.float32(1))
    t = (-b - np.sqrt(np.maximum(root, 0))) / a
    return np.where((root > 0) & (t > NEAR), t, np.float32(np.inf))


def _hit_cylinder(origin: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    a = x * x + y * y
    b = origin[0] * x + origin[1] * y
    root = b * b - a * (origin[0] ** 2 + origin[1] ** 2 - np.float32(1))
    t = (-b - np.sqrt(np.maximum(root, 0))) / a
    side = np.where((root > 0) & (t > NEAR) & (np.abs(origin[2] + t * z) <= 1), t, np.float32(np.inf))
    # Only the cap that faces the ray can be entered from outside.
    cap = (-np.sign(z) - origin[2]) / z
    inside = (origin[0] + cap * x) ** 2 + (origin[1] + cap * y) ** 2 <= 1
    return np.where(inside & (cap > NEAR) & (cap < side), cap, side)


HIT = (_hit_box, _hit_ellipsoid, _hit_cylinder)
"""Ray parameter of the first hit (infinity = miss), by kind."""
