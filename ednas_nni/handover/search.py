"""A search as what it hands over: architectures with their values, confirmed where they were; one of them picked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ednas_nni.baselines import Comparison
from ednas_nni.baselines.interval import MeanInterval, mean_interval
from ednas_nni.errors import BaselineError, JournalError, SampleError, did_you_mean
from ednas_nni.handover.picking import pick
from ednas_nni.record.events import Confirmed
from ednas_nni.record.front import constraints_of, feasible, front_keys, objectives_of
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import History, load
from ednas_nni.record.kept_weights import weights_file
from ednas_nni.record.locate import journal_of
from ednas_nni.record.quantities import (
    QUALITY,
    QUALITY_INT8,
    QUALITY_KEY,
    SCORES,
    Quantity,
    cost_quantities,
    metric_quantities,
    value_in,
)
from ednas_nni.record.whole_file import write_whole
from ednas_nni.space.dimensions import Sample
from ednas_nni.study import parse
from ednas_nni.study.objectives import DELTA_T, IN_INT8, Objective, score_of

if TYPE_CHECKING:
    from ednas_nni.search.assembled import Assembled

ID = re.compile("[0-9a-f]{4,10}")


@dataclass(frozen=True)
class SearchedArchitecture:
    """An architecture of a search with what is known of it.

    Attributes:
        architecture: Its id.
        name: Name of the member of the space that it is, "" for others.
        sample: Its canonical sample.
        costs: Cost name with unit -> value at the deployment size.
        searched: Final metrics of its one training in the search; {} for a member that was not trained there.
        confirmed: Final metrics of its trainings with fresh seeds, scored on `select`; () where there are none.
        against: Single-task baselines that the last of these measured its delta_t against; None without.
        weights: File of the weights that its trial left; None where they are not kept.
        reason: Why it was picked; "" for one that was not.
    """

    architecture: str
    name: str
    sample: Sample = field(repr=False)
    costs: Mapping[str, float] = field(repr=False)
    searched: Mapping[str, float] = field(repr=False)
    confirmed: tuple[Mapping[str, float], ...] = field(default=(), repr=False)
    against: Comparison | None = field(default=None, repr=False)
    weights: Path | None = field(default=None, repr=False)
    reason: str = ""

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Means of the confirmed trainings where there are some, else what the search measured."""
        if not self.confirmed:
            return self.searched
        keys = set.intersection(*(set(run) for run in self.confirmed))
        names = [k for k in self.confirmed[0] if k in keys and (k in (self.searched or keys) or k.endswith(IN_INT8))]
        return {k: sum(run[k] for run in self.confirmed) / len(self.confirmed) for k in names}

    def value(self, key: str) -> float | None:
        """A cost, a metric or "quality" by name; None where there is none."""
        return value_in(key, self.costs, self.metrics)

    def interval(self, key: str) -> MeanInterval | None:
        """Mean of a confirmed metric with its 95 % interval (of delta_t with that of its baselines); None: no such."""
        values = [v for run in self.confirmed if (v := value_in(key, {}, run)) is not None]
        spread = mean_interval(values) if values else None
        if key == DELTA_T and spread is not None and self.against is not None:
            estimate = self.against.estimate(self.confirmed)
            return replace(spread, half=None if estimate.high is None else estimate.high - estimate.value)
        return spread


def in_words(quantity: Quantity, spread: MeanInterval | None) -> str:
    """A mean with half of its interval, like `0.412 ± 0.010`; "-" for None."""
    if spread is None:
        return "-"
    return quantity.number(spread.mean) + ("" if spread.half is None else f" ± {quantity.number(spread.half)}")


@dataclass(frozen=True)
class Front:
    """The front, cheapest first.

    Attributes:
        search: The search that it belongs to.
        members: Its architectures.
    """

    search: SearchRecord
    members: tuple[SearchedArchitecture, ...]

    def __getitem__(self, index: int) -> SearchedArchitecture:
        return self.members[index]

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[SearchedArchitecture]:
        return iter(self.members)

    def pick(
        self, *, limit: str | Sequence[str] = (), weights: Mapping[str, float] | None = None
    ) -> SearchedArchitecture:
        """One architecture; see `ednas_nni.handover.picking.pick`.

        Example:
            >>> from ednas_nni.handover.search import open_search
            >>> open_search("ID").front.pick(limit="latency_ms<=10").architecture  # doctest: +SKIP
        """
        return pick(self.search, (limit,) if isinstance(limit, str) else tuple(limit), weights)

    def to_csv(self, path: str | Path) -> Path:
        """Write every value as CSV; see `ednas_nni.handover.tables.csv_text`."""
        from ednas_nni.handover.tables import csv_text

        write_whole(Path(path), csv_text(self.search))
        return Path(path)


