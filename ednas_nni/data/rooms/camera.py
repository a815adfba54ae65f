"""A pinhole camera whose rays form a regular grid, so that ray directions are affine in the pixel position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class View:
    """A camera together with the grid of rays that one picture needs.

    The ray of grid cell (i, j) is ``origin + t * (forward + across[j] * right + along[i] * up)``, so its parameter
    ``t`` is the depth along the optical axis in metres, not the length of the ray.

    Attributes:
        origin: float32 (3,), metres; the room's z axis points up.
        right: float32 (3,), unit vector to the right of the picture, always level.
        up: float32 (3,), unit vector to the top of the picture.
        forward: float32 (3,), unit vector of the optical axis.
        focal: Focal length in pixels.
        across: float32 (w,), horizontal ray offsets at depth 1, growing to the right.
        along: float32 (h,), vertical ray offsets at depth 1, falling downwards.
    """

    origin: np.ndarray
    right: np.ndarray
    up: np.ndarray
    forward: np.ndarray
    focal: float
    across: np.ndarray
    along: np.ndarray

    def points(self, depth: np.ndarray) -> np.ndarray:
        """Return the points that rays reach.

        Args:
            depth: float32 (h, w), depth along the optical axis in metres.

        Returns:
            float32 (3, h * w) in room coordinates, metres.
        """
        across = depth * self.across
        along = depth * self.along[:, None]
        rows = [
            self.origin[k] + depth * self.forward[k] + across * self.right[k] + along * self.up[k] for k in range(3)
        ]
        return np.stack(rows).reshape(3, -1)

    def to_camera(self, vectors: np.ndarray) -> np.ndarray:
        """Turn directions from room to camera axes (x right, y up, z towards the camera).

        Args:
            vectors: float32 (3, N).

        Returns:
            float32 (3, N).
        """
        return np.stack([self.right, self.up, -self.forward]) @ vectors


@dataclass(frozen=True)
class Camera:
    """Where the camera stands and looks.

    Attributes:
        position: Metres in the room, z up.
        yaw: Heading in radians, 0 = along x, counter-clockwise from above.
        pitch: Elevation in radians, negative looks down.
        field_of_view: Opening angle of the longer image side in degrees.
    """

    position: tuple[float, float, float]
    yaw: float
    pitch: float
    field_of_view: float

    def view(self, size: tuple[int, int], corners: bool = False) -> View:
        """Return the rays of a picture.

        Args:
            size: Image height and width in pixels.
            corners: Rays through the (H + 1) x (W + 1) pixel corners instead of the H x W pixel centres.

        Returns:
            The view.
        """
        height, width = size
        focal = max(size) / 2 / np.tan(np.radians(self.field_of_view) / 2)
        shift, extra = (0.0, 1) if corners else (0.5, 0)
        across = (np.arange(width + extra) + shift - width / 2) / focal
        along = (height / 2 - np.arange(height + extra) - shift) / focal
        cos_yaw, sin_yaw, cos_pitch, sin_pitch = (
            np.cos(self.yaw),
            np.sin(self.yaw),
            np.cos(self.pitch),
            np.sin(self.pitch),
        )
        right = np.array([sin_yaw, -cos_yaw, 0.0])
        forward = np.array([cos_yaw * cos_pitch, sin_yaw * cos_pitch, sin_pitch])
        single = np.float32
        return View(
            origin=np.array(self.position, single),
            right=right.astype(single),
            up=np.cross(right, forward).astype(single),
            forward=forward.astype(single),
            focal=float(focal),
            across=across.astype(single),
            along=along.astype(single),
        )
