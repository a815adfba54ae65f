"""The light that each pixel sends to the camera, for all pixels at once."""

from __future__ import annotations

import numpy as np

from scenes.render import textures
from scenes.render.scene import Scene


def albedo(scene: Scene, u: np.ndarray, v: np.ndarray, pixel: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Return the reflectance of points.

    Args:
        scene: The scene.
        u: float32 (N,), first surface coordinate in metres.
        v: float32 (N,), second surface coordinate.
        pixel: float32 (N,), size of a pixel at that point in metres.
        surface: int16 (N,), surface numbers.

    Returns:
        float32 (3, N), linear RGB.
    """
    looks = scene.looks
    # numpy's take is several times faster than indexing.
    scale = looks.scale.take(surface)
    shift = looks.shift.take(surface, axis=1)
    weight = textures.mix(looks.pattern.take(surface), u * scale + shift[0], v * scale + shift[1], pixel * scale)
    first = looks.first.take(surface, axis=1)
    mixed = looks.second.take(surface, axis=1)
    mixed -= first
    mixed *= weight
    mixed += first
    return mixed


def colors(
    scene: Scene,
    spot: tuple[np.ndarray, np.ndarray, np.ndarray],
    points: np.ndarray,
    depth: np.ndarray,
    focal: float,
    surface: np.ndarray,
    casting: np.ndarray,
) -> np.ndarray:
    """Compute the light that each pixel sends to the camera.

    Args:
        scene: The scene.
        spot: Normals (3, N), u (N,) and v (N,) as from `scenes.render.surfaces.geometry`.
        points: float32 (3, N), metres.
        depth: float32 (N,), metres along the optical axis.
        focal: Focal length in pixels.
        surface: int16 (N,), surface numbers.
        casting: int (J,), solids that cast a shadow; empty = no shadows at all.

    Returns:
        float32 (3, N), linear RGB, not negative.
    """
    normals, u, v = spot
    color = albedo(scene, u, v, depth / focal, surface)
    lighting = scene.lighting
    direct = lighting.source.direct(points, normals)
    around = np.float32(lighting.ambient) * (
        np.float32(1 - lighting.hemisphere) + np.float32(lighting.hemisphere) * normals[2]
    )
    if casting.size:
        scene.shell.darken(around, points, surface, normals)
        bright = np.nonzero(direct > 0.02)[0]
        lit = lighting.source.reaches(points[:, bright], surface[bright], scene.shell.count, scene.solids, casting)
        direct[bright[~lit]] = 0
    if lighting.side_strength:
        side = np.array(lighting.side, np.float32)
        around = around + np.float32(lighting.side_strength) * np.maximum(side @ normals, 0)
    light = np.array(lighting.tint, np.float32)[:, None] * direct
    light += np.array(lighting.ambient_tint, np.float32)[:, None] * around
    glow = scene.looks.glow.take(surface)
    color *= light * (1 - glow) + glow
    if lighting.haze is not None:
        # Koschmieder's law: what is far fades to the colour of the horizon. The sky has it already.
        clear = np.exp(depth * np.float32(-1 / lighting.haze_depth))
        clear[surface == scene.shell.background] = 1
        color *= clear
        color += np.array(lighting.haze, np.float32)[:, None] * (1 - clear)
    return color
