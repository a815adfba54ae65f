"""The robust bounded fit, its threshold inside each fold, and the ensemble; on data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from edge_tpu_fit.fit import Model, bootstrap, fit, leave_one_out
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from devices.calibrated.correction import bounded_relative_fit


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_plain_fit_equals_another_solver(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(9, 4)) + 0.5, rng.uniform(1, 5, 9)
    lower = rng.uniform(0, 0.5, 4)
    ours, loss = bounded_relative_fit(x, y, lower, np.inf)
    other = lsq_linear(x / y[:, None], np.ones(9), (lower, np.inf), tol=1e-12)
    assert (ours >= lower).all()
    assert loss == pytest.approx(2 * other.cost / 9, abs=1e-7)


def test_known_coefficients_are_recovered_across_scales():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 1, (20, 3)) * [1e9, 1.0, 1e-3]
    truth = np.array([2e-9, 0.0, 4e3])
    np.testing.assert_allclose(bounded_relative_fit(x, x @ truth, np.zeros(3))[0], truth, rtol=1e-6, atol=1e-12)


def test_a_bound_holds_although_the_data_want_less():
    x = np.array([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]])
    coefficients, _ = bounded_relative_fit(x, x @ [0.5, 2.0], np.array([1.0, 0.0]))
    assert coefficients[0] == pytest.approx(1.0)


def test_one_wrong_row_moves_a_robust_fit_little_and_a_plain_one_much():
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.uniform(1, 100, 20), np.ones(20)])
    y = x @ [2.0, 1.0]
    y[0] /= 4
    robust, plain = (bounded_relative_fit(x, y, np.zeros(2), tolerance)[0][0] for tolerance in (0.1, np.inf))
    assert robust == pytest.approx(2.0, rel=0.03)
    assert plain != pytest.approx(2.0, rel=0.1)


def test_non_positive_measurements_are_refused():
    with pytest.raises(ValueError, match="positive"):
        bounded_relative_fit(np.ones((2, 1)), np.array([1.0, 0.0]), np.zeros(1))
    with pytest.raises(ValueError, match="threshold"):
        fit(lambda _: np.ones((2, 1)), np.ones(2), np.zeros(1), [])


# ------------------------------------------------------------------ threshold and held-out rows
SIZES = np.array([1.0, 2.0, 3.0, 5.0, 6.0, 8.0, 9.0, 12.0])
GRID = (2.0, 4.0, 6.0)


def design(threshold):
    return np.column_stack([np.maximum(0, SIZES - threshold), np.ones(len(SIZES))])


def test_the_threshold_of_the_data_is_found():
    for truth in GRID:
        model = fit(design, design(truth) @ [1.5, 1.0], np.zeros(2), GRID)
        assert model.threshold == truth
        np.testing.assert_allclose(model.coefficients, [1.5, 1.0], rtol=1e-6)


def seen_through_threshold(held_out):
    """Whether the prediction of a row changes when only that row's own measurement does."""
    measured = design(4.0) @ [1.5, 1.0]
    measured[:3] *= [1.03, 0.98, 1.02]
    moved = []
    for row in range(len(SIZES)):
        for factor in (0.1, 10.0):
            changed = measured.copy()
            changed[row] *= factor
            before, after = held_out(measured)[row], held_out(changed)[row]
            moved.append(before != pytest.approx(after, rel=1e-9))
    return any(moved)


def shared_threshold(measured):
    """A broken leave-one-out: the threshold is chosen once, from all rows."""
    chosen = fit(design, measured, np.zeros(2), GRID).threshold
    return leave_one_out(design, measured, np.zeros(2), [chosen])[0]


def test_a_held_out_row_chooses_neither_coefficients_nor_threshold():
    assert not seen_through_threshold(lambda measured: leave_one_out(design, measured, np.zeros(2), GRID)[0])
    assert seen_through_threshold(shared_threshold)


def test_models_of_held_out_rows_are_returned():
    predicted, models = leave_one_out(design, design(4.0) @ [1.5, 1.0], np.zeros(2), GRID)
    assert len(models) == len(SIZES) and all(isinstance(model, Model) for model in models)
    np.testing.assert_allclose(predicted, design(4.0) @ [1.5, 1.0], rtol=1e-5)


# ------------------------------------------------------------------ ensemble
def noisy(seed, n=40):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.uniform(1, 10, n), np.ones(n)])
    return x, x @ [2.0, 1.0] * np.exp(rng.normal(0, 0.1, n))


def covered(ratios, seeds=8):
    """Share of fresh rows at or under their upper 90 % bound."""
    hits = []
    for seed in range(seeds):
        x, y = noisy(seed)
        ensemble = bootstrap(lambda _, x=x: x, y, np.zeros(2), [0.0], 60, seed)
        fresh, truth = noisy(1000 + seed)
        draws = fresh @ ensemble.coefficients.T * ratios(ensemble)
        hits.append(truth <= np.quantile(draws, 0.9, axis=1))
    return np.mean(hits)


def test_the_bound_covers_what_it_says_and_coefficients_alone_do_not():
    assert 0.85 <= covered(lambda ensemble: ensemble.ratios) <= 0.96
    assert covered(lambda ensemble: np.ones(60)) < 0.8


def test_draws_repeat_and_keep_the_size_of_each_group():
    x, y = noisy(0, 12)
    groups = ["a"] * 10 + ["b"] * 2
    one, two = (bootstrap(lambda _: x, y, np.zeros(2), [0.0], 5, 3, groups) for _ in range(2))
    assert np.array_equal(one.coefficients, two.coefficients) and np.array_equal(one.ratios, two.ratios)
    other = bootstrap(lambda _: x, y, np.zeros(2), [0.0], 5, 4, groups)
    assert not np.array_equal(one.coefficients, other.coefficients)
    # A group of one row is in every draw, so nothing is known about its error: its ratio is 1.
    alone = bootstrap(lambda _: x, y, np.zeros(2), [0.0], 12, 0, [*groups[:-1], "c"])
    assert 1.0 in alone.ratios
