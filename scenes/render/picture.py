"""Draws one scene: picture, classes, depth and normals. The targets are exact at pixel centres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenes.render.develop import develop
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
        shadows: Cast shadows and darken corners.

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