@dataclass(frozen=True)
class SearchRecord:
    """A search, finished or not, as its journal tells it.

    Attributes:
        history: The journal.
        head: Its first line.
    """

    history: History = field(repr=False)
    head: JournalHead = field(repr=False)

    @property
    def experiment(self) -> str:
        """NNI's experiment id."""
        return self.head.experiment or self.history.path.resolve().parent.parent.name

    @cached_property
    def assembled(self) -> Assembled:
        """The study that was searched, ready to build and train its networks."""
        from ednas_nni.search.assembled import Assembled  # a second of imports, not needed to look at a front

        return Assembled(parse(self.head.study, f"the study of {self.experiment}"))

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The axes of the front."""
        return objectives_of(self.head)

    @property
    def searched_how(self) -> str:
        """What stands behind a searched value, such as "inherited from a supernet"."""
        if not self.head.inherits:
            return "one training each"
        evaluator = self.head.study.get("evaluator")
        steps = evaluator.get("steps", 0) if isinstance(evaluator, dict) else 0
        return "inherited from a supernet" + (f", {steps} steps more for each" if steps else "")

    @cached_property
    def members(self) -> dict[str, str]:
        """Architecture id -> name, of the named members of the space."""
        return {architecture: name for name, architecture in (self.head.members or {}).items()}

    @cached_property
    def results(self) -> tuple[SearchedArchitecture, ...]:
        """Every architecture with a result that meets the constraints, in the order of submission."""
        runs = confirmations(self.history)
        return tuple(
            SearchedArchitecture(
                architecture=key,
                name=self.members.get(key, ""),
                sample=record.sample,
                costs=record.costs,
                searched=record.metrics,
                **_again(runs.get(key, ())),
                weights=weights_file(self.history, key),
            )
            for key, record in feasible(self.history.results, constraints_of(self.head)).items()
        )

    @cached_property
    def confirmed(self) -> tuple[SearchedArchitecture, ...]:
        """The results that were trained again, and members trained so that the search itself did not score."""
        scored = {result.architecture for result in self.results}
        return tuple(result for result in self.results if result.confirmed) + tuple(
            SearchedArchitecture(key, self.members.get(key, ""), runs[0].sample, runs[0].costs, {}, **_again(runs))
            for key, runs in confirmations(self.history).items()
            if key not in scored and runs[0].sample
        )

    @property
    def searched_front(self) -> tuple[SearchedArchitecture, ...]:
        """The front by the values of the search, where confirmed ones are not looked at."""
        return self.front_among(self.results, searched=True)

    @property
    def front(self) -> Front:
        """The front of the confirmed architectures by their confirmed values; of all, as searched, where none is."""
        return Front(self, self.front_among(self.confirmed) or self.searched_front)

    def front_among(
        self, architectures: Sequence[SearchedArchitecture], searched: bool = False
    ) -> tuple[SearchedArchitecture, ...]:
        """What none of the others beats, cheapest first."""
        by_id = {a.architecture: a for a in architectures}
        points = {key: (a.searched if searched else a.metrics, a.costs) for key, a in by_id.items()}
        front = [by_id[key] for key in front_keys(points, self.objectives)]
        cost = self.x.key if self.x is not None else ""
        return tuple(sorted(front, key=lambda a: a.costs.get(cost, 0.0)))

    # ---- quantities

    @property
    def score(self) -> Quantity:
        """What trials are ranked by: quality or delta_t."""
        return SCORES[score_of(self.objectives)]

    @cached_property
    def costs(self) -> tuple[Quantity, ...]:
        """Cost columns."""
        costs = cost_quantities(self.head.columns or (), [trial.costs for trial in self.history.trials])
        return self._directed(costs)

    @cached_property
    def metrics(self) -> tuple[Quantity, ...]:
        """Metrics that trials reported, grouped by task."""
        results = [record.metrics for record in self.history.results.values()]
        usual, confirmed = {key for one in results for key in one}, [event.metrics for event in self.history.confirmed]
        finished = [{k: v for k, v in one.items() if k in usual or QUALITY_INT8.key in one} for one in confirmed]
        return self._directed(metric_quantities(self.head.tasks or (), [*results, *finished]))

    def _directed(self, quantities: Sequence[Quantity]) -> tuple[Quantity, ...]:
        """With the direction that the study gives to an objective, whatever is usual."""
        directions = {o.name: o.direction for o in self.objectives}
        return tuple(replace(q, direction=directions.get(q.key, q.direction)) for q in quantities)

    @cached_property
    def quantities(self) -> dict[str, Quantity]:
        """All of them by name, the score first."""
        scores = {self.score.key: self.score, QUALITY.key: QUALITY}
        return scores | {q.key: q for q in (*self.metrics, *self.costs)}

    @cached_property
    def x(self) -> Quantity | None:
        """The cost to draw and sort by, of those to be small: the first objective, else a latency, else any."""
        low = {q.key: q for q in self.costs if q.direction == "min"}
        names = (*(o.name for o in self.objectives), "latency_ms", *low)
        return next((low[name] for name in names if name in low), None)

    @property
    def y(self) -> Quantity:
        """What to draw against it: the first objective that is no cost, else the score."""
        measured = {q.key: q for q in self.quantities.values() if q.group != "cost"}
        return next((measured[o.name] for o in self.objectives if o.name in measured), self.score)

    # ---- trained again

    def confirm(
        self, top: int = 4, seeds: int = 3, also: Sequence[str] = (), workers: int | None = None, **options: object
    ) -> SearchRecord:
        """Train the front again with fresh seeds; see `ednas_nni.handover.confirming`. Returns the search after it."""
        from ednas_nni.handover.confirming import confirm, planned  # numpy, tqdm and what trains

        confirm(self, planned(self, top, seeds, also, **options), workers)
        return open_search(self.history.path)

    @property
    def optimism(self) -> MeanInterval | None:
        """Mean searched score minus mean confirmed score, over what was confirmed by the study's own recipe.

        The interval is Student's over the differences of the architectures. None where nothing was confirmed so.
        """
        if not self.confirmed or self.confirmed_with:
            return None
        again = [a for a in self.confirmed if a.searched]
        return mean_interval([a.searched[QUALITY_KEY] - a.metrics[QUALITY_KEY] for a in again]) if again else None

    @property
    def optimism_in_words(self) -> str:
        """How far the searched values are to be believed, one sentence; "" where confirmed ones say nothing of it."""
        if self.confirmed_with:
            options = ", ".join(f"{name} = {value}" for name, value in self.confirmed_with.items())
            if self.head.inherits:
                return f"Searched values are inherited from a supernet; confirmed ones were trained on ({options})."
            return f"Confirmed by another recipe than searched ({options}), so the two say nothing of each other."
        optimism = self.optimism
        if optimism is None:
            return ""
        how = "optimistic" if optimism.mean > 0 else "pessimistic"
        size = in_words(self.score, MeanInterval(abs(optimism.mean), optimism.half, optimism.n))
        return (
            f"The search was {how} by {size} {self.score.label} (mean of searched minus confirmed over "
            f"n = {optimism.n} architectures, on the search and the select images)."
        )

    @property
    def confirmed_with(self) -> Mapping[str, object]:
        """Options of the evaluator that confirmed trainings have beyond the study's."""
        evaluator = self.head.study.get("evaluator")
        own = evaluator if isinstance(evaluator, dict) else {}
        options = self.history.confirmed[-1].options if self.history.confirmed else {}
        return {name: value for name, value in options.items() if name not in own or own[name] != value}

    # ---- one of them

    def architecture(self, wanted: str) -> SearchedArchitecture:
        """An architecture by id, by the beginning of its id, or by its member's name.

        Raises:
            SampleError: The search has none of that name.
        """
        ids = {result.architecture: result for result in (*self.results, *self.confirmed)}
        names = {result.name: result for result in ids.values() if result.name}
        if wanted in names:
            return names[wanted]
        begins = [key for key in ids if key.startswith(wanted)] if ID.fullmatch(wanted) else []
        if len(begins) == 1:
            return ids[begins[0]]
        if begins:
            raise SampleError(
                f"{len(begins)} architectures of {self.experiment} begin with {wanted!r}: write more of it."
            )
        if wanted in (self.head.members or {}):
            return self._untrained(wanted)
        none = f"search {self.experiment} has no architecture {wanted!r}."
        if ID.fullmatch(wanted):
            raise SampleError(none + did_you_mean(wanted, ids))
        also = f" Or one of its {len(ids)} ids, as `ednas report {self.experiment}` lists them."
        raise SampleError(none + did_you_mean(wanted, self.head.members or names) + also)

    def _untrained(self, member: str) -> SearchedArchitecture:
        problem = self.assembled.problem
        sample = problem.domains.complete(self.assembled.member(member))
        return SearchedArchitecture(
            problem.domains.architecture_id(sample), member, sample, problem.cost_dict(sample), {}
        )


