"""Evolution: asynchronous, constrained, over the front; a pure ask/tell core without NNI, torch or threads."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from numbers import Integral
from typing import Any

import numpy as np

from ednas_nni.errors import SampleError, StudyError
from ednas_nni.search.problem import Problem, Sample
from ednas_nni.study import pareto
from strategies.promising import Promising
from strategies.spread import feasible_pool, spread

CHILDREN = 4
ROUNDS = 40
SPARE = 256
LITTER = 64
STRANGERS = 16
ENOUGH = 5

_log = logging.getLogger("nni.ednas.strategy")


class Evolution:
    """Evolution over the non-dominated archive of all results.

    1. `start` samples, then `initial` ones spread over the feasible range of the cost objective.
    2. Then a parent is drawn from the front, with a probability that grows with its crowding distance, so that
       gaps are filled. A lead in quality within `tolerance` does not remove a point from the front: one lucky
       trial must not end the line of its neighbours.
    3. A child has one or two mutations, or is a crossover with another member of the front (mutated as well).
       It must be feasible and new; both are checked before it is proposed, since costs are known without
       training.
    4. Of many such children (and some strangers) the one is trained from which a Gaussian process over all results
       expects the largest growth of the front's hypervolume; open trials count as if they gave what is expected.

    Asking never waits for results that are still open. Failed architectures are remembered with their cause and
    never proposed again.

    Args:
        problem: Domains, costs, objectives, constraints.
        seed: Random seed.
        start: Samples to train first; infeasible ones are left out with a warning and listed in `skipped`.
        initial: Size of the spread start, >= 1.
        tolerance: Noise of objectives that are no costs, in their unit, >= 0.
        crossover: Share of children with two parents, 0 to 1.
        explore: Share of random proposals, 0 to 1.
        surrogate: Whether children compete in a model before one is trained; only for quality against one cost.

    Raises:
        StudyError: An option is out of range.
        InfeasibleError: No feasible sample was found.
        SampleError: A start sample is outside the space.
    """

    multi_objective = True

    def __init__(
        self,
        problem: Problem,
        seed: int | None = 0,
        start: Sequence[Sample] = (),
        initial: int = 8,
        tolerance: float = 0.01,
        crossover: float = 0.7,
        explore: float = 0.05,
        surrogate: bool = True,
    ) -> None:
        self.check(seed, start, initial, tolerance, crossover, explore, surrogate)
        self.problem = problem
        self._promising = Promising(problem) if surrogate and Promising.applies(problem) else None
        self.crossover = crossover
        self.explore = explore
        self._rng = np.random.default_rng(seed)
        self._directions = tuple(o.direction for o in problem.objectives)
        # Costs are exact; only measured objectives carry noise.
        self._tolerance = [0.0 if o.name in problem.cost_names else tolerance for o in problem.objectives]
        given = [problem.domains.complete(sample) for sample in start]
        fits = problem.feasible(given)
        self.skipped: list[list[str]] = [problem.violations(s) for s, ok in zip(given, fits, strict=True) if not ok]
        for reasons in self.skipped:
            _log.warning("A start sample is left out of the search: %s", "; ".join(reasons))
        pool = feasible_pool(problem, self._rng)
        self._plan = [sample for sample, ok in zip(given, fits, strict=True) if ok]
        self._plan += spread(problem, pool, max(0, initial - len(self._plan)), self._cost_column(), self._rng)
        self._spare = [pool[i] for i in self._rng.permutation(len(pool))[:SPARE]]
        self._open: dict[str, Sample] = {}
        self._again: list[Sample] = []
        self._told: dict[str, dict[str, Any]] = {}
        self._reason = ""

    @staticmethod
    def check(
        seed: int | None,
        start: Sequence[Sample],
        initial: int,
        tolerance: float,
        crossover: float,
        explore: float,
        surrogate: bool,
    ) -> None:
        """Refuse options out of range, before a problem exists."""
        if not isinstance(surrogate, bool):
            raise StudyError(f"strategy.surrogate is {surrogate!r}; it must be true or false.")
        for name, number, least in (("seed", 0 if seed is None else seed, 0), ("initial", initial, 1)):
            if not isinstance(number, Integral) or isinstance(number, bool) or number < least:
                raise StudyError(f"strategy.{name} is {number!r}; it must be a whole number of at least {least}.")
        if not tolerance >= 0:
            raise StudyError(f"strategy.tolerance is {tolerance}; it must be >= 0, for example 0.01.")
        for name, share in (("crossover", crossover), ("explore", explore)):
            if not 0 <= share <= 1:
                raise StudyError(f"strategy.{name} is {share}; it must lie between 0 and 1.")

    # ---------------------------------------------------------------- ask and tell
    def ask(self) -> Sample | None:
        """The next sample; None when nothing new and feasible is found (see `reason`)."""
        sample = self._planned()
        if sample is None:
            sample = self._propose()
        if sample is None:
            self._reason = (
                f"no new feasible architecture was found near the front in {CHILDREN * ROUNDS} attempts, and the "
                f"random ones are used up ({len(self._told)} told, {len(self._open)} open)"
            )
            return None
        self._reason = ""
        self._open[self._id(sample)] = sample
        return dict(sample)

    def tell(self, sample: Sample, values: Mapping[str, float] | None, cause: str = "") -> None:
        """Take in an outcome; the first result of an architecture stands, and a result replaces a failure."""
        sample = self.problem.domains.complete(sample)
        architecture = self._id(sample)
        self._open.pop(architecture, None)
        self._reason = ""
        told = self._told.get(architecture)
        if told is not None and (told["values"] is not None or values is None):
            return
        point = None
        if values is not None:
            point = [float(values[o.name]) for o in self.problem.objectives]
            if not np.isfinite(point).all():
                point, cause = None, cause or f"objectives are not finite: {dict(values)}"
        self._told[architecture] = {"sample": sample, "values": point, "cause": "" if point else cause}

    @property
    def reason(self) -> str:
        """Why the last `ask` found nothing."""
        return self._reason

    @property
    def failures(self) -> dict[str, str]:
        """Architecture id -> why it failed."""
        return {key: told["cause"] for key, told in self._told.items() if told["values"] is None}

    def front(self) -> list[tuple[Sample, dict[str, float]]]:
        """The strict front so far: samples with their objective values."""
        results = self._results()
        if not results:
            return []
        kept = pareto.front([told["values"] for told in results], self._directions)
        names = [o.name for o in self.problem.objectives]
        return [(dict(results[i]["sample"]), dict(zip(names, results[i]["values"], strict=True))) for i in kept]

    # ---------------------------------------------------------------- proposals
    def _planned(self) -> Sample | None:
        while self._again:
            sample = self._again.pop(0)
            if self._id(sample) not in self._told:
                return sample
        while self._plan:
            sample = self._plan.pop(0)
            if self._new(sample):
                return sample
        return None

    def _propose(self) -> Sample | None:
        results = self._results()
        if not results or self._rng.random() < self.explore:
            return self._random() or self._child(self._parents(results))
        if self._promising is not None and len(results) >= ENOUGH:
            chosen = self._most_promising(results)
            if chosen is not None:
                return chosen
        return self._child(self._parents(results)) or self._random()

    def _most_promising(self, results: list[dict[str, Any]]) -> Sample | None:
        parents = self._parents(results)
        litter = {self._id(s): s for _ in range(LITTER) if (s := self._offspring(*parents, 0)) is not None}
        litter |= {self._id(s): s for s in self._strangers()}
        children = [sample for architecture, sample in litter.items() if not self._asked(architecture)]
        prices = self.problem.canonical_costs(children)
        good = self.problem.meets(prices)
        children = [child for child, ok in zip(children, good, strict=True) if ok]
        if not children:
            return None
        points = np.array([told["values"] for told in results])
        trained = [told["sample"] for told in results]
        return children[self._promising.best(children, prices[good], trained, points, list(self._open.values()))]

    def _strangers(self) -> list[Sample]:
        """Others from the feasible pool each time, else the same few would lose every comparison of a search."""
        drawn = (self._spare[i] for i in self._rng.permutation(len(self._spare)))
        return list(islice((sample for sample in drawn if self._new(sample)), STRANGERS))

    def _parents(self, results: list[dict[str, Any]]) -> tuple[list[Sample], np.ndarray]:
        if not results:
            return [], np.zeros(0)
        points = np.array([told["values"] for told in results])
        kept = pareto.front(points, self._directions, self._tolerance)
        distance = pareto.crowding(points[kept], self._directions)
        finite = distance[np.isfinite(distance)]
        # The ends of the front have no neighbour on one side; they count like the widest gap inside.
        distance = np.where(np.isfinite(distance), distance, finite.max() if len(finite) else 1.0)
        weight = distance + 0.1 * distance.max() + 1e-9
        return [results[i]["sample"] for i in kept], weight / weight.sum()

    def _child(self, parents: tuple[list[Sample], np.ndarray]) -> Sample | None:
        samples, weight = parents
        if not samples:
            return None
        for attempt in range(ROUNDS):
            children = [self._offspring(samples, weight, attempt) for _ in range(CHILDREN)]
            children = [child for child in children if child is not None]
            good = self.problem.meets(self.problem.canonical_costs(children))
            for child, ok in zip(children, good, strict=True):
                if ok and self._new(child):
                    return child
        return None

    def _offspring(self, samples: list[Sample], weight: np.ndarray, attempt: int) -> Sample | None:
        first = samples[int(self._rng.choice(len(samples), p=weight))]
        changes = 1 + int(self._rng.random() < 0.5) + attempt // 8  # farther away where the neighbourhood is used up
        if len(samples) > 1 and self._rng.random() < self.crossover:
            first = self.problem.domains.crossover(first, samples[int(self._rng.integers(len(samples)))], self._rng)
        try:
            return self.problem.domains.mutate(first, self._rng, n=changes)
        except SampleError:
            return None  # a space of one architecture

    def _random(self) -> Sample | None:
        while self._spare:
            sample = self._spare.pop()
            if self._new(sample):
                return sample
        for _ in range(ROUNDS):
            drawn = [self.problem.domains.random(self._rng) for _ in range(CHILDREN)]
            good = self.problem.meets(self.problem.canonical_costs(drawn))
            for sample, ok in zip(drawn, good, strict=True):
                if ok and self._new(sample):
                    return sample
        return None

    def _new(self, sample: Sample) -> bool:
        return not self._asked(self._id(sample))

    def _asked(self, architecture: str) -> bool:
        return architecture in self._told or architecture in self._open

    def _id(self, sample: Sample) -> str:
        return self.problem.domains.architecture_id(sample)

    def _results(self) -> list[dict[str, Any]]:
        return [told for told in self._told.values() if told["values"] is not None]

    def _cost_column(self) -> int | None:
        names = [o.name for o in self.problem.objectives] + [c.name for c in self.problem.constraints]
        known = [name for name in names if name in self.problem.cost_names]
        return self.problem.cost_names.index(known[0]) if known else None

    # ---------------------------------------------------------------- state
    def reopen(self) -> None:
        """Hand out again what was open when the state was taken."""
        self._again += list(self._open.values())
        self._open = {}

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides the next samples, as JSON data."""
        return {
            "version": 1,
            "labels": list(self.problem.domains.labels),
            "rng": self._rng.bit_generator.state,
            "plan": [dict(sample) for sample in self._plan],
            "spare": [dict(sample) for sample in self._spare],
            "again": [dict(sample) for sample in self._again],
            "open": [dict(sample) for sample in self._open.values()],
            "told": [dict(told) for told in self._told.values()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where the state was taken.

        Raises:
            StudyError: The state is of another space or version.
        """
        if state.get("version") != 1 or list(state.get("labels", [])) != list(self.problem.domains.labels):
            raise StudyError(
                "strategy state: it was saved by another version or for another search space; start a new search "
                "(the journal's results are reused where the space is the same)."
            )
        self._rng.bit_generator.state = dict(state["rng"])
        self._plan = [dict(sample) for sample in state["plan"]]
        self._spare = [dict(sample) for sample in state["spare"]]
        self._again = [dict(sample) for sample in state["again"]]
        self._open = {self._id(sample): dict(sample) for sample in state["open"]}
        self._told = {self._id(told["sample"]): dict(told) for told in state["told"]}
        self._reason = ""
