"""Evolution: asynchronous, constrained, over the front; a pure ask/tell core without NNI, torch or threads.

**The idea.** A search has tens of trials, each of minutes, while costs are known exactly and at once. So nothing that
breaks a constraint is ever trained, the first trials are spread over the whole range of the cost, and every later one
is a small change of an architecture on the front, made where the front has gaps, and picked from many such changes by
a model of all results so far.

**Why this way.** Generations would make workers wait for the slowest trial, so offspring are made one by one from
whatever is known (steady state). The front, not a weighted sum, decides who is a parent, so one search serves every
limit. A trial is noisy: a network that beats its neighbour by less than `tolerance` does not remove it from the front.

**A tiny example**, quality against milliseconds, tolerance 0.01:

    trained: A 0.30 at 5 ms, B 0.36 at 8 ms, C 0.355 at 9 ms, D 0.50 at 20 ms
    front:   A, B, C (0.355 is B within the tolerance), D
    gaps:    the widest lies between C and D, so these two are parents more often than A and B
    next:    64 mutations and crossovers of parents; those over the limit, or trained before, are dropped untrained;
             the model predicts 0.47 at 14 ms for one of them, which would fill the gap: it is trained
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from ednas_nni.errors import SampleError, StudyError
from ednas_nni.search.core import Core
from ednas_nni.search.problem import Problem, Sample
from ednas_nni.study import pareto
from ednas_nni.study.objectives import DELTA_T
from ednas_nni.study.options import filled
from strategies.spread import feasible_pool, spread
from strategies.surrogate import GrowthOfFront

OFFSPRING = 64
"""Offspring that compete in the model for one training."""
IMMIGRANTS = 16
"""Random architectures that compete with them."""
MODEL_FROM = 5
"""Results from which on there is a model."""
BROOD = 4
ROUNDS = 40
"""Without a model: rounds of so many offspring, of which the first feasible and new one is taken."""
RESERVE = 256
"""Random feasible architectures that are kept for random proposals and immigrants."""

_log = logging.getLogger("nni.ednas.strategy")

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Options:
    """Options of the evolution.

    Attributes:
        seed: Random seed.
        start: Samples to train first, e.g. a named member of the space; infeasible ones are left out.
        initial: Trials spread over the feasible costs before evolution starts.
        tolerance: Measured differences that are taken for noise when parents are chosen; null = 0.01, of delta_t 1 %.
        crossover: Share of offspring with two parents.
        explore: Share of proposals that are random.
        surrogate: Whether Gaussian processes choose the offspring, one for each measured objective.
    """

    seed: Annotated[int, Field(ge=0)] | None = 0
    start: Sequence[Sample] = ()
    initial: Annotated[int, Field(ge=1, le=100_000)] = 8
    tolerance: Annotated[float, Field(ge=0)] | None = None
    crossover: Share = 0.7
    explore: Share = 0.05
    surrogate: bool = True


class Outcome(TypedDict):
    """What became of an architecture; `values` in the order of the objectives, None for a failure."""

    sample: Sample
    values: list[float] | None
    cause: str


Results = tuple[list[Sample], NDArray[np.float64]]
"""Samples that have values, and these, (n, objectives)."""


class Evolution(Core):
    """Evolution over the non-dominated archive of all results; its options are `Options`.

    1. `start` samples, then `initial` ones spread over the feasible range of the cost objective.
    2. Then a parent is drawn from the front, with a probability that grows with its crowding distance.
    3. Its offspring has one or two mutations, or is a crossover with another member of the front (mutated as well).
       It must be feasible and new.
    4. Of many such offspring and some immigrants the one is trained from which a Gaussian process over all results
       expects the largest growth of the front's hypervolume; open trials count as if they gave what is expected.

    Asking never waits for results that are still open. Failed architectures are remembered with their cause and
    never proposed again.

    Raises:
        InfeasibleError: No feasible sample was found.
        SampleError: A start sample is outside the space.
    """

    multi_objective = True

    def __init__(self, problem: Problem, **options: Any) -> None:
        super().__init__(problem)
        self.options = filled(Options, "strategy", **options)
        self._growth = GrowthOfFront(problem) if self.options.surrogate and GrowthOfFront.applies(problem) else None
        self._rng = np.random.default_rng(self.options.seed)
        self._directions = tuple(o.direction for o in problem.objectives)
        # Costs are exact; only measured objectives carry noise.
        costs, noise = problem.cost_names, self.options.tolerance
        usual = {o.name: 1.0 if o.name == DELTA_T else 0.01 for o in problem.objectives}
        self._tolerance = [0.0 if o in costs else usual[o] if noise is None else noise for o in usual]
        given = [problem.domains.complete(sample) for sample in self.options.start]
        fits = problem.feasible(given)
        for sample in (sample for sample, ok in zip(given, fits, strict=True) if not ok):
            _log.warning("A start sample is left out of the search: %s", "; ".join(problem.violations(sample)))
        pool = feasible_pool(problem, self._rng)
        self._plan = [sample for sample, ok in zip(given, fits, strict=True) if ok]
        count = max(0, self.options.initial - len(self._plan))
        self._plan += spread(problem, pool, count, self._cost_column(), self._rng)
        self._reserve = [pool[i] for i in self._rng.permutation(len(pool))[:RESERVE]]
        self._open: dict[str, Sample] = {}
        self._reopened: list[Sample] = []
        self._outcomes: dict[str, Outcome] = {}

    # ---------------------------------------------------------------- ask and tell
    def ask(self) -> Sample | None:
        """The next sample; None when nothing new and feasible is found (see `reason`)."""
        sample = self._planned()
        if sample is None:
            sample = self._propose()
        if sample is None:
            self.reason = (
                f"no new feasible architecture was found near the front in {BROOD * ROUNDS} attempts, and the random "
                f"ones are used up ({len(self._outcomes)} with an outcome, {len(self._open)} open)"
            )
            return None
        self.reason = ""
        self._open[self._id(sample)] = sample
        return dict(sample)

    def tell(self, sample: Sample, values: Mapping[str, float] | None, cause: str = "") -> None:
        """Take in an outcome; the first result of an architecture stands, and a result replaces a failure."""
        sample = self.problem.domains.complete(sample)
        architecture = self._id(sample)
        self._open.pop(architecture, None)
        self.reason = ""
        earlier = self._outcomes.get(architecture)
        if earlier is not None and (earlier["values"] is not None or values is None):
            return
        point = None
        if values is not None:
            point = [float(values[o.name]) for o in self.problem.objectives]
            if not np.isfinite(point).all():
                point, cause = None, cause or f"objectives are not finite: {dict(values)}"
        self._outcomes[architecture] = {"sample": sample, "values": point, "cause": "" if point else cause}

    # ---------------------------------------------------------------- proposals
    def _planned(self) -> Sample | None:
        for planned in (self._reopened, self._plan):
            while planned:
                if self._new(sample := planned.pop(0)):
                    return sample
        return None

    def _propose(self) -> Sample | None:
        results = self._results()
        if not results[0]:
            return self._random()
        parents = self._parents(results)
        if self._rng.random() < self.options.explore:
            return self._random() or self._first_offspring(*parents)
        if self._growth is not None and len(results[0]) >= MODEL_FROM:
            sample = self._most_promising(self._growth, results)
            if sample is not None:
                return sample
        return self._first_offspring(*parents) or self._random()

    def _most_promising(self, growth: GrowthOfFront, results: Results) -> Sample | None:
        parents = self._parents(results)
        drawn = {self._id(s): s for _ in range(OFFSPRING) if (s := self._offspring(*parents, 0)) is not None}
        drawn |= {self._id(s): s for s in self._immigrants()}
        candidates = [sample for architecture, sample in drawn.items() if not self._asked(architecture)]
        costs = self.problem.canonical_costs(candidates)
        good = self.problem.meets(costs)
        candidates = [candidate for candidate, ok in zip(candidates, good, strict=True) if ok]
        if not candidates:
            return None
        return candidates[growth.best(candidates, costs[good], *results, list(self._open.values()))]

    def _immigrants(self) -> list[Sample]:
        """Others from the reserve each time, else the same few would lose every comparison of a search."""
        drawn = (self._reserve[i] for i in self._rng.permutation(len(self._reserve)))
        return list(islice((sample for sample in drawn if self._new(sample)), IMMIGRANTS))

    def _parents(self, results: Results) -> tuple[list[Sample], NDArray[np.float64]]:
        """The front within the tolerance, and with what probability each of its members is drawn."""
        samples, points = results
        members = pareto.front(points, self._directions, self._tolerance)
        distance = pareto.crowding(points[members], self._directions)
        finite = distance[np.isfinite(distance)]
        # The ends of the front have no neighbour on one side; they count like the widest gap inside.
        distance = np.where(np.isfinite(distance), distance, finite.max() if len(finite) else 1.0)
        weight = distance + 0.1 * distance.max() + 1e-9
        return [samples[i] for i in members], weight / weight.sum()

    def _first_offspring(self, samples: list[Sample], weight: NDArray[np.float64]) -> Sample | None:
        for attempt in range(ROUNDS):
            drawn = [self._offspring(samples, weight, attempt) for _ in range(BROOD)]
            sample = self._first_new([sample for sample in drawn if sample is not None])
            if sample is not None:
                return sample
        return None

    def _first_new(self, drawn: list[Sample]) -> Sample | None:
        """The first feasible one that was not asked before."""
        good = self.problem.meets(self.problem.canonical_costs(drawn))
        return next((sample for sample, ok in zip(drawn, good, strict=True) if ok and self._new(sample)), None)

    def _offspring(self, samples: list[Sample], weight: NDArray[np.float64], attempt: int) -> Sample | None:
        first = samples[int(self._rng.choice(len(samples), p=weight))]
        changes = 1 + int(self._rng.random() < 0.5) + attempt // 8  # farther away where the neighbourhood is used up
        if len(samples) > 1 and self._rng.random() < self.options.crossover:
            first = self.problem.domains.crossover(first, samples[int(self._rng.integers(len(samples)))], self._rng)
        try:
            return self.problem.domains.mutate(first, self._rng, n=changes)
        except SampleError:
            return None  # a space of one architecture

    def _random(self) -> Sample | None:
        while self._reserve:
            sample = self._reserve.pop()
            if self._new(sample):
                return sample
        for _ in range(ROUNDS):
            fresh = self._first_new([self.problem.domains.random(self._rng) for _ in range(BROOD)])
            if fresh is not None:
                return fresh
        return None

    def _new(self, sample: Sample) -> bool:
        return not self._asked(self._id(sample))

    def _asked(self, architecture: str) -> bool:
        return architecture in self._outcomes or architecture in self._open

    def _id(self, sample: Sample) -> str:
        return self.problem.domains.architecture_id(sample)

    def _results(self) -> Results:
        scored = [outcome for outcome in self._outcomes.values() if outcome["values"] is not None]
        return [outcome["sample"] for outcome in scored], np.array([outcome["values"] for outcome in scored])

    def _cost_column(self) -> int | None:
        names = [o.name for o in self.problem.objectives] + [c.name for c in self.problem.constraints]
        costs = [name for name in names if name in self.problem.cost_names]
        return self.problem.cost_names.index(costs[0]) if costs else None

    # ---------------------------------------------------------------- state
    def reopen(self) -> None:
        """Hand out again what was open when the state was taken."""
        self._reopened += list(self._open.values())
        self._open = {}

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides the next samples, as JSON data."""
        return {
            "version": 1,
            "labels": list(self.problem.domains.labels),
            "rng": self._rng.bit_generator.state,
            "plan": [dict(sample) for sample in self._plan],
            "spare": [dict(sample) for sample in self._reserve],
            "again": [dict(sample) for sample in self._reopened],
            "open": [dict(sample) for sample in self._open.values()],
            "told": [dict(outcome) for outcome in self._outcomes.values()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where the state was taken."""
        if state.get("version") != 1 or list(state.get("labels", [])) != list(self.problem.domains.labels):
            raise StudyError(
                "strategy state: it was saved by another version or for another search space; start a new search "
                "(the journal's results are reused where the space is the same)."
            )
        self._rng.bit_generator.state = dict(state["rng"])
        self._plan = [dict(sample) for sample in state["plan"]]
        self._reserve = [dict(sample) for sample in state["spare"]]
        self._reopened = [dict(sample) for sample in state["again"]]
        self._open = {self._id(sample): dict(sample) for sample in state["open"]}
        outcomes: list[Outcome] = state["told"]
        self._outcomes = {self._id(outcome["sample"]): outcome.copy() for outcome in outcomes}
        self.reason = ""
