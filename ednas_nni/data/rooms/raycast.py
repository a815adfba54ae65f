"""Nearest hits of a grid of rays, and which points a light reaches."""

from __future__ import annotations

import numpy as np

from ednas_nni.data.rooms.camera import View
from ednas_nni.data.rooms.primitives import HIT, Primitives

FLOOR, CEILING, WALL = 0, 1, 2
SHELL = 6
"""Surface numbers: 0 floor, 1 ceiling, 2..5 walls (x = 0, x = X, y = 0, y = Y), 6 + k solid number k."""


def cast(view: View, room: tuple[float, float, float], solids: Primitives) -> tuple[np.ndarray, np.ndarray]:
    """Find what each ray meets first.

    The room is a closed box around the camera, so that every ray hits something.

    Args:
        view: The rays.
        room: Extents (X, Y, Z) of the room in metres; one corner is the origin.
        solids: What stands in the room.

    Returns:
        ``depth`` float32 (h, w), metres along the optical axis, and ``surface`` int16 (h, w).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        depth, surface = _cast_shell(view, room)
        starts = solids.to_local(view.origin - solids.centre)
        bases, steps_x, steps_y = (solids.to_local(axis) for axis in (view.forward, view.right, view.up))
        for k, (top, bottom, left, right) in _boxes_in_view(view, solids):
            base, step_x, step_y = bases[k], steps_x[k], steps_y[k]
            across, along = view.across[left:right], view.along[top:bottom, None]
            # The camera never rolls, hence step_x has no vertical part and z depends on the row only.
            t = HIT[solids.kind[k]](
                starts[k],
                (base[0] + step_y[0] * along) + step_x[0] * across,
                (base[1] + step_y[1] * along) + step_x[1] * across,
                base[2] + step_y[2] * along,
            )
            window = depth[top:bottom, left:right]
            nearer = t < window
            np.copyto(window, t, where=nearer)
            surface[top:bottom, left:right][nearer] = SHELL + k
    return depth, surface


def _cast_shell(view: View, room: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(view.along), len(view.across))
    depth = np.full(shape, np.inf, np.float32)
    surface = np.zeros(shape, np.int16)
    numbers = ((WALL, WALL + 1), (WALL + 2, WALL + 3), (FLOOR, CEILING))
    for axis in range(3):
        direction = view.forward[axis] + view.up[axis] * view.along[:, None] + view.right[axis] * view.across
        ahead = direction > 0
        t = np.where(ahead, np.float32(room[axis]) - view.origin[axis], -view.origin[axis]) / direction
        nearer = t < depth
        np.copyto(depth, t, where=nearer)
        low, high = numbers[axis]
        np.copyto(surface, np.where(ahead, np.int16(high), np.int16(low)), where=nearer)
    return depth, surface


def _boxes_in_view(view: View, solids: Primitives) -> list[tuple[int, tuple[int, int, int, int]]]:
    """List the solids that may be seen, each with the window of grid cells it can cover."""
    if not len(solids):
        return []
    rows, columns = len(view.along), len(view.across)
    offset = solids.corners() - view.origin
    ahead = offset @ view.forward
    safe = np.maximum(ahead, 1e-3)
    # Cell positions, from the first ray of the grid on, in cells.
    x = (offset @ view.right / safe - view.across[0]) * view.focal
    y = (view.along[0] - offset @ view.up / safe) * view.focal
    left, right = np.floor(x.min(1)).clip(0, columns), np.ceil(x.max(1) + 1).clip(0, columns)
    top, bottom = np.floor(y.min(1)).clip(0, rows), np.ceil(y.max(1) + 1).clip(0, rows)
    # A solid that crosses the image plane projects to anything: test it everywhere.
    crossing = (ahead <= 0.05).any(1)
    left, right = np.where(crossing, 0, left).astype(int), np.where(crossing, columns, right).astype(int)
    top, bottom = np.where(crossing, 0, top).astype(int), np.where(crossing, rows, bottom).astype(int)
    seen = (ahead > 0.05).any(1) & (left < right) & (top < bottom)
    return [(int(k), (int(top[k]), int(bottom[k]), int(left[k]), int(right[k]))) for k in np.nonzero(seen)[0]]


def lit(
    points: np.ndarray, surface: np.ndarray, light: np.ndarray, solids: Primitives, casting: np.ndarray
) -> np.ndarray:
    """Tell which points see the light.

    All solids are convex, hence a point that faces the light is never shadowed by its own solid. Solids are culled
    by the cone that their bounding sphere spans from the light, so that few points need an exact test.

    Args:
        points: float32 (3, N), metres.
        surface: int16 (N,), the surface number each point lies on.
        light: float32 (3,), metres.
        solids: What stands in the room.
        casting: int (M,), the solids that cast a shadow.

    Returns:
        bool (N,).
    """
    visible = np.ones(points.shape[1], bool)
    ray = points - light[:, None]
    distance = np.sqrt((ray * ray).sum(0))
    # A shadow must be thrown from at least 1 cm away, which keeps touching faces clean.
    limit = 1.0 - 0.01 / np.maximum(distance, 0.02)
    starts = solids.to_local(light - solids.centre)
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
            t = HIT[solids.kind[k]](
                starts[k], (cos * x + sin * y) / half[0], (cos * y - sin * x) / half[1], z / half[2]
            )
            hidden = (t < limit[near]) & (surface[near] != SHELL + k)
            visible[near[hidden]] = False
    return visible
