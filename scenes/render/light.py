"""Light sources and the soft light around them; which points a source reaches.

All solids are convex, hence a point that faces the light is never shadowed by its own solid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenes.render.primitives import HIT, TAPERED, Primitives

Color = tuple[float, float, float]
_CLEARANCE_M = 0.01
"""A shadow must be thrown from at least this far away, which keeps touching faces clean."""


@dataclass(frozen=True)
class Lamp:
    """A light at one place.

    Attributes:
        position: Metres.
        strength: Brightness at its place.
    """

    position: tuple[float, float, float]
    strength: float

    def direct(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Return the brightness float32 (N,) of points float32 (3, N) with the given normals, without shadows."""
        to_light = np.array(self.position, np.float32)[:, None] - points
        squared = (to_light * to_light).sum(0)
        facing = np.maximum((normals * to_light).sum(0) / np.sqrt(squared), 0)
        return np.float32(self.strength) * facing / (1 + np.float32(0.14) * squared)

    def reaches(
        self, points: np.ndarray, surface: np.ndarray, first: int, solids: Primitives, casting: np.ndarray
    ) -> np.ndarray:
        """Tell which points see the light.

        Solids are culled by the cone that their bounding sphere spans from the light, so that few points need an
        exact test.

        Args:
            points: float32 (3, N), metres.
            surface: int16 (N,), the surface number each point lies on.
            first: Surface number of the first solid.
            solids: What stands in the scene.
            casting: int (M,), the solids that cast a shadow.

        Returns:
            bool (N,).
        """
        light = np.array(self.position, np.float32)
        visible = np.ones(points.shape[1], bool)
        ray = points - light[:, None]
        distance = np.sqrt((ray * ray).sum(0))
        limit = 1.0 - _CLEARANCE_M / np.maximum(distance, 2 * _CLEARANCE_M)
        starts = solids.to_local(light - solids.centre)
        constants = solids.constants(starts)
        with np.errstate(divide="ignore", invalid="ignore"):
            for k in casting:
                axis = solids.centre[k] - light
                reach = float(np.sqrt(axis @ axis))
                radius = float(np.sqrt(solids.half[k] @ solids.half[k]))
                if reach > radius:
                    cone = np.sqrt(reach * reach - radius * radius)
                    near = np.nonzero((axis @ ray > cone * distance) & (distance > reach - radius))[0]
                else:
                    near = np.arange(points.shape[1])
                if not near.size:
                    continue
                x, y, z = ray[:, near]
                cos, sin, half = solids.cos[k], solids.sin[k], solids.half[k]
                way = ((cos * x + sin * y) / half[0], (cos * y - sin * x) / half[1], z / half[2])
                t = HIT[solids.kind[k]](starts[k], way, constants[k])
                visible[near[(t < limit[near]) & (surface[near] != first + k)]] = False
        return visible


@dataclass(frozen=True)
class Sun:
    """A light from one direction.

    Attributes:
        direction: Unit vector towards the sun.
        strength: Brightness of a surface that faces it.
    """

    direction: tuple[float, float, float]
    strength: float

    def direct(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Return the brightness float32 (N,) of points float32 (3, N) with the given normals, without shadows."""
        x, y, z = np.array(self.direction, np.float32)
        return np.float32(self.strength) * np.maximum(normals[0] * x + normals[1] * y + normals[2] * z, 0)

    def reaches(
        self, points: np.ndarray, surface: np.ndarray, first: int, solids: Primitives, casting: np.ndarray
    ) -> np.ndarray:
        """Tell which points see the sun; arguments as for `Lamp.reaches`.

        Points are sorted along one axis across the sun's rays, so that each solid is tested against a stretch of
        them only.
        """
        sun = np.array(self.direction, np.float64)
        aside = np.array([-sun[1], sun[0], 0.0]) / max(np.hypot(sun[0], sun[1]), 1e-9)
        over = np.cross(sun, aside)
        axes = np.stack([aside, over, sun]).astype(np.float32)
        across, height, along = axes @ points
        order = np.argsort(across, kind="stable")
        across, height, along = across[order], height[order], along[order]
        sorted_points, sorted_surface = points[:, order], surface[order]
        # The shadow of a bounding box, seen along the rays.
        corners = solids.corners()[casting] @ axes.T
        low, high = corners.min(1), corners.max(1)
        begin, end = np.searchsorted(across, low[:, 0]), np.searchsorted(across, high[:, 0], side="right")
        ways = solids.to_local(axes[2])
        dark = np.zeros(points.shape[1], bool)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for n in np.nonzero(end > begin)[0]:
                k, stretch = casting[n], slice(begin[n], end[n])
                up, far = height[stretch], along[stretch]
                near = (up > low[n, 1]) & (up < high[n, 1]) & (far < high[n, 2]) & ~dark[stretch]
                near = np.nonzero(near & (sorted_surface[stretch] != first + k))[0] + begin[n]
                if not near.size:
                    continue
                cos, sin, half = solids.cos[k], solids.sin[k], solids.half[k]
                x, y, z = sorted_points[:, near] - solids.centre[k][:, None]
                start = ((cos * x + sin * y) / half[0], (cos * y - sin * x) / half[1], z / half[2])
                squared = start[0] * start[0] + start[1] * start[1] + start[2] * start[2]
                constants = solids.taper[k] if solids.kind[k] == TAPERED else (squared,)
                t = HIT[solids.kind[k]](start, ways[k], constants)
                dark[near[np.isfinite(t)]] = True
        visible = np.empty(points.shape[1], bool)
        visible[order] = ~dark
        return visible


@dataclass(frozen=True)
class Lighting:
    """All light of a scene.

    Attributes:
        source: What throws shadows.
        tint: RGB factors of the source.
        ambient: Brightness that reaches every point.
        hemisphere: Share of the ambient light that depends on how far a surface faces up.
        ambient_tint: RGB factors of the ambient light.
        side: Unit vector towards the brighter side (a window behind the camera).
        side_strength: Brightness from that side; it throws no shadow.
        haze: Colour that far things fade to, or `None`.
        haze_depth: Depth in metres at which 63 % of a thing is haze.
    """

    source: Lamp | Sun
    tint: Color
    ambient: float
    hemisphere: float = 0.22
    ambient_tint: Color = (1.0, 1.0, 1.0)
    side: tuple[float, float, float] = (0.0, 0.0, 1.0)
    side_strength: float = 0.0
    haze: Color | None = None
    haze_depth: float = 1.0
