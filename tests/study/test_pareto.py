from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ednas_nni.errors import StudyError
from ednas_nni.study import pareto

AXES = ("max", "min")
POINTS = arrays(np.float64, st.tuples(st.integers(1, 20), st.just(2)), elements=st.integers(0, 8).map(float))
REFERENCE = (-1.0, 9.0)


def naive_front(points, broken=False):
    """Ten-line reference; `broken` forgets that quality is maximised."""
    turned = [(p[0] if broken else -p[0], p[1]) for p in points]
    return [i for i, p in enumerate(turned) if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in turned)]


@given(POINTS)
def test_front_agrees_with_the_reference(points):
    assert pareto.front(points, AXES).tolist() == naive_front(points)


def test_the_property_rejects_a_front_of_the_wrong_direction():
    points = np.array([[0.9, 2.0], [0.5, 3.0], [0.1, 2.0]])
    assert pareto.front(points, AXES).tolist() == [0]
    assert naive_front(points, broken=True) != [0]


@given(POINTS, st.floats(0, 4))
def test_a_tolerance_only_adds_points_and_never_empties_the_front(points, tolerance):
    strict, wide = pareto.front(points, AXES), pareto.front(points, AXES, (tolerance, 0.0))
    assert len(wide) > 0 and set(strict) <= set(wide)


SCALED = st.sampled_from([1.0, 0.1, 1 / 3])
MARGIN = st.sampled_from([0.0, 0.1, 0.3, 1.0, 2.0])


@given(POINTS, SCALED, st.tuples(MARGIN, MARGIN))
def test_two_axes_are_judged_as_any_number_is(points, scale, tolerance):
    """Sorting instead of comparing all pairs; ties, and leads that equal the tolerance up to rounding, included."""
    values, margin = points * scale, np.array(tolerance)
    assert (pareto._beaten_of_two(values, margin) == pareto._beaten(values, margin)).all()


def test_the_comparison_rejects_a_margin_that_is_rounded_otherwise(monkeypatch):
    monkeypatch.setattr(pareto, "_ahead", lambda rising, margin: np.searchsorted(rising, np.array(rising) - margin))
    pairs = [np.array([[a * 0.1, 0.0], [b * 0.1, 0.0]]) for a in range(20) for b in range(20)]
    margin = np.array([0.1, 0.0])
    assert any((pareto._beaten_of_two(pair, margin) != pareto._beaten(pair, margin)).any() for pair in pairs)


def test_a_lead_within_the_noise_does_not_remove_a_neighbour():
    points = [[0.500, 5.0], [0.505, 4.9], [0.40, 5.1]]
    assert pareto.front(points, AXES).tolist() == [1]
    assert pareto.front(points, AXES, (0.01, 0.0)).tolist() == [0, 1]


def brute_hypervolume(points):
    """Count unit cells of an integer grid."""
    total = 0
    for q in range(-1, 8):
        for t in range(0, 9):
            total += any(p[0] >= q + 1 and p[1] <= t for p in points)
    return float(total)


@settings(deadline=None)
@given(POINTS)
def test_hypervolume_counts_the_dominated_cells(points):
    assert pareto.hypervolume(points, REFERENCE, AXES) == pytest.approx(brute_hypervolume(points))


@settings(deadline=None)
@given(POINTS, st.tuples(st.floats(-2, 10), st.floats(-2, 10)))
def test_hypervolume_never_shrinks(points, more):
    before = pareto.hypervolume(points, REFERENCE, AXES)
    assert pareto.hypervolume(np.vstack([points, more]), REFERENCE, AXES) >= before - 1e-9


@settings(deadline=None, max_examples=30)
@given(arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 5)), elements=st.integers(0, 8).map(float)))
def test_hypervolumes_are_those_of_the_prefixes(points):
    axes, reference = ["min"] * points.shape[1], np.full(points.shape[1], 7.0)
    prefixes = [pareto.hypervolume(points[: n + 1], reference, axes) for n in range(len(points))]
    assert pareto.hypervolumes(points, reference, axes) == pytest.approx(prefixes)


def test_edges():
    assert pareto.hypervolume([], REFERENCE, AXES) == 0.0
    assert pareto.front(np.zeros((0, 2)), AXES).tolist() == []
    assert np.isinf(pareto.crowding([[1, 1], [2, 2]], AXES)).all()
    assert pareto.crowding([[0, 0], [1, 1], [3, 3], [4, 4]], AXES)[1] == pytest.approx(1.5)


@pytest.mark.parametrize("points", [[[np.nan, 1.0]], [[1.0, 2.0, 3.0]]])
def test_failed_trials_and_wrong_shapes_are_refused(points):
    with pytest.raises(StudyError):
        pareto.front(points, AXES)
