"""`ednas`: the default strategy, evolution over the front of quality against cost, as an NNI strategy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ednas_nni.search.problem import Problem
from ednas_nni.search.shell import AskTellStrategy
from strategies.evolution import Evolution


class Ednas(AskTellStrategy):
    """Asynchronous constrained evolution over the front of the problem's objectives.

    Args:
        seed: Random seed; with one worker the same seed gives the same sequence of architectures.
        start: Samples to train first, e.g. a named member of the space; infeasible ones are left out.
        initial: Trials spread over the feasible cost range before evolution starts.
        tolerance: Quality differences up to this are taken for noise when parents are chosen.
        crossover: Share of children with two parents.
        explore: Share of proposals that are random.
        surrogate: Whether children compete in a model (a Gaussian process over all results) before one is trained.
    """

    multi_objective = True

    def __init__(
        self,
        seed: int | None = 0,
        start: Sequence[dict[str, Any]] = (),
        initial: int = 8,
        tolerance: float = 0.01,
        crossover: float = 0.7,
        explore: float = 0.05,
        surrogate: bool = True,
    ) -> None:
        super().__init__()
        self.options = {
            "seed": seed,
            "start": list(start),
            "initial": initial,
            "tolerance": tolerance,
            "crossover": crossover,
            "explore": explore,
            "surrogate": surrogate,
        }
        Evolution.check(**self.options)

    def extra_repr(self) -> str:
        """Show the options, without the start samples."""
        return ", ".join(f"{key}={value!r}" for key, value in self.options.items() if key != "start")

    def make_core(self, problem: Problem) -> Evolution:
        """Make the evolution."""
        return Evolution(problem, **self.options)
