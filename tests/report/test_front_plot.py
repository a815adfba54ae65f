"""Labels of the front plot."""

from __future__ import annotations

import numpy as np
import pytest

from ednas_nni.report.front_plot import place

FRAME = (0.0, 0.0, 1000.0, 560.0)


def overlaps(centres, sizes):
    """Pairs of labels that share area."""
    count = 0
    for i in range(len(centres)):
        for j in range(i):
            apart = np.abs(centres[i] - centres[j])
            count += bool((apart < (sizes[i] + sizes[j]) / 2 - 1e-9).all())
    return count


def crowd(seed, n=14):
    rng = np.random.default_rng(seed)
    points = np.column_stack([np.sort(rng.uniform(60, 900, n)), np.sort(rng.uniform(80, 520, n))])
    points[3] = points[2] + 1  # two networks that are almost the same
    sizes = np.column_stack([rng.uniform(55, 95, n), np.full(n, 11.0)])
    return points, sizes, rng.uniform((60, 80), (900, 400), (60, 2))


@pytest.mark.parametrize("seed", range(8))
def test_labels_do_not_overlap_and_stay_inside(seed):
    points, sizes, dots = crowd(seed)
    centres = place(points, sizes, FRAME, dots)
    assert overlaps(centres, sizes) == 0
    assert (centres - sizes / 2 >= 0).all() and (centres + sizes / 2 <= FRAME[2:]).all()


def test_labels_without_repelling_are_rejected():
    """The same check fails for labels that are simply written above their points."""
    assert any(overlaps(points + np.array([0, 12]), sizes) for points, sizes, _ in map(crowd, range(8)))


def test_labels_stay_near_their_points():
    points, sizes, dots = crowd(1)
    centres = place(points, sizes, FRAME, dots)
    gap = np.hypot(*np.maximum(np.abs(centres - points) - sizes / 2, 0).T)
    assert gap.max() < 110 and np.median(gap) < 25


def test_no_labels():
    assert place(np.zeros((0, 2)), np.zeros((0, 2)), FRAME, np.zeros((0, 2))).shape == (0, 2)
