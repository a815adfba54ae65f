"""The shell of a street: the plane of the road with its marks, and the sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenes.render.camera import View
from scenes.render.shell import contact_shade
from scenes.streets.road import Road

SKY, ASPHALT, PAINT, LANE, RAIL = 0, 1, 2, 3, 4
"""Surface numbers: sky, asphalt, white marks, lanes of another asphalt, tram rails."""

GROUND_ENDS_M = 260.0
SKY_M = 1000.0
"""Depth that stands for the sky inside the renderer."""

_REACH_M = 0.6


@dataclass(frozen=True)
class GroundAndSky:
    """Ground and sky (see `scenes.render.shell.Shell`).

    Attributes:
        road: Where the marks lie.
        footprints: float32 (M, 4), rectangles on the road where vehicles stand: centre x, y, half x, y in metres.
        origin: Place of the camera in metres; the sky is seen from there.
    """

    road: Road
    footprints: np.ndarray
    origin: tuple[float, float, float]
    count: int = 5
    background: int = SKY

    def cast(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Return the depth of ground and sky, and what each ray meets there."""
        down = view.direction(2)
        t = np.where(down < 0, -view.origin[2] / np.minimum(down, -1e-6), np.float32(SKY_M))
        ground = t < GROUND_ENDS_M
        depth = np.where(ground, t, np.float32(SKY_M)).astype(np.float32)
        surface = np.zeros(view.shape, np.int16)
        t = t[ground]
        x = view.origin[0] + t * view.direction(0)[ground]
        y = view.origin[1] + t * view.direction(1)[ground]
        surface[ground] = self._painted(x, y)
        return depth, surface

    def _painted(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the surface numbers of points of the ground."""
        road = self.road
        surface = np.full(x.shape, ASPHALT, np.int16)
        crossing = (x > road.crossing[0]) & (x < road.crossing[1])
        for low, high in road.other_asphalt:
            surface[(y > low) & (y < high) & ~crossing] = LANE
        paint = np.zeros(x.shape, bool)
        for line in road.lines:
            on = np.abs(y - line.y) < line.half_width
            if line.period:
                on &= np.mod(x + line.phase, line.period) < line.dash
            paint |= on
        paint &= ~crossing
        for low, high in road.zebras:
            paint |= (x > low) & (x < high) & (np.mod(y, 1.0) < 0.5) & (np.abs(y) < road.half_width - 0.2)
        for low, high, right, left in road.bars:
            paint |= (x > low) & (x < high) & (y > right) & (y < left)
        surface[paint] = PAINT
        for rail in road.rails:
            surface[np.abs(y - rail) < 0.045] = RAIL
        return surface

    def describe(self, points: np.ndarray, surface: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return upward normals and metres on the ground; for the sky tangents of angles times `SKY_M`."""
        normals = np.zeros_like(points)
        normals[2] = 1
        u, v = points[0].copy(), points[1].copy()
        sky = np.nonzero(surface == SKY)[0]
        u[sky] = points[1, sky] - np.float32(self.origin[1])
        v[sky] = points[2, sky] - np.float32(self.origin[2])
        return normals, u, v

    def darken(self, ambient: np.ndarray, points: np.ndarray, surface: np.ndarray, normals: np.ndarray) -> None:
        """Darken the feet of whatever stands upright, and the road under vehicles."""
        ambient *= 1 - np.float32(0.3) * (1 - np.abs(normals[2])) * np.exp(np.maximum(points[2], 0) * np.float32(-1.4))
        road = np.nonzero((surface > SKY) & (surface < self.count))[0]
        x, y = points[0, road], points[1, road]
        for footprint in self.footprints:
            centre_x, centre_y, half_x, half_y = footprint
            near = road[(np.abs(x - centre_x) < half_x + _REACH_M) & (np.abs(y - centre_y) < half_y + _REACH_M)]
            if near.size:
                # Twice: it is darker under a car than beside a sofa.
                ambient[near] *= contact_shade(points, near, footprint[None]) ** 2
