"""What a search is compared with: random search, and the hypervolume of true qualities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ednas_nni.search.problem import Problem, Sample
from ednas_nni.study import pareto
from ednas_nni.testing.synthetic import Synthetic


class RandomFeasible:
    """The baseline: feasible random samples, each once. An ask/tell core."""

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        self.problem = problem
        self._rng = np.random.default_rng(seed)
        self._seen: set[str] = set()

    def ask(self) -> Sample:
        """A feasible sample."""
        while True:
            sample = self.problem.domains.random(self._rng)
            architecture = self.problem.domains.architecture_id(sample)
            if architecture not in self._seen and self.problem.feasible([sample])[0]:
                self._seen.add(architecture)
                return sample

    def tell(self, sample: Sample, values: Mapping[str, float] | None, cause: str = "") -> None:
        """Learns nothing."""


def true_hypervolume(world: Synthetic, problem: Problem, samples: Sequence[Sample]) -> float:
    """Hypervolume of noise-free quality against latency, from quality 0 and the latency limit (quality x ms)."""
    limit = next(c.bound for c in problem.constraints if c.name == "latency_ms")
    points = [(world.quality(s), cost) for s, cost in zip(samples, world.costs(samples)[:, 0], strict=True)]
    return pareto.hypervolume(points, (0.0, limit), ("max", "min"))
