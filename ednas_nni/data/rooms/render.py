"""Renders one room: picture, classes, depth and normals.

The targets are exact at pixel centres. The picture is smoothed with the quincunx pattern: each pixel is half its
centre and an eighth of each of its four corners, which costs one more pass instead of three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ednas_nni.data.rooms.camera import View
from ednas_nni.data.rooms.raycast import cast
from ednas_nni.data.rooms.scene import Scene, make_scene
from ednas_nni.data.rooms.shade import colors, geometry

_STREAM = 7061
"""Keeps the random numbers of this generator apart from those of other generators with equal seeds."""

_SMALLEST_CASTER_M = 0.16
_MOST_CASTERS = 40


@dataclass(frozen=True)
class Picture:
    """One rendered image with its targets.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        segmentation: uint8 (H, W), class labels 0..12; every pixel has one.
        depth: float32 (H, W), metres along the optical axis, > 0.
        normals: float32 (H, W, 3), unit vectors in camera axes (x right, y up, z towards the camera).
    """

    image: np.ndarray
    segmentation: np.ndarray
    depth: np.ndarray
    normals: np.ndarray


def render(seed: int, size: tuple[int, int], shadows: bool = True) -> Picture:
    """Render the room of a seed.

    Args:
        seed: Not negative. The room, camera and light depend on the seed alone, not on the size.
        size: Image height and width in pixels.
        shadows: Cast shadows and darken corners; off is about twice as fast.

    Returns:
        The picture with its targets.
    """
    scene = make_scene(np.random.default_rng([_STREAM, seed]))
    casting = _casters(scene) if shadows else np.empty(0, int)
    view = scene.camera.view(size)
    depth, surface = cast(view, scene.room, scene.solids)
    normals, centre = _shade(scene, view, depth, surface, casting)
    corners = scene.camera.view(size, corners=True)
    _, corner = _shade(scene, corners, *cast(corners, scene.room, scene.solids), casting)
    return Picture(
        image=_develop(centre, corner, np.random.default_rng([_STREAM, seed, *size])),
        segmentation=scene.looks.label[surface],
        depth=depth,
        normals=np.ascontiguousarray(view.to_camera(normals).T.reshape(*size, 3)),
    )


def _casters(scene: Scene) -> np.ndarray:
    """Choose the solids whose shadows are worth their time: the largest, by their second half extent."""
    extent = np.sort(scene.solids.half, axis=1)
    # Flat things on walls and floors (windows, rugs) would only shadow what they touch.
    worth = np.nonzero((extent[:, 1] > _SMALLEST_CASTER_M) & (extent[:, 0] > 0.02))[0]
    order = np.argsort(-extent[worth, 1] * extent[worth, 2], kind="stable")
    return worth[order[:_MOST_CASTERS]]


def _shade(
    scene: Scene, view: View, depth: np.ndarray, surface: np.ndarray, casting: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return normals in room axes, float32 (3, h * w), and linear light, float32 (3, h, w)."""
    points, surfaces = view.points(depth), surface.ravel()
    spot = geometry(points, surfaces, scene.solids)
    light = colors(scene, spot, points, depth.ravel() / view.focal, surfaces, casting)
    return spot[0], light.reshape(3, *depth.shape)


def _develop(centre: np.ndarray, corner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn linear light into a photograph: clip, smooth, expose, white balance, tone curve, sensor noise."""
    # Clipping before smoothing keeps edges of bright windows smooth.
    centre, corner = np.minimum(centre, 1.25), np.minimum(corner, 1.25)
    sides = corner[:, :-1] + corner[:, 1:]
    light = np.float32(0.5) * centre + np.float32(0.125) * (sides[..., :-1] + sides[..., 1:])
    gain = rng.uniform(0.9, 1.2) * rng.uniform(0.94, 1.06, (3, 1, 1))
    light = np.clip(light * gain.astype(np.float32), 0, 1) ** np.float32(1 / 1.9)
    light += rng.standard_normal(light.shape, np.float32) * np.float32(rng.uniform(0.004, 0.016))
    return np.ascontiguousarray((np.clip(light, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8).transpose(1, 2, 0))
