"""From hits to normals and surface coordinates, for all pixels at once (deferred shading).

Each pixel first gathers the numbers of the solid it shows; the arithmetic then runs over whole arrays, whatever the
number of solids.
"""

from __future__ import annotations

import numpy as np

from scenes.render.primitives import Primitives
from scenes.render.shell import Shell

Described = tuple[np.ndarray, np.ndarray, np.ndarray]


def geometry(points: np.ndarray, surface: np.ndarray, shell: Shell, solids: Primitives) -> Described:
    """Return normals and surface coordinates.

    Args:
        points: float32 (3, N), metres.
        surface: int16 (N,), surface numbers.
        shell: What lies behind the solids.
        solids: What stands in the scene.

    Returns:
        `normals` float32 (3, N), unit, in scene axes, pointing to the free side; `u` and `v` float32 (N,),
        coordinates along the surface in metres.
    """
    normals, u, v = shell.describe(points, surface)
    on_solid = np.nonzero(surface >= shell.count)[0]
    kinds = solids.kind.take(surface.take(on_solid) - shell.count)
    for kind, describe in enumerate(_DESCRIBE):
        pixels = on_solid[kinds == kind]
        if not pixels.size:
            continue
        k = surface.take(pixels) - shell.count
        offset = points.take(pixels, axis=1)
        offset -= solids.centre.T.take(k, axis=1)
        half, cos, sin = solids.half.T.take(k, axis=1), solids.cos.take(k), solids.sin.take(k)
        local = np.stack([cos * offset[0] + sin * offset[1], cos * offset[1] - sin * offset[0], offset[2]])
        normal, u[pixels], v[pixels] = describe(local / half, half, solids.taper.T.take(k, axis=1))
        normals[0, pixels] = cos * normal[0] - sin * normal[1]
        normals[1, pixels] = sin * normal[0] + cos * normal[1]
        normals[2, pixels] = normal[2]
    return normals, u, v


def _box(unit: np.ndarray, half: np.ndarray, _: np.ndarray) -> Described:
    face = np.abs(unit).argmax(0)
    columns = np.arange(unit.shape[1])
    normal = np.zeros_like(unit)
    normal[face, columns] = np.sign(unit[face, columns])
    metres = unit * half
    return normal, np.where(face == 0, metres[1], metres[0]), np.where(face == 2, metres[1], metres[2])


def _tapered(unit: np.ndarray, half: np.ndarray, taper: np.ndarray) -> Described:
    lean = taper * np.float32(0.5)
    outside = np.abs(unit)
    # Signed distances to the planes of the sides, in half extents; the largest one is the face that was hit.
    outside[:2] = (outside[:2] + lean * unit[2] + np.abs(lean) - 1) / np.sqrt(1 + lean * lean)
    outside[2] -= 1
    face = outside.argmax(0)
    columns = np.arange(unit.shape[1])
    normal = np.zeros_like(unit)
    normal[face, columns] = np.sign(unit[face, columns])
    side = np.nonzero(face < 2)[0]
    normal[2, side] = lean[face[side], side]
    normal /= half
    normal /= np.sqrt((normal * normal).sum(0))
    metres = unit * half
    return normal, np.where(face == 0, metres[1], metres[0]), np.where(face == 2, metres[1], metres[2])


def _ellipsoid(unit: np.ndarray, half: np.ndarray, _: np.ndarray) -> Described:
    normal = unit / half
    normal /= np.sqrt((normal * normal).sum(0))
    return normal, np.arctan2(unit[1], unit[0]) * half[0], unit[2] * half[2]


def _cylinder(unit: np.ndarray, half: np.ndarray, _: np.ndarray) -> Described:
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


def _wheel(unit: np.ndarray, half: np.ndarray, taper: np.ndarray) -> Described:
    swap = [0, 2, 1]
    normal, _, _ = _cylinder(unit[swap], half[swap], taper)
    # Polar coordinates, so that patterns make rims and tyres: u runs around, v is the radius.
    radius = np.sqrt((unit[0] * half[0]) ** 2 + (unit[2] * half[2]) ** 2)
    return normal[swap], np.arctan2(unit[2], unit[0]) * half[0], radius


_DESCRIBE = (_box, _ellipsoid, _cylinder, _wheel, _tapered)
