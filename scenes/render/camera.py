"""A pinhole camera whose rays form regular grids, so that ray directions are affine in the pixel position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class View:
    """A camera together with the rays that one picture needs: two grids, cast at once.

    Grid 0 goes through the H x W pixel centres (and, to have the same shape, one row and column beyond them), grid 1
    through the (H + 1) x (W + 1) pixel corners. The ray of cell (i, j) of grid g is `origin + t * (forward +
    across[g, 0, j] * right + along[g, i, 0] * up)`, so its parameter `t` is the depth along the optical axis in
    metres, not the length of the ray.

    Attributes:
        size: Image height and width in pixels.
        origin: float32 (3,), metres; the scene's z axis points up.
        right: float32 (3,), unit vector to the right of the picture, always level.
        up: float32 (3,), unit vector to the top of the picture.
        forward: float32 (3,), unit vector of the optical axis.
        focal: Focal length in pixels.
        across: float32 (2, 1, W + 1), horizontal ray offsets at depth 1, growing to the right.
        along: float32 (2, H + 1, 1), vertical ray offsets at depth 1, falling downwards.
    """

    size: tuple[int, int]
    origin: np.ndarray
    right: np.ndarray
    up: np.ndarray
    forward: np.ndarray
    focal: float
    across: np.ndarray
    along: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an array with one value per ray."""
        return 2, self.along.shape[1], self.across.shape[2]

    def direction(self, axis: int) -> np.ndarray:
        """Return one component of all ray directions (their depth along the optical axis is 1).

        Args:
            axis: 0..2.

        Returns:
            float32 (2, H + 1, W + 1).
        """
        return self.forward[axis] + self.up[axis] * self.along + self.right[axis] * self.across

    def points(self, depth: np.ndarray) -> np.ndarray:
        """Return the points that rays reach.

        Args:
            depth: float32 (2, H + 1, W + 1), depth along the optical axis in metres.

        Returns:
            float32 (3, 2, H + 1, W + 1) in scene coordinates, metres.
        """
        across = depth * self.across
        along = depth * self.along
        return np.stack(
            [self.origin[k] + depth * self.forward[k] + across * self.right[k] + along * self.up[k] for k in range(3)]
        )

    def flat(self, values: np.ndarray) -> np.ndarray:
        """Return the values of the rays that count: first the H x W centres, then the corners.

        Args:
            values: (..., 2, H + 1, W + 1).

        Returns:
            (..., H * W + (H + 1) * (W + 1)).
        """
        height, width = self.size
        head = values.shape[:-3]
        centres = values[..., 0, :height, :width].reshape(*head, -1)
        return np.concatenate([centres, values[..., 1, :, :].reshape(*head, -1)], -1)

    def to_camera(self, vectors: np.ndarray) -> np.ndarray:
        """Turn directions from scene to camera axes (x right, y up, z towards the camera).

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
        position: Metres in the scene, z up.
        yaw: Heading in radians, 0 = along x, counter-clockwise from above.
        pitch: Elevation in radians, negative looks down.
        field_of_view: Opening angle of the longer image side in degrees.
    """

    position: tuple[float, float, float]
    yaw: float
    pitch: float
    field_of_view: float

    def focal(self, size: tuple[int, int]) -> float:
        """Return the focal length in pixels of a picture of the given height and width."""
        return float(max(size) / 2 / np.tan(np.radians(self.field_of_view) / 2))

    def view(self, size: tuple[int, int]) -> View:
        """Return the rays of a picture.

        Args:
            size: Image height and width in pixels.

        Returns:
            The view.
        """
        height, width = size
        focal = self.focal(size)
        shift = np.array([0.5, 0.0])[:, None]
        across = (np.arange(width + 1) + shift - width / 2) / focal
        along = (height / 2 - np.arange(height + 1) - shift) / focal
        cos_yaw, sin_yaw = np.cos(self.yaw), np.sin(self.yaw)
        cos_pitch, sin_pitch = np.cos(self.pitch), np.sin(self.pitch)
        right = np.array([sin_yaw, -cos_yaw, 0.0])
        forward = np.array([cos_yaw * cos_pitch, sin_yaw * cos_pitch, sin_pitch])
        single = np.float32
        return View(
            size=(height, width),
            origin=np.array(self.position, single),
            right=right.astype(single),
            up=np.cross(right, forward).astype(single),
            forward=forward.astype(single),
            focal=focal,
            across=across.astype(single)[:, None, :],
            along=along.astype(single)[:, :, None],
        )
