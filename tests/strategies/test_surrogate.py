"""The model behind the default strategy: predictions and expected gain against independent calculations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest

from ednas_nni.search.problem import Problem
from ednas_nni.space.domains import Dimension, Domains
from ednas_nni.study.objectives import parse_objective
from ednas_nni.testing.synthetic import Synthetic
from strategies.evolution import Evolution
from strategies.surrogate import MOST, GrowthOfFront, Surrogate, expected_gain


def hypervolume(points: list[tuple[float, float]], floor: float, limit: float) -> float:
    """Area under the best quality as a function of cost, above `floor` and left of `limit`: ten lines, no library."""
    area = 0.0
    costs = sorted({cost for _, cost in points if cost < limit} | {limit})
    for left, right in pairwise(costs):
        best = max((quality for quality, cost in points if cost <= left), default=floor)
        area += (right - left) * max(0.0, best - floor)
    return area


def sampled_gain(mean, spread, cost, trained, trained_cost, limit, draws=40_000, seed=0):
    rng = np.random.default_rng(seed)
    floor = trained[trained_cost.argmin()]
    points = list(zip(trained, trained_cost, strict=True))
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
    "trained": np.array([0.20, 0.25, 0.31, 0.22]),
    "trained_cost": np.array([5.5, 7.0, 9.5, 8.0]),
    "limit": 10.0,
}


def test_expected_gain_is_the_mean_growth_of_the_hypervolume() -> None:
    assert expected_gain(**CASE) == pytest.approx(sampled_gain(**CASE), rel=0.05, abs=2e-4)


def test_the_example_of_the_module() -> None:
    gain = expected_gain(
        np.array([0.45, 0.52, 0.28]),
        np.full(3, 1e-3),
        np.array([10.0, 25.0, 4.0]),
        np.array([0.3, 0.5]),
        np.array([5.0, 20.0]),
        30.0,
    )
    assert gain == pytest.approx([1.5, 0.1, 0.0], abs=1e-6)


def test_the_check_rejects_a_gain_that_ignores_the_cost() -> None:
    blind = expected_gain(**{**CASE, "cost": np.full(4, 5.0)})
    assert blind != pytest.approx(sampled_gain(**CASE), rel=0.05, abs=2e-4)


def test_no_gain_where_the_front_is_far_above() -> None:
    gain = expected_gain(np.array([0.1]), np.array([1e-3]), np.array([9.0]), np.array([0.5]), np.array([5.0]), 10.0)
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


# -------------------------------------------------------------------- numerics
def small_problem(columns):
    """Two labels; costs as given, one function of (a, b) per column."""
    domains = Domains([Dimension("a", (1, 2, 3, 4)), Dimension("b", (1, 2, 3))])
    return Problem(
        domains,
        tuple(columns),
        lambda samples: np.array([[f(s["a"], s["b"]) for f in columns.values()] for s in samples], dtype=float),
        (parse_objective("quality"), parse_objective("latency_ms")),
    )


ALL = [{"a": a, "b": b} for a in (1, 2, 3, 4) for b in (1, 2, 3)]
COSTS = {
    "plain": {"latency_ms": lambda a, b: a * b},
    "all equal": {"latency_ms": lambda a, b: 2.0},
    "one column constant on the results": {"latency_ms": lambda a, b: a * b, "macs": lambda a, b: 1e9 + (a == 4)},
    "zero, inf and nan": {
        "latency_ms": lambda a, b: a - 1.0,
        "energy_mj": lambda a, b: np.inf if a == 2 else 1.0,
        "area": lambda a, b: np.nan if b == 2 else a,
    },
}
VALUES = {
    "equal": lambda n: np.full(n, 0.1),  # their standard deviation is 1e-17 rather than 0
    "zero": np.zeros,
    "tiny": lambda n: 1e-7 * np.arange(n),
    "huge": lambda n: 1e6 * np.arange(n),
}


@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("n", [1, 2, 9])
def test_predictions_are_finite_and_within_reason(costs, values, n):
    given = VALUES[values](n)
    model = Surrogate(small_problem(COSTS[costs]))
    model.fit(ALL[:n], given)
    model.believe(ALL[n : n + 1])
    mean, spread = model.predict(ALL)
    assert np.isfinite(mean).all() and np.isfinite(spread).all() and (spread > 0).all()
    margin = 3 * np.ptp(given) + 1e-12
    assert mean.min() >= given.min() - margin and mean.max() <= given.max() + margin


def test_the_same_sample_twice_is_no_singular_matrix():
    model = Surrogate(small_problem(COSTS["plain"]))
    model.fit([ALL[0]] * 4 + [ALL[5]], [0.1, 0.1, 0.3, 0.3, 0.7])
    assert 0.1 < model.predict([ALL[0]])[0][0] < 0.5


def test_believing_keeps_predictions_and_shrinks_their_spread():
    model = Surrogate(small_problem(COSTS["plain"]))
    model.fit(ALL[:6], [0.1, 0.3, 0.2, 0.4, 0.3, 0.5])
    before = model.predict(ALL)
    model.believe([ALL[8], ALL[11]])
    after = model.predict(ALL)
    assert after[0] == pytest.approx(before[0], abs=1e-9)
    assert (after[1] <= before[1] + 1e-12).all() and after[1][8] < 0.8 * before[1][8]


def test_gains_are_finite_at_equal_costs_and_beyond_the_limit():
    spread, cost = np.array([0.1, 1e-9, 0.1]), np.array([2.0, 2.0, 9.0])
    gain = expected_gain(np.full(3, 0.2), spread, cost, np.full(4, 0.2), np.full(4, 2.0), 5.0)
    assert np.isfinite(gain).all() and gain[0] > 0 and gain[2] == 0


# -------------------------------------------------------------------- no memory, no luck, no waiting
WORLD = Synthetic(seed=1, noise=0.02)


def told(core, count, seed=0):
    """The core after `count` results of random architectures."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        sample = WORLD.domains.random(rng)
        core.tell(sample, {"quality": WORLD.trial(sample, rng)["default"], **WORLD_PROBLEM.cost_dict(sample)})
    core._plan = []
    return core


