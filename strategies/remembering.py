"""What cores share that draw samples by themselves: which were asked, which are open, and a way out of duplicates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np

from ednas_nni.errors import StudyError
from ednas_nni.search.core import Core
from ednas_nni.search.problem import Problem, Sample

CHANGES = 400


class Remembering(Core):
    """Hands out what `draw` gives, where it is new and feasible, else changes of it; derived classes draw and learn.

    Args:
        problem: What is searched.
        seed: Random seed.
    """

    draws: ClassVar[int] = 64
    """How often a sample is drawn before one of them is changed, label by label, until it is new and feasible."""

    def __init__(self, problem: Problem, seed: int | None = 0) -> None:
        super().__init__(problem)
        self._rng = np.random.default_rng(seed)
        self._asked: dict[str, bool] = {}  # architecture id -> whether it has a result
        self._open: dict[str, Sample] = {}
        self._again: list[str] = []

    @abstractmethod
    def draw(self) -> Sample:
        """A canonical sample, whether new and feasible or not."""

    @abstractmethod
    def opened(self, sample: Sample) -> None:
        """This sample is handed out, or was by somebody else."""

    @abstractmethod
    def learn(self, sample: Sample, values: Mapping[str, float] | None) -> None:
        """The outcome of an opened sample: finite values, or None for a failure."""

    def ask(self) -> Sample | None:
        """As `Core.ask`."""
        while self._again:
            if (lost := self._open.get(self._again.pop(0))) is not None:
                return dict(lost)
        sample = next(filter(self.fits, (self.draw() for _ in range(self.draws))), None)
        domains = self.problem.domains
        if sample is None and domains.size() > 1:
            near = self.draw()
            changed = (domains.mutate(near, self._rng, n=1 + turn // 40) for turn in range(CHANGES))
            sample = next(filter(self.fits, changed), None)
        self.reason = "" if sample else f"{self.draws + CHANGES} attempts gave no new architecture within the limits"
        if sample is not None:
            self._open_up(self.problem.domains.architecture_id(sample), sample)
        return sample and dict(sample)

    def fits(self, sample: Sample) -> bool:
        """Whether a canonical sample is new and meets the constraints."""
        new = self.problem.domains.architecture_id(sample) not in self._asked
        return new and bool(self.problem.meets(self.problem.canonical_costs([sample]))[0])

    def tell(self, sample: Sample, values: Mapping[str, float] | None, cause: str = "") -> None:
        """As `Core.tell`; the first result of an architecture stands, and a result replaces a failure."""
        sample = self.problem.domains.complete(sample)
        architecture = self.problem.domains.architecture_id(sample)
        if values is not None and not np.isfinite([values[o.name] for o in self.problem.objectives]).all():
            values = None
        self.reason = ""
        if architecture not in self._open:
            if self._asked.get(architecture):
                return
            self._open_up(architecture, sample)
        del self._open[architecture]
        self._asked[architecture] = values is not None
        self.learn(sample, values)

    def _open_up(self, architecture: str, sample: Sample) -> None:
        self._asked[architecture], self._open[architecture] = False, dict(sample)
        self.opened(sample)

    def reopen(self) -> None:
        """As `Core.reopen`."""
        self._again = list(self._open)

    def state_dict(self) -> dict[str, Any]:
        """As `Core.state_dict`."""
        state = {"rng": self._rng.bit_generator.state, "asked": self._asked, "open": self._open, "again": self._again}
        return {"labels": list(self.problem.domains.labels), **deepcopy(state)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As `Core.load_state_dict`."""
        if list(state.get("labels", [])) != list(self.problem.domains.labels):
            raise StudyError("strategy state: it was saved for another search space; start a new search.")
        state = deepcopy(dict(state))
        self._rng.bit_generator.state = state["rng"]
        self._asked, self._open, self._again = state["asked"], state["open"], state["again"]
        self.reason = ""
