"""The model behind the default strategy: predictions and expected gain against independent calculations."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ednas_nni.testing.synthetic import Synthetic
from strategies.surrogate import Surrogate, expected_gain


def hypervolume(points: list[tuple[float, float]], floor: float, limit: float) -> float:
    """Area under the best quality as a function of cost, above `floor` and left of `limit`: ten lines, no library."""
    area = 0.0
    costs = sorted({cost for _, cost in points if cost < limit} | {limit})
    for left, right in pairwise(costs):
        best = max((quality for quality, cost in points if cost <= left), default=floor)
        area += (right - left) * max(0.0, best - floor)
    return area


def sampled_gain(mean, spread, cost, known, known_cost, limit, draws=40_000, seed=0):
    rng = np.random.default_rng(seed)
    floor = min(known.min(), (mean - spread).min())
    points = list(zip(known, known_cost, strict=True))
    before = hypervolume(points, floor, limit)
    found = []
    for m, s, c in zip(mean, spread, cost, strict=True):
        qualities = np.quantile(rng.normal(m, s, draws), (np.arange(200) + 0.5) / 200)
        found.append(np.mean([hypervolume([*points, (q, c)], floor, limit) - before for q in qualities]))
    return np.array(found)


CASE = {
    "mean": np.array([0.30, 0.35, 0.10, 0.28]),
    "spread": np.array([0.02, 0.05, 0.01, 0.001]),
    "cost": np.array([6.0, 8.5, 9.0, 5.0]),
    "known": np.array([0.20, 0.25, 0.31, 0.22]),
    "known_cost": np.array([5.5, 7.0, 9.5, 8.0]),
    "limit": 10.0,
}


def test_expected_gain_is_the_mean_growth_of_the_hypervolume() -> None:
    assert expected_gain(**CASE) == pytest.approx(sampled_gain(**CASE), rel=0.05, abs=2e-4)


def test_the_check_rejects_a_gain_that_ignores_the_cost() -> None:
    blind = expected_gain(**{**CASE, "cost": np.full(4, 5.0)})
    assert blind != pytest.approx(sampled_gain(**CASE), rel=0.05, abs=2e-4)


def test_no_gain_where_the_front_is_far_above() -> None:
    gain = expected_gain(
        np.array([0.1]), np.array([1e-3]), np.array([9.0]), np.array([0.5]), np.array([5.0]), 10.0
    )
    assert gain == pytest.approx([0.0], abs=1e-9)


def test_predictions_follow_the_landscape_better_than_the_mean() -> None:
    world = Synthetic(seed=3, noise=0.0)
    problem = world.problem(constraints=())
    rng = np.random.default_rng(0)
    samples = [world.domains.random(rng) for _ in range(90)]
    values = np.array([world.quality(sample) for sample in samples])
    model = Surrogate(problem)
    model.fit(samples[:60], values[:60])
    mean, spread = model.predict(samples[60:])
    assert np.corrcoef(mean, values[60:])[0, 1] > 0.7
    assert np.mean((mean - values[60:]) ** 2) < 0.6 * values[60:].var()
    assert (spread > 0).all()
    near, _ = model.predict(samples[:60])
    assert np.corrcoef(near, values[:60])[0, 1] > 0.9


def test_inactive_choices_do_not_matter() -> None:
    world = Synthetic(seed=0, noise=0.0)
    rng = np.random.default_rng(1)
    samples = [world.domains.random(rng) for _ in range(12)]
    model = Surrogate(world.problem(constraints=()))
    model.fit(samples, [world.quality(s) for s in samples])
    shallow = world.domains.canonical({**samples[0], "stage1_depth": 1})
    label = "stage1_block2_op"
    other = {**shallow, label: world.domains[label].values[-1]}
    assert model.predict([world.domains.canonical(other)])[0] == model.predict([shallow])[0]
