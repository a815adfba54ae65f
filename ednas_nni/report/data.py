"""What a report shows, as plain objects computed from the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ednas_nni.baselines import Comparison
from ednas_nni.baselines.interval import Estimate
from ednas_nni.errors import EdnasError
from ednas_nni.record.journal import History, TrialRecord
from ednas_nni.report import compared
from ednas_nni.report.quantities import QUALITY, SCORES, Quantity, cost_quantities, is_number, metric_quantities
from ednas_nni.report.references import named_members
from ednas_nni.space.domains import Domains
from ednas_nni.study import pareto
from ednas_nni.study.objectives import Constraint, Objective, parse_constraint, parse_objective, score_of, value_of


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        number: Number within the search.
        architecture: Architecture id.
        name: Name of the member of the space that it is, e.g. "mobilenet_v2", else "".
        status: "running", "trained", "failed" or "cancelled".
        quality: What it is ranked by, its metric `default`: the quality, or delta_t in percent where the search is for
            that. Larger is better; None without a result.
        costs: Cost name -> value at the deployment size.
        metrics: Final metrics, flat numbers.
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
    status: str
    quality: float | None
    costs: Mapping[str, float]
    metrics: Mapping[str, Any]
    curve: tuple[tuple[float, float], ...]
    seconds: float | None
    cause: str
    job: str | None
    choices: Mapping[str, Any]
    front: bool = False
    delta_t: Estimate | None = None

    @property
    def scored(self) -> bool:
        """Whether it was trained to the end and has a quality."""
        return self.status == "trained" and self.quality is not None

    def value(self, key: str) -> float | None:
        """A cost, a metric or "quality" by name; None where there is none."""
        found = self.costs.get(key, self.metrics.get(key))
        if found is None and key == QUALITY.key:
            found = self.quality  # a search for delta_t has the quality among its metrics, any other ranks by it
        return float(found) if is_number(found) else None


@dataclass(frozen=True)
class SearchView:
    """A whole search.

    Attributes:
        experiment: Experiment id.
        folder: The experiment's folder.
        header: The journal's head: versions, digest, data fingerprint.
        study: The parsed study as plain data.
        objectives: Axes of the front.
        constraints: Hard bounds.
        costs: Cost columns.
        metrics: Metric columns in the order of the tasks.
        trials: In the order of submission.
        front: Trials that nothing dominates, one per architecture, by the horizontal axis of the front plot.
        best: The trial with the highest score, None without results.
        score: What trials are ranked by: quality or delta_t.
        compared: Single-task baselines that delta_t was measured against, None where the journal holds none.
        x: Horizontal axis of the front plot, None where the search knows no cost.
        y: Vertical axis of the front plot.
        members: Architecture id -> name.
        domains: The search space, None where the journal does not hold a readable one.
        history: For counts, notes and reasons.
    """

    experiment: str
    folder: Path
    header: Mapping[str, Any]
    study: Mapping[str, Any]
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    costs: tuple[Quantity, ...]
    metrics: tuple[Quantity, ...]
    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    best: Trial | None
    score: Quantity
    compared: Comparison | None
    x: Quantity | None
    y: Quantity
    members: Mapping[str, str]
    domains: Domains | None
    history: History = field(repr=False)

    @property
    def results(self) -> tuple[Trial, ...]:
        """The first trained trial of each architecture."""
        first: dict[str, Trial] = {}
        for trial in self.trials:
            if trial.scored:
                first.setdefault(trial.architecture, trial)
        return tuple(first.values())

    @property
    def references(self) -> tuple[Trial, ...]:
        """Results that are named members of the space."""
        return tuple(trial for trial in self.results if trial.name)

    @property
    def plain_front(self) -> bool:
        """Whether the front plot's two axes are all objectives, so that a step line tells the whole truth."""
        return self.x is not None and {o.name for o in self.objectives} == {self.x.key, self.y.key}

    def count(self, status: str) -> int:
        """Number of trials with a status."""
        return sum(trial.status == status for trial in self.trials)


def view(history: History) -> SearchView:
    """Compute everything that a report shows.

    Args:
        history: A journal read as a whole; an empty, running or aborted search is fine.
    """
    header = history.header
    study = header.get("study") if isinstance(header.get("study"), dict) else {}
    objectives = _parsed(parse_objective, study.get("objectives")) or (parse_objective("quality"),)
    domains = _domains(header)
    members = named_members(header, study, domains)
    against = compared.comparison(header)
    trials = [_trial(record, domains, members, against) for record in history.trials]
    costs = cost_quantities(header.get("columns"), [trial.costs for trial in trials])
    metrics = metric_quantities(_names(study.get("tasks")), [trial.metrics for trial in trials if trial.scored])
    score = SCORES[score_of(objectives)]
    x, y = _axes(objectives, costs, metrics, score)
    chosen = front_numbers(trials, objectives)
    trials = [replace(trial, front=trial.number in chosen) for trial in trials]
    front = [trial for trial in trials if trial.front]
    if x is not None:
        front.sort(key=lambda trial: (trial.value(x.key) or 0.0, trial.number))
    return SearchView(
        experiment=str(header.get("experiment") or history.path.parent.parent.name),
        folder=history.path.parent.parent,
        header=header,
        study=study,
        objectives=objectives,
        constraints=_checked(_parsed(parse_constraint, study.get("constraints")), header.get("columns")),
        costs=costs,
        metrics=metrics,
        trials=tuple(trials),
        front=tuple(front),
        best=max((t for t in trials if t.scored), key=lambda t: (t.quality, -t.number), default=None),
        score=score,
        compared=against,
        x=x,
        y=y,
        members=members,
        domains=domains,
        history=history,
    )


