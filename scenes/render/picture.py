"""Draws one scene: picture, classes, depth and normals. The targets are exact at pixel centres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenes.render.raycast import cast
from scenes.render.scene import Scene
from scenes.render.shade import colors
from scenes.render.surfaces import geometry


@dataclass(frozen=True)
class Picture:
    """One rendered image with its targets.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        segmentation: uint8 (H, W), class labels; every pixel has one.
        depth: float32 (H, W), metres along the optical axis, 0 = no depth (the sky).
        normals: float32 (H, W, 3), unit vectors in camera axes (x right, y up, z towards the camera), zero where
            there is no depth.
    """

    image: np.ndarray
    segmentation: np.ndarray
    depth: np.ndarray
    normals: np.ndarray


def draw_scene(scene: Scene, size: tuple[int, int], rng: np.random.Generator, shadows: bool = True) -> Picture:
    """Render a scene.

    Args:
        scene: What is seen.
        size: Image height and width in pixels.
        rng: Draws what the camera adds: exposure, white balance and noise.
        shadows: Cast shadows.

    Returns:
        The picture with its targets.
    """
    view = scene.camera.view(size)
    grids, numbers = cast(view, scene.shell, scene.solids)
    points, depth, surface = view.flat(view.points(grids)), view.flat(grids), view.flat(numbers)
    spot = geometry(points, surface, scene.shell, scene.solids)
    casting = scene.casting if shadows else np.empty(0, int)
    light = colors(scene, spot, points, depth, view.focal, surface, casting)

    height, width = size
    pixels = height * width
    depth, surface = depth[:pixels].reshape(size), surface[:pixels].reshape(size)
    normals = np.ascontiguousarray(view.to_camera(np.ascontiguousarray(spot[0][:, :pixels])).T).reshape(*size, 3)
    if scene.shell.background is not None:
        behind = surface == scene.shell.background
        depth[behind], normals[behind] = 0, 0
    return Picture(
        image=develop(
            light[:, :pixels].reshape(3, height, width), light[:, pixels:].reshape(3, height + 1, width + 1), rng
        ),
        segmentation=scene.looks.label[surface],
        depth=depth,
        normals=normals,
    )


def develop(centre: np.ndarray, corner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn linear light into a photograph: clip, smooth, expose, balance white, apply a tone curve, add sensor noise.

    The picture is smoothed with the quincunx pattern: each pixel is half its centre and an eighth of each of its four
    corners, which costs one more ray per pixel instead of three.

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
