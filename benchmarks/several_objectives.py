"""What the model of the default strategy is worth with other objectives than quality and one cost, and replicates.

    python benchmarks/several_objectives.py [SEEDS]

Synthetic landscapes, 48 trials each. First: the hypervolume of the true values of all that was trained (for quality
alone: the best true quality), as a share of what the evolution reaches without its model. Second: every other trial
trains a network of the front once more where the front would change by one standard deviation of the model's noise, at
most three trainings each, their mean counting; against as many trials without. Its figure is the hypervolume of the
true values of what would be handed over: the front by the values that the search has seen.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from against_random import RandomFeasible

from ednas_nni.search.problem import Problem, Sample
from ednas_nni.study import pareto
from ednas_nni.study.objectives import parse_objective, value_of
from ednas_nni.testing.synthetic import Synthetic
from strategies.evolution import Evolution

TRIALS = 48
OBJECTIVES = (
    ("quality",),
    ("quality", "latency_ms", "macs"),
    ("max:a", "max:b", "latency_ms"),
    ("max:a", "max:b", "max:c", "latency_ms", "macs"),
)
ANCHOR = {"latency_ms": 3.2, "macs": 2.5e9}
"""Of costs; of what is measured it is 0."""
Make = Callable[[Problem, int], Any]
ARMS: dict[str, Make] = {
    "model": lambda problem, seed: Evolution(problem, seed=seed),
    "without": lambda problem, seed: Evolution(problem, seed=seed, surrogate=False),
    "random": lambda problem, seed: RandomFeasible(problem, seed=seed),
}


def reached(make: Make, seed: int, objectives: tuple[str, ...], noise: float = 0.02) -> tuple[float, float]:
    """Hypervolume of true values (or the best one), and seconds of the processor for a proposal."""
    worlds = {name: Synthetic(seed * 7 + i, noise=noise) for i, name in enumerate(("default", "b", "c"))}
    plain = worlds["default"].problem()
    axes = tuple(map(parse_objective, objectives))
    problem = Problem(plain.domains, plain.cost_names, plain.costs, axes, plain.constraints)
    core, rng, true, seconds = make(problem, seed), np.random.default_rng(seed), [], 0.0
    for _ in range(TRIALS):
        begin = time.thread_time()
        sample = core.ask()
        seconds += time.thread_time() - begin
        assert sample is not None
        costs = problem.cost_dict(sample)
        seen = {name: world.trial(sample, rng)["default"] for name, world in worlds.items()}
        exact = {name: world.quality(sample) for name, world in worlds.items()}
        seen["a"], exact["a"] = seen["default"], exact["default"]
        core.tell(sample, {axis.name: value_of(axis, seen, costs) for axis in axes})
        true.append([value_of(axis, exact, costs) for axis in axes])
    if len(axes) == 1:
        return max(values[0] for values in true), seconds / TRIALS
    anchor = [ANCHOR.get(axis.name, 0.0) for axis in axes]
    return pareto.hypervolume(true, anchor, [axis.direction for axis in axes]), seconds / TRIALS


class Replicating(Evolution):
    """Trains networks of the front again, see above."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed=seed)
        self.runs: dict[str, list[float]] = {}
        self.repeated = False

    def ask(self) -> Sample | None:
        doubtful = None if self.repeated or len(self.runs) < 8 else self._doubtful()
        self.repeated = doubtful is not None
        return dict(self._outcomes[doubtful]["sample"]) if doubtful else super().ask()

    def _doubtful(self) -> str | None:
        keys = [key for key, outcome in self._outcomes.items() if outcome["values"]]
        points = np.array([self._outcomes[key]["values"] for key in keys])
        assert self._growth is not None
        model = self._growth._models[0]
        if not hasattr(model, "_noise"):
            return None
        front, moved = set(pareto.front(points, self._directions)), []
        for i in front:
            n, lower = len(self.runs[keys[i]]), points.copy()
            lower[i, 0] -= np.sqrt(model._noise / n) * model._spread
            changed = len(set(pareto.front(lower, self._directions)) ^ front)
            if n < 3 and changed:
                moved.append((n, -changed, keys[i]))
        return min(moved)[2] if moved else None

    def tell(self, sample: Sample, values: Mapping[str, float] | None, cause: str = "") -> None:
        assert values is not None
        key = self._id(sample)
        self.runs.setdefault(key, []).append(values["quality"])
        super().tell(sample, values, cause)
        told: Any = self._outcomes[key]["values"]
        told[0] = float(np.mean(self.runs[key]))


def handed_over(core: Evolution, seed: int, noise: float) -> float:
    """Hypervolume of the true values of the front by the values that were seen."""
    world, rng = Synthetic(seed, noise=noise), np.random.default_rng(seed)
    for _ in range(TRIALS):
        sample = core.ask()
        assert sample is not None
        core.tell(sample, {**core.problem.cost_dict(sample), "quality": world.trial(sample, rng)["default"]})
    true = [[world.quality(sample), values["latency_ms"]] for sample, values in core.front()]
    return pareto.hypervolume(true, (0.0, ANCHOR["latency_ms"]), ("max", "min"))


def main(seeds: int) -> None:
    """Print both tables."""
    for objectives in OBJECTIVES:
        runs = {name: np.array([reached(make, s, objectives) for s in range(seeds)]) for name, make in ARMS.items()}
        for name, values in runs.items():
            ratio = values[:, 0] / runs["without"][:, 0]
            error, ms = ratio.std(ddof=1) / np.sqrt(seeds), 1e3 * values[:, 1].mean()
            print(f"{', '.join(objectives):42} {name:8} {ratio.mean():.2f} +- {error:.2f}  {ms:.0f} ms a proposal")
    for noise in (0.02, 0.06):
        gains = []
        for seed in range(seeds):
            problem = Synthetic(seed, noise=noise).problem()
            again, once = Replicating(problem, seed), Evolution(problem, seed=seed)
            gains.append(handed_over(again, seed, noise) / handed_over(once, seed, noise) - 1)
        error = np.std(gains, ddof=1) / np.sqrt(seeds)
        print(f"replicates, noise {noise}: {100 * np.mean(gains):+.1f} % +- {100 * error:.1f} of hypervolume")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