def front_numbers(trials: Iterable[Trial], objectives: tuple[Objective, ...]) -> set[int]:
    """Numbers of the trials on the front; the first result of each architecture counts.

    A trial that lacks one of the objectives has no place on the front.
    """
    found: dict[str, tuple[int, list[float]]] = {}
    for trial in trials:
        if not trial.scored or trial.architecture in found:
            continue
        try:
            point = [value_of(objective, trial.metrics, trial.costs) for objective in objectives]
        except (KeyError, TypeError, ValueError):
            continue
        if all(map(is_number, point)):
            found[trial.architecture] = (trial.number, point)
    if not found:
        return set()
    numbers, points = zip(*found.values(), strict=True)
    return {numbers[i] for i in pareto.front(points, [objective.direction for objective in objectives])}


def _trial(
    record: TrialRecord, domains: Domains | None, members: Mapping[str, str], against: Comparison | None
) -> Trial:
    metrics = record.metrics if isinstance(record.metrics, dict) else {}
    ended, began = record.ended_at, record.submitted_at
    return Trial(
        number=record.trial,
        architecture=record.architecture,
        name=members.get(record.architecture, ""),
        status=record.status,
        quality=record.quality if record.status == "trained" else None,
        costs={str(key): value for key, value in (record.costs or {}).items() if is_number(value)},
        metrics=metrics,
        curve=_curve(record),
        seconds=ended - began if is_number(ended) and is_number(began) else None,
        cause=str(record.cause),
        job=record.job,
        choices=_active(record.sample, domains),
        delta_t=compared.estimate(against, metrics) if record.status == "trained" else None,
    )


def _curve(record: TrialRecord) -> tuple[tuple[float, float], ...]:
    """The reports of the last run: a job that was under way when a search stopped is run anew when it is resumed."""
    found: list[tuple[float, float]] = []
    for step, metrics in record.intermediates:
        value = metrics.get("default") if isinstance(metrics, dict) else None
        if is_number(step) and is_number(value):
            if found and step <= found[-1][0]:
                found.clear()
            found.append((float(step), float(value)))
    return tuple(found)


def _active(sample: Any, domains: Domains | None) -> dict[str, Any]:
    if not isinstance(sample, dict):
        return {}
    try:
        return domains.active(domains.complete(sample)) if domains is not None else dict(sample)
    except EdnasError:
        return dict(sample)


def _domains(header: Mapping[str, Any]) -> Domains | None:
    try:
        return Domains.from_json(header["domains"])
    except (EdnasError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _axes(
    objectives: tuple[Objective, ...], costs: tuple[Quantity, ...], metrics: tuple[Quantity, ...], score: Quantity
) -> tuple[Quantity | None, Quantity]:
    """Horizontal: the first minimised objective, else a latency, else any cost. Vertical: the first maximised one."""
    known = {**SCORES, **{q.key: q for q in metrics}, **{q.key: q for q in costs}}
    low = [known[o.name] for o in objectives if not o.maximise and o.name in known]
    high = [known[o.name] for o in objectives if o.maximise and o.name in known]
    low += sorted(costs, key=lambda q: q.key != "latency_ms")
    return (low[0] if low else None), (high[0] if high else score)


def _parsed(parse: Any, texts: Any) -> tuple[Any, ...]:
    """What can be read: a report must not fail over a study that an older version accepted."""
    found = []
    for text in texts if isinstance(texts, list | tuple) else []:
        try:
            found.append(parse(text))
        except EdnasError:
            continue
    return tuple(found)


def _checked(constraints: tuple[Constraint, ...], columns: Any) -> tuple[Constraint, ...]:
    """Limits from above name the upper bound that they are checked on, for a cost that is known up to an interval."""
    listed = [c for c in columns if isinstance(c, Mapping)] if isinstance(columns, list) else []
    upper = {str(c.get("name")): str(c["upper"]) for c in listed if c.get("upper")}
    return tuple(replace(c, name=upper.get(c.name, c.name)) if c.op == "<=" else c for c in constraints)


def _names(value: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list | tuple) else ()
