"""What closes a scene behind all solids: a room's box, or ground and sky."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from scenes.render.camera import View


class Shell(Protocol):
    """The surfaces 0 .. count - 1 of a scene; solid number k is surface `count + k`."""

    @property
    def count(self) -> int:
        """Number of the shell's surfaces."""

    @property
    def background(self) -> int | None:
        """The surface without depth (the sky), or `None` when every ray meets something."""

    def cast(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Return what each ray meets.

        Args:
            view: The rays.

        Returns:
            `depth` float32 and `surface` int16, both (2, H + 1, W + 1). The background has a large finite depth,
            so that points stay finite.
        """

    def describe(self, points: np.ndarray, surface: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return normals and surface coordinates.

        Args:
            points: float32 (3, N), metres; also points of solids.
            surface: int16 (N,), surface numbers.

        Returns:
            `normals` float32 (3, N), unit vectors in scene axes, and the coordinates `u` and `v`, float32 (N,),
            in metres. Entries of solids are overwritten later.
        """

    def darken(self, ambient: np.ndarray, points: np.ndarray, surface: np.ndarray, normals: np.ndarray) -> None:
        """Darken the ambient light in corners and under things, in place; a cheap stand-in for ambient occlusion.

        Args:
            ambient: float32 (N,), brightness.
            points: float32 (3, N), metres.
            surface: int16 (N,), surface numbers.
            normals: float32 (3, N), scene axes.
        """


def contact_shade(points: np.ndarray, where: np.ndarray, footprints: np.ndarray) -> np.ndarray:
    """Darken the floor under and around what stands on it.

    Args:
        points: float32 (3, N), metres.
        where: int (F,), pixels that show the floor.
        footprints: float32 (M, 4), rectangles as centre x, y and half extents x, y in metres.

    Returns:
        float32 (F,), factors.
    """
    x, y = points[0, where], points[1, where]
    shade = np.ones(len(where), np.float32)
    for centre_x, centre_y, half_x, half_y in footprints:
        gap = np.maximum(np.abs(x - centre_x) - half_x, 0) + np.maximum(np.abs(y - centre_y) - half_y, 0)
        shade *= 1 - np.float32(0.45) * np.exp(gap * np.float32(-9))
    return shade
