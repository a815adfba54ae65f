"""Nearest hits of a view's rays.

A solid that covers many rays is tested by itself, on the window of the grids that its bounding box can cover. The
many solids that cover few rays are tested together, one array per kind of solid, for numpy's overhead per call would
exceed the arithmetic.
"""

from __future__ import annotations

import numpy as np

from scenes.render.camera import View
from scenes.render.primitives import HIT, Primitives
from scenes.render.shell import Shell

_FEW_RAYS = 600
"""Solids that cover fewer rays of both grids than this are tested together."""

_NEAREST_M = 0.02
"""What is nearer to the image plane is cut off; hits begin a little beyond (`primitives.NEAR`)."""

_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1])
"""The twelve edges of a box, as pairs of its corners."""


def cast(view: View, shell: Shell, solids: Primitives) -> tuple[np.ndarray, np.ndarray]:
    """Find what each ray meets first; of two equally near things the one with the lower surface number.

    Args:
        view: The rays.
        shell: What lies behind the solids.
        solids: What stands in the scene.

    Returns:
        `depth` float32 (2, H + 1, W + 1), metres along the optical axis, and `surface` int16 of the same shape:
        the shell's surfaces, then one number per solid.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        depth, surface = shell.cast(view)
        number, windows = _windows(view, solids)
        if not number.size:
            return depth, surface
        seen = _Seen(view, solids, number)
        top, bottom, left, right = windows.T
        rays = 2 * (bottom - top) * (right - left)
        for n in np.nonzero(rays >= _FEW_RAYS)[0].tolist():
            _cast_one(view, seen, n, windows[n].tolist(), shell.count, depth, surface)
        few = rays < _FEW_RAYS
        for kind in range(len(HIT)):
            together = np.nonzero(few & (seen.kind == kind))[0]
            if together.size:
                _cast_many(view, seen, together, windows, shell.count, depth, surface)
    return depth, surface


class _Seen:
    """The solids in view, in their own frames: rays start at `start` and go along `base + a step_x + b step_y`."""

    def __init__(self, view: View, solids: Primitives, number: np.ndarray) -> None:
        self.number = number
        self.kind = solids.kind[number]
        start = solids.to_local(view.origin - solids.centre)
        self.start = start[number]
        self.constants = solids.constants(start)[number]
        self.base = solids.to_local(view.forward)[number]
        self.step_x = solids.to_local(view.right)[number]
        self.step_y = solids.to_local(view.up)[number]


def _cast_one(
    view: View, seen: _Seen, n: int, window: list[int], first: int, depth: np.ndarray, surface: np.ndarray
) -> None:
    top, bottom, left, right = window
    across, along = view.across[:, :, left:right], view.along[:, top:bottom]
    base, step_x, step_y = seen.base[n], seen.step_x[n], seen.step_y[n]
    # The camera never rolls, hence step_x has no vertical part and z depends on the row only.
    way = (
        (base[0] + step_y[0] * along) + step_x[0] * across,
        (base[1] + step_y[1] * along) + step_x[1] * across,
        base[2] + step_y[2] * along,
    )
    t = HIT[seen.kind[n]](seen.start[n], way, seen.constants[n])
    part = depth[:, top:bottom, left:right]
    nearer = t < part
    np.copyto(part, t, where=nearer)
    surface[:, top:bottom, left:right][nearer] = first + seen.number[n]


def _cast_many(
    view: View, seen: _Seen, chosen: np.ndarray, windows: np.ndarray, first: int, depth: np.ndarray, surface: np.ndarray
) -> None:
    """Test solids of one kind together, as a list of (solid, ray) pairs."""
    chosen = chosen[::-1]  # so that of equally near solids the one with the lowest number is written last
    index = np.arange(depth.size, dtype=np.int32).reshape(depth.shape)
    cells = [index[:, top:bottom, left:right].ravel() for top, bottom, left, right in windows[chosen].tolist()]
    rays = [len(c) for c in cells]
    cell = np.concatenate(cells)

    def per_pair(values: np.ndarray) -> np.ndarray:
        return np.repeat(values[chosen].T, rays, axis=-1)

    across = np.broadcast_to(view.across, depth.shape).ravel().take(cell)
    along = np.broadcast_to(view.along, depth.shape).ravel().take(cell)
    base, step_x, step_y = per_pair(seen.base), per_pair(seen.step_x), per_pair(seen.step_y)
    way = (
        (base[0] + step_y[0] * along) + step_x[0] * across,
        (base[1] + step_y[1] * along) + step_x[1] * across,
        base[2] + step_y[2] * along,
    )
    t = HIT[seen.kind[chosen[0]]](per_pair(seen.start), way, per_pair(seen.constants))
    flat_depth, flat_surface = depth.reshape(-1), surface.reshape(-1)
    hit = np.nonzero(t <= flat_depth.take(cell))[0]
    place, t = cell[hit], t[hit]
    owner = per_pair((first + seen.number).astype(np.int16))[hit]
    # Numpy keeps the last of several values written to one place, so each round settles at least one solid per ray.
    while place.size:
        near = flat_depth[place]
        closer = (t < near) | ((t == near) & (owner < flat_surface[place]))
        place, t, owner = place[closer], t[closer], owner[closer]
        flat_depth[place], flat_surface[place] = t, owner


def _windows(view: View, solids: Primitives) -> tuple[np.ndarray, np.ndarray]:
    """Return the solids that may be seen, int (M,), and the grid cells each can cover, int (M, 4)."""
    if not len(solids):
        return np.empty(0, int), np.empty((0, 4), int)
    offset = (solids.corners() - view.origin) @ np.stack([view.right, view.up, view.forward], -1)
    ahead = (offset[..., 2] > _NEAREST_M).sum(1)
    seen = np.nonzero(ahead)[0]
    points = offset[seen]
    crossing = np.nonzero(ahead[seen] < 8)[0]
    low, high = np.empty((len(seen), 2), np.float32), np.empty((len(seen), 2), np.float32)
    scaled = points[..., :2] / np.maximum(points[..., 2:], _NEAREST_M)
    low[:], high[:] = scaled.min(1), scaled.max(1)
    if crossing.size:
        low[crossing], high[crossing] = _clipped_bounds(points[crossing])
    _, rows, columns = view.shape
    # Positions in pixels from the first corner on; a pixel centre lies half a pixel further.
    left, right = ((bound - view.across[1, 0, 0]) * view.focal for bound in (low[:, 0], high[:, 0]))
    top, bottom = ((view.along[1, 0, 0] - bound) * view.focal for bound in (high[:, 1], low[:, 1]))
    left, right = np.floor(left - 0.5).clip(0, columns), np.ceil(right + 1).clip(0, columns)
    top, bottom = np.floor(top - 0.5).clip(0, rows), np.ceil(bottom + 1).clip(0, rows)
    inside = (left < right) & (top < bottom)
    return seen[inside], np.stack([top, bottom, left, right], -1)[inside].astype(int)


def _clipped_bounds(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds, at depth 1, of the parts of boxes that lie ahead of the camera.

    Args:
        corners: float32 (M, 8, 3), in the order of `Primitives.corners`, camera axes (right, up, forward).

    Returns:
        Lowest and highest (right, up), each float32 (M, 2).
    """
    begin, end = corners[:, _EDGES[:, 0]], corners[:, _EDGES[:, 1]]
    rise = end[..., 2:] - begin[..., 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (np.float32(_NEAREST_M) - begin[..., 2:]) / rise
        cuts = begin + share * (end - begin)
    cuts[..., 2] = np.where((share[..., 0] > 0) & (share[..., 0] < 1), np.float32(_NEAREST_M), 0)
    points = np.concatenate([corners, cuts], 1)
    ahead = points[..., 2:] >= _NEAREST_M
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = points[..., :2] / points[..., 2:]
    low = np.where(ahead, scaled, np.float32(np.inf)).min(1)
    high = np.where(ahead, scaled, np.float32(-np.inf)).max(1)
    # Rounding is magnified this close to the camera.
    margin = np.float32(0.01) + np.float32(1e-3) * np.maximum(np.abs(low), np.abs(high))
    return low - margin, high + margin
