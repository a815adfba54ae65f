"""Rank agreement against SciPy, the bootstrap against brute force, the ceiling against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from evidence.trust import ranks

VALUES = st.integers(4, 15).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-5, 5), min_size=n, max_size=n) for _ in range(2)])
)


def everyone(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((n, n), bool), np.ones((1, n))


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_tau_is_scipys_with_ties(drawn: tuple[list[int], list[int]]) -> None:
    x, y = map(np.array, drawn)
    found = ranks.tau(ranks.agreement(x, y), *everyone(len(x)))[0]
    expected = kendalltau(x, y).statistic
    assert found == pytest.approx(expected, nan_ok=True)


def test_within_groups_is_scipys_over_pairs_of_a_group() -> None:
    """Without ties, tau over pairs of groups is the mean of the groups' taus, weighted by their pairs."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 14))
    groups = np.array([0] * 5 + [1] * 6 + [-1] * 3)
    found = ranks.tau(ranks.agreement(x, y), ranks.same_group(groups), np.ones((1, 14)))[0]
    taus = [kendalltau(x[groups == g], y[groups == g]).statistic for g in (0, 1)]
    assert found == pytest.approx(np.average(taus, weights=[10, 15]))


def test_several_trainings_give_the_mean_of_their_taus() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(3, 12)), rng.normal(size=12)
    found = ranks.tau(ranks.agreement(x, y), *everyone(12))[0]
    assert found == pytest.approx(np.mean([kendalltau(row, y).statistic for row in x]))


def test_resampling_leaves_pairs_of_the_same_architecture_out() -> None:
    """A repeated architecture is no pair: a perfect order stays perfect in every resample."""
    x = np.arange(9.0)
    groups = np.repeat([0, 1, 2], 3)
    weights = ranks.resampled(groups, resamples=200)
    found = ranks.tau(ranks.agreement(x, x), ranks.same_group(groups), weights)
    assert np.nanmin(found) == pytest.approx(1.0)
    assert (weights[:, :3].sum(axis=1) == 3).all(), "each group keeps its size"
    # The broken variant: repeated values as new architectures of their own are ties, which draw tau-a below 1.
    rows = [np.repeat(x, w.astype(int)) for w in weights[1:]]
    naive = [((np.sign(r[:, None] - r)) ** 2).sum() / (len(r) * (len(r) - 1)) for r in rows]
    assert np.mean(naive) < 0.95


def test_the_interval_covers() -> None:
    """About 95 % of the intervals hold the true value (bivariate normal, tau = 2/pi asin r)."""
    rng = np.random.default_rng(3)
    r, true, inside = 0.6, 2 / np.pi * np.arcsin(0.6), 0
    for trial in range(200):
        x = rng.normal(size=40)
        y = r * x + np.sqrt(1 - r * r) * rng.normal(size=40)
        groups = np.zeros(40, int)
        weights = ranks.resampled(groups, seed=trial, resamples=400)
        low, high = ranks.interval(ranks.tau(ranks.agreement(x, y), ranks.same_group(groups), weights)[1:])
        inside += low <= true <= high
    assert 0.88 <= inside / 200 <= 0.99


@pytest.mark.parametrize("of_seed", [0.0, 1.0], ids=["", "a seed moves all alike"])
def test_the_ceiling_is_what_a_faultless_proxy_reaches(of_seed: float) -> None:
    """Two noisy measurements of the same truth agree, in the mean, as the ceiling says."""
    rng = np.random.default_rng(4)
    taus, ceilings = [], []
    for _ in range(150):
        true = rng.normal(size=48)
        proxy = true + 0.7 * rng.normal(size=(2, 48)) + of_seed * rng.normal(size=(2, 1))
        longer = true + 0.4 * rng.normal(size=(2, 48)) + of_seed * rng.normal(size=(2, 1))
        groups = np.zeros(48, int)
        taus.append(ranks.tau(ranks.agreement(proxy, longer.mean(axis=0)), *everyone(48))[0])
        pair = (ranks.reliability(proxy, groups, 1), ranks.reliability(longer, groups, 2))
        ceilings.append(ranks.ceiling(pair))
    assert np.mean(ceilings) == pytest.approx(np.mean(taus), abs=0.02)
    assert np.mean(ceilings) < 0.8, "noise lowers it"


def test_reliability_without_any_difference_is_nothing() -> None:
    rng = np.random.default_rng(5)
    found = [ranks.reliability(rng.normal(size=(2, 30)), np.zeros(30, int), 1) for _ in range(50)]
    assert np.mean(found) < 0.15
    assert ranks.ceiling([0.0, 1.0]) == 0
    assert ranks.noise(np.array([[0.0, 1.0], [2.0, 1.0]])) == pytest.approx(1.0)
