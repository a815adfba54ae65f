"""The ask/tell contract that every strategy of ours fulfils, in plain Python."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ednas_nni.search.problem import Problem, Sample


class Core(ABC):
    """A search algorithm without threads, clocks, files or NNI.

    One caller at a time (the shell holds a lock). Any number of asked samples may be open at once; results arrive
    in any order. With the same seed and the same order of calls, the same samples come out.

    Args:
        problem: Domains, costs, objectives, constraints.

    Attributes:
        multi_objective: Whether the core looks at the objectives by itself, so that its quality must not be turned into
            a reward.
        reason: Why the last `ask` returned None; empty while the search can go on.
    """

    multi_objective: ClassVar[bool] = False

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.reason = ""

    @abstractmethod
    def ask(self) -> Sample | None:
        """The next sample to train: canonical, feasible, never one that was asked before.

        Takes milliseconds. None: nothing to propose now; when nothing is open either, the search is over and
        `reason` says why.
        """

    @abstractmethod
    def tell(self, sample: Sample, values: Mapping[str, float] | None, cause: str = "") -> None:
        """The outcome of an asked sample (or of one trained by somebody else).

        Args:
            sample: The sample.
            values: Objective name -> finite value; None for a trial that failed.
            cause: Why it failed.
        """

    @abstractmethod
    def reopen(self) -> None:
        """Hand out again what was asked and never told (after a crash its trials are gone)."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON data."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken."""