def confirmations(history: History) -> dict[str, list[Confirmed]]:
    """Architecture id -> its trainings with fresh seeds, one a seed, of the recipe that was confirmed with last."""
    options = history.confirmed[-1].options if history.confirmed else {}
    runs: dict[str, dict[int, Confirmed]] = {}
    for event in history.confirmed:
        if event.options == options:
            runs.setdefault(event.architecture, {})[event.seed] = event
    return {key: list(by_seed.values()) for key, by_seed in runs.items()}


def _again(runs: Sequence[Confirmed]) -> dict[str, Any]:
    """Fields of a `SearchedArchitecture`, from its trainings with fresh seeds."""
    against = references_in(runs[-1]) if runs else None
    return {"confirmed": tuple(run.metrics for run in runs), "against": against}


def references_in(event: JournalHead | Confirmed) -> Comparison | None:
    """The baselines that a journal holds there; None where there are none, or none that this version can read."""
    try:
        return Comparison.parse(event.references)
    except BaselineError:
        return None


def open_search(where: str | Path) -> SearchRecord:
    """Open a search.

    Args:
        where: Experiment id, folder of an experiment, journal file, or "latest".

    Raises:
        JournalError: There is none, or its journal is damaged.
    """
    history = load(journal_of(str(where)))
    if history.head is None:
        raise JournalError(f"{history.path}: the search has not begun: the journal's first line is missing.")
    return SearchRecord(history, history.head)
