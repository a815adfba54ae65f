"""Which of many children to train: the one from which a model expects the largest growth of the front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ednas_nni.search.problem import Problem, Sample
from ednas_nni.study import pareto
from strategies.surrogate import Surrogate, expected_gain

# Beyond so many results the model is made from the front and the newest ones, so that asking stays fast.
MOST = 200
BEYOND = 0.5


class Promising:
    """Chooses among candidates by expected growth of the hypervolume of one measured objective against one cost.

    Args:
        problem: One with two objectives, see `applies`.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._model = Surrogate(problem)
        self._cost_at = [o.name in problem.cost_names for o in problem.objectives].index(True)
        self._column = problem.cost_names.index(problem.objectives[self._cost_at].name)
        self._sign = 1.0 if problem.objectives[1 - self._cost_at].maximise else -1.0

    @staticmethod
    def applies(problem: Problem) -> bool:
        """Whether the problem has one measured objective against one cost to be kept small."""
        costs = [o.direction for o in problem.objectives if o.name in problem.cost_names]
        return len(problem.objectives) == 2 and costs == ["min"]

    def best(
        self,
        children: Sequence[Sample],
        prices: np.ndarray,
        trained: Sequence[Sample],
        points: np.ndarray,
        open_now: Sequence[Sample],
    ) -> int:
        """Position of the most promising child.

        Args:
            children: m >= 1 canonical candidates.
            prices: (m, k) their costs.
            trained: n >= 1 canonical samples with results.
            points: (n, 2) their objectives, finite.
            open_now: What is being trained; believed to give what is expected, so that workers do not flock.
        """
        kept = self._kept(points)
        trained, points = [trained[i] for i in kept], points[kept]
        paid = points[:, self._cost_at]
        self._model.fit(trained, self._sign * points[:, 1 - self._cost_at])
        if open_now:
            self._model.believe(open_now)
            paid = np.concatenate([paid, self._problem.canonical_costs(open_now)[:, self._column]])
        mean, spread = self._model.predict(children)
        known, _ = self._model.predict([*trained, *open_now])  # smoothed: a lucky trial must not hide what is better
        cost = prices[:, self._column]
        # The reference lies well beyond the dearest point, else the best quality at the limit would be worth nothing.
        dearest = max(float(paid.max()), float(cost.max()))
        limit = dearest + BEYOND * (dearest - min(float(paid.min()), float(cost.min())))
        gain = expected_gain(mean, spread, cost, known, paid, limit)
        # Rounded: the last bits differ between machines, and the same seed must give the same search on all.
        return int((gain / max(float(gain.max()), 1e-300)).round(9).argmax())

    def _kept(self, points: np.ndarray) -> list[int]:
        if len(points) <= MOST:
            return list(range(len(points)))
        front = pareto.front(points, [o.direction for o in self._problem.objectives])
        newest = range(len(points) - 1, -1, -1)
        return sorted(list(dict.fromkeys([*front, *newest]))[:MOST])
