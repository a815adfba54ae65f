"""A strategy of docs/adding_a_strategy.md: it changes the best architecture so far."""

import math
from collections.abc import Mapping
from copy import copy
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ednas_nni.search.core import Core
from ednas_nni.search.problem import Problem, Sample
from ednas_nni.search.shell import AskTellStrategy

ATTEMPTS = 2000


class ClimberCore(Core):
    """Proposes one to three changes of the best architecture so far; random ones until there is a result."""

    def __init__(self, problem: Problem, seed: int | None = 0) -> None:
        super().__init__(problem)
        self.rng = np.random.default_rng(seed)
        self.best: Sample | None = None
        self.height = -math.inf
        self.asked: dict[str, Sample] = {}  # by architecture id
        self.open: dict[str, Sample] = {}
        self.again: list[Sample] = []

    def ask(self) -> Sample | None:
        near = (self.again.pop(0) if self.again else self.draw() for _ in range(ATTEMPTS))
        sample = next(filter(self.fits, near), None)
        self.reason = "" if sample else f"no new architecture near the best one in {ATTEMPTS} attempts"
        if sample:
            name = self.problem.domains.architecture_id(sample)
            self.asked[name] = self.open[name] = sample
        return sample

    def draw(self) -> Sample:
        domains = self.problem.domains
        if self.best is None:
            return domains.random(self.rng)
        return domains.mutate(self.best, self.rng, n=1 + self.rng.integers(3))

    def fits(self, sample: Sample) -> bool:
        new = self.problem.domains.architecture_id(sample) not in self.asked
        return new and bool(self.problem.feasible([sample])[0])

    def tell(self, sample: Sample, values: Mapping[str, float] | None, cause: str = "") -> None:
        sample = self.problem.domains.complete(sample)  # of a trial that somebody else started, perhaps
        name = self.problem.domains.architecture_id(sample)
        self.open.pop(name, None)
        self.asked[name] = sample
        if values is not None:
            goal = self.problem.objectives[0]
            height = values[goal.name] if goal.maximise else -values[goal.name]
            if height > self.height:
                self.best, self.height = sample, height

    def reopen(self) -> None:
        self.again += self.open.values()
        self.asked = {name: sample for name, sample in self.asked.items() if name not in self.open}
        self.open = {}

    def state_dict(self) -> dict[str, Any]:
        names = ("best", "height", "asked", "open", "again")
        return {"rng": self.rng.bit_generator.state, **{name: copy(getattr(self, name)) for name in names}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        state = {name: copy(value) for name, value in state.items()}  # the caller's stays as it is
        self.rng.bit_generator.state = state.pop("rng")
        vars(self).update(state)


class Climber(AskTellStrategy):
    """Changes the best architecture so far.

    Args:
        seed: Random seed; with one worker the same seed gives the same sequence of architectures.
    """

    def __init__(self, seed: Annotated[int, Field(ge=0)] | None = 0) -> None:
        super().__init__()
        self.seed = seed

    def make_core(self, problem: Problem) -> ClimberCore:
        return ClimberCore(problem, self.seed)
