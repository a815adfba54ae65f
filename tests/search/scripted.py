"""A strategy that submits what it is told to, and a world in which every result is known: for tests of middlewares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ednas_nni.compat.nas_search import Strategy
from ednas_nni.search.problem import Problem
from ednas_nni.space.domains import Sample
from ednas_nni.testing.strategies import search
from ednas_nni.testing.synthetic import Synthetic

WORLD = Synthetic(noise=0.0)
PROBLEM = WORLD.problem()
OPEN = WORLD.problem([])
"""The same without constraints."""


class Script(Strategy):
    """Submits given samples and writes down what it is told.

    Args:
        samples: In this order.
        wait: Whether to wait for the models at the end.

    Attributes:
        finals: (number of the model, metric) in the order of arrival.
        ends: (number of the model, status, cause) in the order of arrival.
        models: What was submitted.
    """

    def __init__(self, samples: Iterable[Sample], wait: bool = True) -> None:
        super().__init__()
        self.samples, self.wait = samples, wait
        self.finals: list[tuple[int, Any]] = []
        self.ends: list[tuple[int, Any, str]] = []
        self.models: list[Any] = []

    def _initialize(self, space: Any, engine: Any) -> Any:
        engine.register_model_event_callback(
            "final_metric", lambda e: self.finals.append((self.index(e), getattr(e.metric, "metrics", e.metric)))
        )
        engine.register_model_event_callback(  # events of NNI's own engines have no cause
            "training_end", lambda e: self.ends.append((self.index(e), e.status, getattr(e, "cause", "")))
        )
        return space

    def index(self, event: Any) -> int:
        """Number of the model that an event is about."""
        return next(i for i, model in enumerate(self.models) if model is event.model)

    def _run(self) -> None:
        for sample in self.samples:
            if not self.wait_for_resource():
                return
            self.models.append(self.model_space.freeze(sample))
            self.engine.submit_models(self.models[-1])
        if self.wait:
            self.engine.wait_models()


def samples(count: int, problem: Problem = PROBLEM, seed: int = 0) -> list[Sample]:
    """Different feasible samples of the world."""
    rng = np.random.default_rng(seed)
    drawn: list[Sample] = []
    while len(drawn) < count:
        sample = WORLD.domains.random(rng)
        if problem.feasible([sample])[0] and sample not in drawn:
            drawn.append(sample)
    return drawn


def infeasible(count: int = 1) -> list[Sample]:
    """Samples of the world outside of its constraints."""
    rng = np.random.default_rng(4)
    drawn = [WORLD.domains.random(rng) for _ in range(300)]
    return [s for s, ok in zip(drawn, PROBLEM.feasible(drawn), strict=True) if not ok][:count]


def ident(sample: Sample) -> str:
    """Architecture id."""
    return WORLD.domains.architecture_id(sample)


def honest(sample: Sample) -> dict[str, Any]:
    """What a trial reports that proves its architecture."""
    return {"default": WORLD.quality(sample), "architecture": ident(sample)}


def run(
    strategy: Any, folder: Path, problem: Problem = PROBLEM, trial: Callable[..., Any] = honest, **options: Any
) -> Any:
    """A search in the world, with its journal in a folder; see `testing.strategies.search`."""
    return search(strategy, WORLD, problem, folder / "journal.jsonl", trial=trial, **({"trials": 20} | options))
