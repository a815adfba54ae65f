"""The five convex solids that scenes are made of, each tested in its own frame where it is a unit shape.

A solid is scaled by its half extents and turned about the vertical axis only. In its own frame a box is
[-1, 1]^3, an ellipsoid the unit ball, a cylinder the upright unit disc times [-1, 1] and a wheel the same lying on
its side (axis y). A tapered solid is a box whose sides lean: its top face is smaller than its bottom face by the
factors 1 - taper (roofs, car cabins, triangular signs), or, with a negative taper, the bottom is the smaller one.

Origins and directions are arrays or scalars that broadcast together: one ray origin and many directions (a camera or
a lamp), or many origins and one direction (the sun).

Slab test: Kay and Kajiya, "Ray tracing complex scenes", SIGGRAPH 1986; planes likewise. Quadrics: the textbook
quadratic formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BOX, ELLIPSOID, CYLINDER, WHEEL, TAPERED = 0, 1, 2, 3, 4
NEAR = 0.03
"""Hits nearer than this (in units of the ray parameter) are ignored."""

Components = np.ndarray | Sequence[np.ndarray]
"""Three arrays (or float32 scalars), one per axis."""


@dataclass(frozen=True)
class Primitives:
    """K solids as columns.

    Attributes:
        kind: int8 (K,), one of BOX, ELLIPSOID, CYLINDER, WHEEL, TAPERED.
        centre: float32 (K, 3), metres.
        half: float32 (K, 3), half extents in metres.
        cos: float32 (K,), cosine of the yaw.
        sin: float32 (K,), sine of the yaw.
        taper: float32 (K, 2), share in [-1, 1] by which the top of a tapered solid is narrower along its x and y axis;
            negative = the bottom is narrower.
    """

    kind: np.ndarray
    centre: np.ndarray
    half: np.ndarray
    cos: np.ndarray
    sin: np.ndarray
    taper: np.ndarray

    def __len__(self) -> int:
        """Number of solids."""
        return len(self.kind)

    def to_local(self, vectors: np.ndarray) -> np.ndarray:
        """Turn and scale one vector per solid into that solid's frame.

        Args:
            vectors: float32 (3,) or (K, 3), scene axes, metres.

        Returns:
            float32 (K, 3), in half extents.
        """
        x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
        turned = (self.cos * x + self.sin * y, self.cos * y - self.sin * x, np.broadcast_to(z, self.cos.shape))
        return np.stack(turned, -1) / self.half

    def corners(self) -> np.ndarray:
        """Corners of the bounding boxes, float32 (K, 8, 3), metres in scene coordinates."""
        signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], np.float32)
        local = self.half[:, None, :] * signs
        cos, sin = self.cos[:, None], self.sin[:, None]
        turned = np.stack(
            [cos * local[..., 0] - sin * local[..., 1], sin * local[..., 0] + cos * local[..., 1], local[..., 2]], -1
        )
        return turned + self.centre[:, None, :]

    def constants(self, start: np.ndarray) -> np.ndarray:
        """Return what the tests of rays from one origin need besides origin and direction.

        Args:
            start: float32 (K, 3), the origin in each solid's frame.

        Returns:
            float32 (K, 2): the taper of tapered solids; the squared length of `start`, twice, for others.
        """
        squared = np.matmul(start[:, None, :], start[:, :, None])[:, 0]
        return np.where((self.kind == TAPERED)[:, None], self.taper, squared)


def _hit_box(origin: Components, way: Components, constants: Components) -> np.ndarray:
    lows, highs = [], []
    for start, direction in zip(origin, way, strict=True):
        inverse = 1.0 / direction
        middle, reach = -start * inverse, np.abs(inverse)
        lows.append(middle - reach)
        highs.append(middle + reach)
    enter = np.maximum(np.maximum(lows[0], lows[1]), lows[2])
    leave = np.minimum(np.minimum(highs[0], highs[1]), highs[2])
    return np.where((enter < leave) & (enter > NEAR), enter, np.float32(np.inf))


def _hit_ellipsoid(origin: Components, way: Components, constants: Components) -> np.ndarray:
    x, y, z = way
    a = x * x + y * y + z * z
    b = origin[0] * x + origin[1] * y + origin[2] * z
    root = b * b - a * (constants[0] - np.float32(1))
    t = (-b - np.sqrt(np.maximum(root, 0))) / a
    return np.where((root > 0) & (t > NEAR), t, np.float32(np.inf))


def _hit_cylinder(origin: Components, way: Components, constants: Components) -> np.ndarray:
    x, y, z = way
    a = x * x + y * y
    b = origin[0] * x + origin[1] * y
    root = b * b - a * (origin[0] * origin[0] + origin[1] * origin[1] - np.float32(1))
    t = (-b - np.sqrt(np.maximum(root, 0))) / a
    side = np.where((root > 0) & (t > NEAR) & (np.abs(origin[2] + t * z) <= 1), t, np.float32(np.inf))
    # Only the cap that faces the ray can be entered from outside.
    cap = (-np.sign(z) - origin[2]) / z
    inside = (origin[0] + cap * x) ** 2 + (origin[1] + cap * y) ** 2 <= 1
    return np.where(inside & (cap > NEAR) & (cap < side), cap, side)


def _hit_wheel(origin: Components, way: Components, constants: Components) -> np.ndarray:
    return _hit_cylinder((origin[0], origin[2], origin[1]), (way[0], way[2], way[1]), constants)


def _hit_tapered(origin: Components, way: Components, constants: Components) -> np.ndarray:
    inverse = 1.0 / way[2]
    middle, reach = -origin[2] * inverse, np.abs(inverse)
    enter, leave = middle - reach, middle + reach
    for axis in (0, 1):
        lean = constants[axis] * np.float32(0.5)
        # The sides are the planes x + lean z = 1 - |lean| and -x + lean z = 1 - |lean|.
        lift, lift_way = lean * origin[2] + np.abs(lean) - np.float32(1), lean * way[2]
        for sign in (np.float32(1), np.float32(-1)):
            outside, slope = sign * origin[axis] + lift, sign * way[axis] + lift_way
            t = -outside / slope
            enter = np.maximum(enter, np.where(slope < 0, t, np.float32(-np.inf)))
            leave = np.minimum(leave, np.where(slope > 0, t, np.float32(np.inf)))
            leave = np.where((slope == 0) & (outside > 0), np.float32(-np.inf), leave)
    return np.where((enter < leave) & (enter > NEAR), enter, np.float32(np.inf))


HIT = (_hit_box, _hit_ellipsoid, _hit_cylinder, _hit_wheel, _hit_tapered)
"""Ray parameter of the first hit (infinity = miss), by kind: `(origin, direction, constants)` in the solid's
frame; `constants` as from `Primitives.constants`."""
