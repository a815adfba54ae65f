"""`ednas`: the default strategy, evolution over the front of quality against cost, as an NNI strategy."""

from __future__ import annotations

from typing import Any

from ednas_nni.search.problem import Problem
from ednas_nni.search.shell import AskTellStrategy
from ednas_nni.study.options import filled, takes
from strategies.evolution import Evolution, Options


class Ednas(AskTellStrategy):
    """Asynchronous constrained evolution over the front of the problem's objectives."""

    multi_objective = Evolution.multi_objective

    @takes(Options)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        self.options = filled(Options, "strategy", *args, **options)

    def extra_repr(self) -> str:
        """Show the options, without the start samples."""
        return ", ".join(f"{key}={value!r}" for key, value in vars(self.options).items() if key != "start")

    def make_core(self, problem: Problem) -> Evolution:
        """Make the evolution."""
        return Evolution(problem, **vars(self.options))