def step(core):
    sample = core.ask()
    core.tell(sample, {"quality": WORLD.quality(sample), **WORLD_PROBLEM.cost_dict(sample)})
    return sample


WORLD_PROBLEM = WORLD.problem()


class Remembers(Surrogate):
    """Broken: chooses its kernel again only every eighth result, so that what it predicts depends on the past."""

    chosen_at = 0

    def _choose_kernel(self):
        if not self.chosen_at or len(self._targets) - self.chosen_at >= 8:
            self.chosen_at, self.chosen = len(self._targets), super()._choose_kernel()
        return self.chosen


def resumed_differs(model, results):
    core = told(Evolution(WORLD_PROBLEM, seed=5, explore=0.0), results)
    core._growth._models = [model(WORLD_PROBLEM)]
    for _ in range(4):
        step(core)
    other = Evolution(WORLD_PROBLEM, seed=99, explore=0.0)
    other._growth._models = [model(WORLD_PROBLEM)]
    other.load_state_dict(json.loads(json.dumps(core.state_dict())))
    return [step(core) for _ in range(4)] != [step(other) for _ in range(4)]


def test_a_long_search_continues_exactly_from_its_state():
    assert not any(resumed_differs(Surrogate, results) for results in (41, 50, 60))


def test_the_resume_check_rejects_a_model_with_a_memory():
    assert any(resumed_differs(Remembers, results) for results in (41, 50, 60))


def test_the_model_adds_nothing_to_the_state():
    with_model, without = (told(Evolution(WORLD_PROBLEM, surrogate=s), 12) for s in (True, False))
    assert with_model.state_dict() == without.state_dict()
    step(with_model)
    assert set(with_model.state_dict()) == set(without.state_dict())


def test_two_processes_ask_the_same():
    code = (
        "import numpy as np; from ednas_nni.testing.synthetic import Synthetic, drive\n"
        "from strategies.evolution import Evolution; w = Synthetic(2, 0.02)\n"
        "asked = drive(Evolution(w.problem(), seed=1), w, 16, np.random.default_rng(0), 2)\n"
        "print([w.domains.architecture_id(s) for s in asked])"
    )
    said = set()
    for salt in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": salt, "OMP_NUM_THREADS": salt}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        said.add(done.stdout)
    assert len(said) == 1


def test_asking_stays_fast_in_a_long_search():
    core = told(Evolution(WORLD_PROBLEM, seed=0), 400)
    times = []
    for _ in range(7):
        begin = time.process_time()
        step(core)
        times.append(time.process_time() - begin)
    assert np.median(times) < 0.2  # about 0.035 s on one core


def test_a_model_of_many_results_keeps_the_front_and_the_newest():
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.random(3 * MOST), 1 + rng.random(3 * MOST)])
    points[0] = 2.0, 0.5  # the oldest one dominates all others
    kept = GrowthOfFront(WORLD_PROBLEM)._front_and_newest(points)
    assert len(kept) == MOST and kept[0] == 0 and kept[1:] == list(range(2 * MOST + 1, 3 * MOST))


@pytest.mark.parametrize(
    ("objectives", "applies"),
    [
        (("quality", "latency_ms"), True),
        (("latency_ms", "min:depth_abs_error_m"), True),
        (("quality",), True),
        (("quality", "latency_ms", "macs"), True),
        (("quality", "min:depth_abs_error_m"), True),
        (("quality", "min:depth_abs_error_m", "latency_ms", "macs"), True),
        (("quality", "max:macs"), True),
        (("macs", "latency_ms"), False),
    ],
)
def test_the_model_is_for_whatever_is_measured(objectives, applies):
    problem = WORLD.problem(objectives=objectives)
    assert GrowthOfFront.applies(problem) is applies
    core, rng = Evolution(problem), np.random.default_rng(0)
    for _ in range(14):
        sample = core.ask()
        core.tell(sample, {"quality": rng.random(), "depth_abs_error_m": rng.random(), **problem.cost_dict(sample)})
    assert core.ask() is not None
