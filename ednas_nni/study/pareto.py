"""Fronts, hypervolume and crowding. Pure numpy; the hypervolume is moocore's (exact)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ednas_nni.errors import StudyError
from ednas_nni.study.objectives import DIRECTIONS


def oriented(points: ArrayLike, directions: Sequence[str]) -> NDArray[np.float64]:
    """Points with every axis turned to smaller-is-better.

    Args:
        points: (n, k), or (k,) for one point; finite.
        directions: "max" or "min" for each of the k axes.

    Returns:
        (n, k) float64; a maximised axis has its sign changed.

    Raises:
        StudyError: Wrong number of axes, an unknown direction, or a value that is not finite.
    """
    array = np.atleast_2d(np.asarray(points, dtype=np.float64))
    if array.size == 0:
        array = array.reshape(0, len(directions))
    unknown = [direction for direction in directions if direction not in DIRECTIONS]
    if unknown or array.shape[1] != len(directions):
        raise StudyError(
            f"points have shape {array.shape} and directions {tuple(directions)}: give one of 'max' or 'min' per axis."
        )
    if not np.isfinite(array).all():
        raise StudyError("points hold NaN or infinity: a failed trial has no place on a front; leave it out.")
    return array * np.where([direction == "max" for direction in directions], -1.0, 1.0)


def front(points: ArrayLike, directions: Sequence[str], tolerance: ArrayLike = 0.0) -> NDArray[np.intp]:
    """Indices of the points that nothing dominates, in ascending order.

    Args:
        points: (n, k), finite. Equal points all stay.
        directions: "max" or "min" per axis.
        tolerance: Noise of each axis in its own unit, scalar or (k,), >= 0. With a tolerance a point is left out
            only if another one is at least as good on every axis and better by more than the tolerance on every
            axis whose tolerance is positive: a lead within the noise proves nothing.

    Returns:
        (m,) indices, m <= n.
    """
    values = oriented(points, directions)
    margin = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), (values.shape[1],))
    if (margin < 0).any():
        raise StudyError(f"tolerance is {tolerance!r}; it must be >= 0 on every axis.")
    beaten = _beaten_of_two(values, margin) if values.shape[1] == 2 else _beaten(values, margin)
    return np.flatnonzero(~beaten)


def _beaten(values: NDArray[np.float64], margin: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the points (n, k), smaller is better, another one removes from the front; O(n^2) in time."""
    noisy = margin > 0
    beaten = np.zeros(len(values), dtype=bool)
    for index, point in enumerate(values):  # row by row: memory stays linear in n
        lead = point - values  # how much every other point is better
        at_least = (lead >= 0).all(axis=1)
        beats = (lead > margin)[:, noisy].all(axis=1) if noisy.any() else (lead > 0).any(axis=1)
        beaten[index] = (at_least & beats).any()
    return beaten


def _beaten_of_two(values: NDArray[np.float64], margin: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The same for two axes, in O(n log n).

    Sorted by the first axis, whoever is better there stands before, so a point is beaten exactly when the lowest second
    value among those before it is low enough. Example, both axes smaller-is-better, no tolerance: sorted points (1, 5),
    (2, 3), (3, 4), (4, 1) have the lowest second values before them inf, 5, 3, 3; only (3, 4) meets one that is not
    above its own, 3 <= 4, and is beaten, by (2, 3).
    """
    order = np.argsort(values[:, 0], kind="stable")
    first, second = values[order].T
    lowest = np.concatenate([[np.inf], np.minimum.accumulate(second)])  # of the first 0, 1, ... n points
    level = lowest[np.searchsorted(first, first, side="right")]  # of those that are no worse on the first axis
    ahead = lowest[_ahead(first.tolist(), float(margin[0]))]  # of those that are better there by more than the margin
    if not (margin > 0).any():
        in_order = (ahead <= second) | (level < second)
    else:
        best = ahead if margin[0] > 0 else level
        in_order = second - best > margin[1] if margin[1] > 0 else best <= second
    beaten = np.zeros(len(values), dtype=bool)
    beaten[order] = in_order
    return beaten


def _ahead(ascending: list[float], margin: float) -> list[int]:
    """How many of the sorted values are smaller than each by more than a margin; differences are rounded, as above."""
    counts, count = [], 0
    for value in ascending:
        while value - ascending[count] > margin:
            count += 1
        counts.append(count)
    return counts


def hypervolume(points: ArrayLike, reference: ArrayLike, directions: Sequence[str]) -> float:
    """Volume that the points dominate up to a reference point.

    Args:
        points: (n, k), finite; points that do not beat the reference add nothing. No points: 0.
        reference: (k,) in the points' own units, e.g. quality 0 at the latency limit.
        directions: "max" or "min" per axis.

    Returns:
        The volume in the product of the axes' units, >= 0. Never shrinks when a point is added.
    """
    values = oriented(points, directions)
    limit = oriented(reference, directions)[0]
    values = values[(values < limit).all(axis=1)]
    if not len(values):
        return 0.0
    import moocore  # a tenth of a second to import, needed by reports and benchmarks only

    return float(moocore.hypervolume(values, ref=limit))


def hypervolumes(points: ArrayLike, reference: ArrayLike, directions: Sequence[str]) -> list[float]:
    """As `hypervolume`, after the first, the second, ... of n points; only a point that adds something is computed."""
    values, limit = oriented(points, directions), oriented(reference, directions)[0]
    front, low, volumes = values[:0], ["min"] * len(limit), [0.0]
    for point in values:
        volumes.append(volumes[-1])
        if (point < limit).all() and not (front <= point).all(axis=1).any():
            front = np.vstack([front[~(point <= front).all(axis=1)], point])
            volumes[-1] = hypervolume(front, limit, low)
    return volumes[1:]


def crowding(points: ArrayLike, directions: Sequence[str]) -> NDArray[np.float64]:
    """Crowding distance of each point among its neighbours (Deb et al., NSGA-II, 2002).

    Args:
        points: (n, k), finite, usually one front.
        directions: "max" or "min" per axis.

    Returns:
        (n,) float64 >= 0; infinity at the ends of each axis. Axes are scaled by their range.
    """
    values = oriented(points, directions)
    distance = np.zeros(len(values))
    if len(values) <= 2:
        return np.full(len(values), np.inf)
    for axis in values.T:
        order = np.argsort(axis, kind="stable")
        spread = axis[order[-1]] - axis[order[0]]
        distance[order[0]] = distance[order[-1]] = np.inf
        if spread > 0:
            distance[order[1:-1]] += (axis[order[2:]] - axis[order[:-2]]) / spread
    return distance
