"""What a report shows, as plain objects computed from the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ednas_nni.baselines import Comparison
from ednas_nni.baselines.interval import DeltaTEstimate
from ednas_nni.errors import BaselineError, EdnasError
from ednas_nni.handover.search import SearchRecord, references_in
from ednas_nni.record.events import Status
from ednas_nni.record.front import constraints_of, feasible, growth
from ednas_nni.record.head import DataRecord, JournalHead
from ednas_nni.record.journal import History, TrialRecord
from ednas_nni.record.quantities import Quantity, value_in
from ednas_nni.space.dimensions import Sample, Scalar
from ednas_nni.space.domains import Domains
from ednas_nni.study.objectives import DELTA_T, Constraint, Objective


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        name: Name of the member of the space that it is, e.g. "mobilenet_v2", else "".
        quality: What it is ranked by, its metric `default`: the quality, or delta_t in percent where the search is for
            that. Larger is better; None without a result.
        costs: Cost name -> value at the deployment size.
        curve: (report number, quality) in the order of arrival.
        seconds: From submission to end, None while running.
        cause: Why it failed or was cancelled.
        job: NNI's trial job id, None if it never started.
        choices: Label -> choice of the labels that matter.
        front: Whether nothing dominates it.
        delta_t: Delta_T with its interval, None where it was not measured.
    """

    number: int
    architecture: str
    name: str
    status: Status
    quality: float | None
    costs: Mapping[str, float]
    metrics: Mapping[str, float]
    curve: tuple[tuple[float, float], ...]
    seconds: float | None
    cause: str
    job: str | None
    choices: Mapping[str, Scalar]
    front: bool = False
    delta_t: DeltaTEstimate | None = None

    def value(self, key: str) -> float | None:
        """A cost, a metric or "quality" by name; None where there is none."""
        return value_in(key, self.costs, self.metrics)


@dataclass(frozen=True)
class SearchView:
    """A whole search.

    Attributes:
        head: The journal's head: versions, digest, data fingerprint; `study` is the study as plain data.
        objectives: Axes of the front.
        metrics: Metric columns in the order of the tasks.
        trials: In the order of submission.
        front: Trials that nothing dominates, one per architecture, cheapest first.
        score: What trials are ranked by: quality or delta_t.
        compared: Single-task baselines that delta_t was measured against, None where the journal holds none.
        x: Horizontal axis of the front plot, None where the search knows no cost; `y` is the vertical one.
        domains: The search space, None where the journal does not hold a readable one.
        history: For counts, notes and reasons.
        growth: Hypervolume after each result, see `ednas_nni.record.front.growth`.
        record: The same search as what it hands over: confirmed values, the front that counts.
    """

    experiment: str
    folder: Path
    head: JournalHead
    study: Mapping[str, Any]
    data: DataRecord
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    costs: tuple[Quantity, ...]
    metrics: tuple[Quantity, ...]
    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    score: Quantity
    compared: Comparison | None
    x: Quantity | None
    y: Quantity
    domains: Domains | None
    history: History = field(repr=False)
    growth: Sequence[float] = field(repr=False)
    record: SearchRecord = field(repr=False)

    @cached_property
    def results(self) -> tuple[Trial, ...]:
        """The first trained trial of each architecture that meets the constraints, as of `record`."""
        by_number = {trial.number: trial for trial in self.trials}
        return tuple(by_number[r.trial] for r in feasible(self.history.results, self.constraints).values())

    @cached_property
    def best(self) -> Trial | None:
        """The result with the highest score, None without results."""
        return max(self.results, key=lambda t: (t.quality or 0.0, -t.number), default=None)

    def points(self, x: Quantity, y: Quantity) -> list[tuple[Trial, float, float]]:
        """The results that have both quantities, with their values."""
        values = [(trial, trial.value(x.key), trial.value(y.key)) for trial in self.results]
        return [(trial, a, b) for trial, a, b in values if a is not None and b is not None]

    @property
    def named(self) -> tuple[Trial, ...]:
        """Results that are named members of the space."""
        return tuple(trial for trial in self.results if trial.name)

    def count(self, status: str) -> int:
        """Number of trials with a status."""
        return sum(trial.status == status for trial in self.trials)


def view(history: History) -> SearchView:
    """Compute everything that a report shows.

    Args:
        history: A journal read as a whole; an empty, running or aborted search is fine.
    """
    head = history.head or JournalHead()
    study, given = head.study, head.study.get("data")
    name = str(given.get("name", "?") if isinstance(given, dict) else given or "unknown data")
    data = head.data_set or DataRecord(name=name)  # a head of version 0.1 says no more
    domains = _domains(head)
    members = {architecture: name for name, architecture in (head.members or {}).items()}
    against = references_in(head)
    trials = [_trial(record, domains, members, against) for record in history.trials]
    record = SearchRecord(history, head)
    chosen = [history.results[a.architecture].trial for a in record.searched_front]
    trials = [replace(trial, front=trial.number in chosen) for trial in trials]
    front = sorted((trial for trial in trials if trial.front), key=lambda trial: chosen.index(trial.number))
    return SearchView(
        experiment=head.experiment or history.path.parent.parent.name,
        folder=history.path.parent.parent,
        head=head,
        study=study,
        data=data,
        objectives=record.objectives,
        constraints=constraints_of(head),
        costs=record.costs,
        metrics=record.metrics,
        trials=tuple(trials),
        front=tuple(front),
        score=record.score,
        compared=against,
        x=record.x,
        y=record.y,
        domains=domains,
        history=history,
        growth=growth(history),
        record=record,
    )


def _trial(
    record: TrialRecord, domains: Domains | None, members: Mapping[str, str], against: Comparison | None
) -> Trial:
    return Trial(
        number=record.trial,
        architecture=record.architecture,
        name=members.get(record.architecture, ""),
        status=record.status,
        quality=record.quality if record.status == "trained" else None,
        costs=record.costs,
        metrics=record.metrics,
        curve=tuple((step, metrics["default"]) for step, metrics in record.curve.items() if "default" in metrics),
        seconds=record.seconds,
        cause=record.cause,
        job=record.job,
        choices=_active(record.sample, domains),
        delta_t=_estimate(against, record.metrics) if record.status == "trained" else None,
    )


def _active(sample: Sample, domains: Domains | None) -> Sample:
    try:
        return domains.active(domains.complete(sample)) if domains is not None else sample
    except EdnasError:
        return sample


def _domains(head: JournalHead) -> Domains | None:
    try:
        return head.search_space()
    except EdnasError:
        return None


def _estimate(against: Comparison | None, metrics: Mapping[str, float]) -> DeltaTEstimate | None:
    """Delta_T of one trial with its interval.

    None where it did not measure it, or measured it against baselines that the journal does not hold: the value that
    the trial reported must be the one of these baselines.
    """
    reported = metrics.get(DELTA_T)
    if against is None or reported is None:
        return None
    try:
        estimate = against.estimate([metrics])
    except (BaselineError, TypeError, ValueError):
        return None
    return estimate if abs(estimate.value - reported) <= 1e-6 * (1 + abs(reported)) else None
