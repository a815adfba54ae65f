"""From hits to normals and colours, for all pixels at once (deferred shading).

Each pixel first gathers the numbers of the surface it shows; the arithmetic then runs over whole arrays, whatever
the number of solids.
"""

from __future__ import annotations

import numpy as np

from ednas_nni.data.rooms import textures
from ednas_nni.data.rooms.primitives import BOX, CYLINDER, ELLIPSOID, Primitives
from ednas_nni.data.rooms.raycast import CEILING, FLOOR, SHELL, WALL, lit
from ednas_nni.data.rooms.scene import Scene


def geometry(points: np.ndarray, surface: np.ndarray, solids: Primitives) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return normals and surface coordinates.

    Args:
        points: float32 (3, N), metres.
        surface: int16 (N,), surface numbers.
        solids: What stands in the room.

    Returns:
        ``normals`` float32 (3, N), unit, in room axes, pointing to the free side; ``u`` and ``v`` float32 (N,),
        coordinates along the surface in metres.
    """
    normals = np.zeros_like(points)
    u, v = points[0].copy(), points[2].copy()
    flat = surface < WALL
    v[flat] = points[1][flat]
    side = (surface == WALL) | (surface == WALL + 1)
    u[side] = points[1][side]
    # Inward normals of the shell, looked up by surface number.
    inward = np.array([(0, 0, 1), (0, 0, -1), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)], np.float32)
    shell = np.nonzero(surface < SHELL)[0]
    normals[:, shell] = inward[surface[shell]].T
    for kind, describe in ((BOX, _box), (ELLIPSOID, _ellipsoid), (CYLINDER, _cylinder)):
        pixels = np.nonzero(surface >= SHELL)[0]
        pixels = pixels[solids.kind[surface[pixels] - SHELL] == kind]
        if not pixels.size:
            continue
        k = surface[pixels] - SHELL
        offset = points[:, pixels] - solids.centre[k].T
        half, cos, sin = solids.half[k].T, solids.cos[k], solids.sin[k]
        local = np.stack([cos * offset[0] + sin * offset[1], cos * offset[1] - sin * offset[0], offset[2]])
        normal, u[pixels], v[pixels] = describe(local / half, half)
        normals[0, pixels] = cos * normal[0] - sin * normal[1]
        normals[1, pixels] = sin * normal[0] + cos * normal[1]
        normals[2, pixels] = normal[2]
    return normals, u, v


def _box(unit: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    face = np.abs(unit).argmax(0)
    columns = np.arange(unit.shape[1])
    normal = np.zeros_like(unit)
    normal[face, columns] = np.sign(unit[face, columns])
    metres = unit * half
    return normal, np.where(face == 0, metres[1], metres[0]), np.where(face == 2, metres[1], metres[2])


def _ellipsoid(unit: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    normal = unit / half
    normal /= np.sqrt((normal * normal).sum(0))
    return normal, np.arctan2(unit[1], unit[0]) * half[0], unit[2] * half[2]


def _cylinder(unit: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    radius = np.sqrt(unit[0] ** 2 + unit[1] ** 2)
    # The rim distance decides in metres, so that flat and thin cylinders are told apart alike.
    cap = (1 - np.abs(unit[2])) * half[2] < (1 - radius) * half[0]
    slope = unit[:2] / half[:2]
    slope /= np.maximum(np.sqrt((slope * slope).sum(0)), 1e-6)
    zero = np.zeros_like(radius)
    normal = np.stack(
        [np.where(cap, zero, slope[0]), np.where(cap, zero, slope[1]), np.where(cap, np.sign(unit[2]), zero)]
    )
    return normal, np.arctan2(unit[1], unit[0]) * half[0], unit[2] * half[2]


def _corner_shade(points: np.ndarray, surface: np.ndarray, room: tuple[float, float, float]) -> np.ndarray:
    """Darken where planes of the shell meet; a cheap stand-in for ambient occlusion."""
    shade = np.ones(points.shape[1], np.float32)
    for axis, (low, high) in enumerate(((WALL, WALL + 1), (WALL + 2, WALL + 3), (FLOOR, CEILING))):
        gap = np.minimum(points[axis], np.float32(room[axis]) - points[axis])
        darker = 1 - np.float32(0.3) * np.exp(gap * np.float32(-4.5))
        own = (surface == low) | (surface == high)
        shade *= np.where(own, np.float32(1), darker)
    return shade


def _contact_shade(points: np.ndarray, floor: np.ndarray, footprints: np.ndarray) -> np.ndarray:
    """Darken the floor under and around furniture.

    Args:
        points: float32 (3, N), metres.
        floor: int (F,), pixels that show the floor.
        footprints: float32 (M, 4), rectangles as centre x, y and half extents x, y in metres.

    Returns:
        float32 (F,), factors.
    """
    x, y = points[0, floor], points[1, floor]
    shade = np.ones(len(floor), np.float32)
    for centre_x, centre_y, half_x, half_y in footprints:
        gap = np.maximum(np.abs(x - centre_x) - half_x, 0) + np.maximum(np.abs(y - centre_y) - half_y, 0)
        shade *= 1 - np.float32(0.45) * np.exp(gap * np.float32(-9))
    return shade


def colors(
    scene: Scene,
    spot: tuple[np.ndarray, np.ndarray, np.ndarray],
    points: np.ndarray,
    pixel: np.ndarray,
    surface: np.ndarray,
    casting: np.ndarray,
) -> np.ndarray:
    """Compute the light that each pixel sends to the camera.

    Args:
        scene: The room.
        spot: Normals (3, N), u (N,) and v (N,) as from :func:`geometry`.
        points: float32 (3, N), metres.
        pixel: float32 (N,), size of a pixel at that point, metres.
        surface: int16 (N,), surface numbers.
        casting: int (J,), solids that cast a shadow; empty = no shadows at all.

    Returns:
        float32 (3, N), linear RGB, not negative.
    """
    looks, lighting = scene.looks, scene.lighting
    normals, u, v = spot
    scale = looks.scale[surface]
    # An offset per surface keeps two pieces of the same wood from being twins.
    offset = surface.astype(np.float32)
    weight = textures.mix(looks.pattern[surface], u * scale + offset * 7.31, v * scale + offset * 3.17, pixel * scale)
    first = looks.first[:, surface]
    albedo = first + (looks.second[:, surface] - first) * weight

    position = np.array(lighting.position, np.float32)
    to_light = position[:, None] - points
    squared = (to_light * to_light).sum(0)
    facing = np.maximum((normals * to_light).sum(0) / np.sqrt(squared), 0)
    lamp = np.float32(lighting.strength) * facing / (1 + np.float32(0.14) * squared)
    sky = np.float32(lighting.sky_strength) * np.maximum(np.array(lighting.sky, np.float32) @ normals, 0)
    around = np.float32(lighting.ambient) * (np.float32(0.78) + np.float32(0.22) * normals[2])
    if casting.size:
        around = around * _corner_shade(points, surface, scene.room)
        floor = np.nonzero(surface == FLOOR)[0]
        around[floor] *= _contact_shade(points, floor, scene.footprints)
        bright = np.nonzero(lamp > 0.02)[0]
        seen = lit(points[:, bright], surface[bright], position, scene.solids, casting)
        lamp[bright[~seen]] = 0
    light = np.array(lighting.tint, np.float32)[:, None] * lamp + (around + sky)
    glow = looks.glow[surface]
    return albedo * (light * (1 - glow) + glow)
