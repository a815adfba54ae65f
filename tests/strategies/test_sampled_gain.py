"""Expected growth with any number of objectives, against exact hypervolumes of many draws; and what it is worth."""

from __future__ import annotations

import moocore
import numpy as np
import pytest

from ednas_nni.study.objectives import parse_objective
from ednas_nni.testing.strategies import check_core
from ednas_nni.testing.synthetic import Synthetic
from strategies import surrogate
from strategies.evolution import Evolution
from strategies.surrogate import sampled_gain

AXES = [(1, 0), (1, 2), (2, 1), (2, 2)]  # measured, known


def exact(mean, spread, costs, trained, draws=80):
    """Mean growth of the exact hypervolume over draws of what is measured."""
    k = trained.shape[1]
    volume = lambda points: moocore.hypervolume(-points, ref=np.zeros(k))  # noqa: E731
    before, normal = volume(trained), np.random.default_rng(1).standard_normal((draws, mean.shape[1]))
    rows = [np.hstack([mean[i] + spread[i] * normal, np.tile(costs[i], (draws, 1))]) for i in range(len(mean))]
    return np.array([np.mean([volume(np.vstack([trained, point])) - before for point in row]) for row in rows])


def case(a, b, seed):
    rng = np.random.default_rng(seed)
    mean, costs, trained = rng.random((24, a)) ** 0.4, rng.random((24, b)) ** 0.4, rng.random((40, a + b)) ** 0.5
    return mean, 0.02 + 0.1 * rng.random((24, a)), costs, trained


def check(gain, a, b):
    given = case(a, b, 0)
    found, true = gain(*given), exact(*given)
    assert np.corrcoef(found, true)[0, 1] > 0.94 and true[found.argmax()] > 0.85 * true.max()


@pytest.mark.parametrize(("a", "b"), AXES)
def test_it_is_the_growth_of_the_hypervolume(a, b):
    check(sampled_gain, a, b)


def test_that_check_rejects_a_gain_that_knows_no_front():
    with pytest.raises(AssertionError):
        check(lambda mean, spread, costs, trained: sampled_gain(mean, spread, costs, 0 * trained), 2, 1)


def test_it_is_the_exact_gain_where_there_is_one():
    """Quality against latency, through both ways of `GrowthOfFront`."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        quality, ms = rng.random(20), 1 + rng.random(20)
        mean, spread, cost = rng.random(30), 0.02 + 0.1 * rng.random(30), 1 + rng.random(30)
        every = np.concatenate([ms, cost])
        limit = every.max() + surrogate.BEYOND * np.ptp(every)
        true = surrogate.expected_gain(mean, spread, cost, quality, ms, limit)
        columns = (values[:, None] for values in (mean, spread, quality, -cost, -ms))
        found = surrogate._many(*columns)
        assert np.corrcoef(found, true)[0, 1] > 0.97 and true[found.argmax()] > 0.9 * true.max()


FOUR = tuple(map(parse_objective, ("quality", "max:b", "latency_ms", "macs")))


def four(world):
    problem = world.problem()
    return type(problem)(problem.domains, problem.cost_names, problem.costs, FOUR, problem.constraints)


@pytest.mark.slow
def test_the_contract_holds_with_four_objectives():
    check_core(lambda problem, seed: Evolution(four(Synthetic(noise=0.01)), seed=seed), budget=24)
