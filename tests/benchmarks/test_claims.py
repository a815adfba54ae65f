"""Statistics of the claims: an effect that is there is found with its size, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from claims import depth_loss_tables as s4

SEEDS = range(1000, 1012)


def trainings(within, between, bias=0.0, draw=0):
    """Rows of l1 and jared whose scores scatter in a run and between seeds as told, jared's by a factor."""
    rng = np.random.default_rng(draw)
    rows = []
    for arm, inside, seeds, shift in (("l1", 1, 1, 0.0), ("jared", within, between, bias)):
        for seed in SEEDS:
            level = 0.3 * (1 + shift + 0.05 * seeds * rng.standard_normal())
            curve = level + 0.01 * inside * rng.standard_normal(20)
            curve[-1] = level  # so that the two kinds of scatter can be told apart
            curves = {name: (np.linspace(0.1, 0, 20) + curve).tolist() for name in (*s4.NOISY, "default")}
            rows.append({"world": "w", "part": "primary", "arm": arm, "seed": seed, "curves": curves})
    return rows


def ratios(rows):
    l1, jared, n = s4.paired(rows, "jared")
    assert n == len(SEEDS)
    name = "depth_rel_error"
    return s4.ratio(s4.scatter(l1[name]), s4.scatter(jared[name])), s4.between(l1[name][:, -1], jared[name][:, -1])


def test_scatter_halved_in_a_run_and_between_seeds_is_found():
    (within, p_within), (between, p_between) = ratios(trainings(0.5, 0.3))
    assert within.low < 0.5 < within.high < 1 and p_within < 0.01
    assert between.low < 0.3 < between.high < 1 and p_between < 0.05
    assert "**" in s4.tables(trainings(0.5, 0.3))


def test_equal_arms_are_called_different_about_as_often_as_the_level_says():
    p = np.array([[p for _, p in ratios(trainings(1, 1, draw=draw))] for draw in range(200)])
    assert (p < 0.05).mean(axis=0) == pytest.approx(0.05, abs=0.04)


def test_a_drift_of_the_scores_is_not_taken_for_scatter():
    rows = trainings(1, 1)
    for row in rows:
        if row["arm"] == "jared":
            for curve in row["curves"].values():
                curve[:] = (np.array(curve) - np.linspace(0, 1, 20)).tolist()
    assert ratios(rows)[0][0].value == pytest.approx(ratios(trainings(1, 1))[0][0].value, rel=1e-6)
    drifting = np.array(rows[-1]["curves"]["depth_rel_error"])[-s4.LAST :]
    assert drifting.std(ddof=1) > 5 * s4.scatter(drifting[None])[0]  # the plain deviation would not have passed


def test_holm_never_falls_and_is_bonferroni_for_the_smallest():
    assert s4.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert s4.holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_better_arm_gains_delta_t_in_the_right_direction():
    l1, jared, _ = s4.paired(trainings(1, 1e-9, bias=-0.1), "jared")  # every figure a tenth lower
    worse_miou, better_rest = -1, 2
    assert jared["delta_t"][:, -1].mean() == pytest.approx(10 / 3 * (better_rest + worse_miou), abs=1.5)
    assert l1["delta_t"][:, -1].mean() == pytest.approx(0, abs=1e-9)
