"""Several searches side by side: what their studies differ in names arms, and seeds repeat an arm.

The idea: fronts are curves, and curves of several seeds cannot be averaged as they stand. Two figures of a front can.
The first is the best score at no more cost than a limit. The second is the share of hypervolume: what the front
dominates of the box between the best and the worst value of each axis over all results of all searches, so 1 would be
one network that is the best in everything, and every search is measured in the same box. Both are given with Student's
95 % interval over an arm's searches, and the difference to the first arm pairs searches of equal seeds.

Example, quality against ms, box from (0.1, 20) to (0.5, 10): a front of (0.3, 10) alone dominates half of it, 0.50.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ednas_nni.baselines.interval import MeanInterval, mean_interval
from ednas_nni.errors import EdnasError
from ednas_nni.handover.search import SearchedArchitecture, SearchRecord, in_words
from ednas_nni.handover.tables import span, tabular, tex
from ednas_nni.record.front import objectives_of
from ednas_nni.record.head import JournalHead
from ednas_nni.record.quantities import SCORES, Quantity, value_in
from ednas_nni.study import Study, pareto

SHARES = (0.25, 0.5, 1.0)
"""Limits are costs which so many of the networks on all fronts do not exceed."""
HYPERVOLUME = Quantity("hypervolume", "share of hypervolume, as searched", direction="max")
SEARCHED = "searched values"


@dataclass(frozen=True)
class Arm:
    """Searches of equal studies but for their seeds; `name` says what the other arms have otherwise."""

    name: str
    searches: tuple[SearchRecord, ...]

    @property
    def size(self) -> str:
        """Like `3 searches of 24 networks`: those with a result, `of 20 to 24 networks` where searches differ."""
        n, networks = len(self.searches), span(len(search.results) for search in self.searches)
        return f"{n} search{'' if n == 1 else 'es'} of {networks} network{'' if networks == '1' else 's'}"


@dataclass(frozen=True)
class ArmFigure:
    """One figure of an arm.

    Attributes:
        spread: Mean and interval over the arm's searches that have it; None where none has.
        lacking: Searches without it, such as those that have no network within a limit.
        ahead: Mean lead over the first arm, above 0 where it is better, over pairs of equal seeds; None for the first
            arm, or without pairs.
    """

    spread: MeanInterval | None
    lacking: int
    ahead: MeanInterval | None


@dataclass(frozen=True)
class ArmColumn:
    """A figure of every arm, under one heading."""

    heading: str
    quantity: Quantity
    figures: tuple[ArmFigure, ...]

    def texts(self, i: int) -> tuple[str, str]:
        """Of an arm: its figure, like `0.412 ± 0.010 (4 of 5)`, and its lead over the first, "" where there is none."""
        figure = self.figures[i]
        n = figure.spread.n if figure.spread is not None else 0
        having = f" ({n} of {n + figure.lacking})" if figure.lacking else ""
        ahead = "" if figure.ahead is None else in_words(self.quantity, figure.ahead)
        return in_words(self.quantity, figure.spread) + having, ahead if ahead[:1] in ("-", "") else f"+{ahead}"


@dataclass(frozen=True)
class ArmComparison:
    """Arms with their figures.

    Attributes:
        arms: In the order of their first search.
        confirmed: Whether fronts and scores at limits are those of networks trained again with fresh seeds: where every
            search has some. Otherwise all are as searched, so that like is compared with like.
        at: Costs that scores are given at; () = see `limits`.
    """

    arms: tuple[Arm, ...]
    confirmed: bool
    at: tuple[float, ...] = ()

    @property
    def searches(self) -> Iterator[SearchRecord]:
        """All of them."""
        return (search for arm in self.arms for search in arm.searches)

    @property
    def y(self) -> Quantity:
        """The score."""
        return self.arms[0].searches[0].y

    @property
    def x(self) -> Quantity | None:
        """The cost; None where the searches know none."""
        return self.arms[0].searches[0].x

    def front(self, search: SearchRecord) -> tuple[SearchedArchitecture, ...]:
        """Confirmed or as searched, cheapest first."""
        return search.front.members if self.confirmed else search.searched_front

    def value(self, architecture: SearchedArchitecture, quantity: Quantity) -> float | None:
        """A cost or a metric, from the same trainings as the fronts."""
        metrics = architecture.metrics if self.confirmed else architecture.searched
        return value_in(quantity.key, architecture.costs, metrics)

    def line(self, search: SearchRecord) -> list[tuple[float, float]]:
        """(cost, score) of a search's front; cost 0 where the searches know none."""
        pairs = [(self.value(a, self.x) if self.x else 0.0, self.value(a, self.y)) for a in self.front(search)]
        return [(cost, score) for cost, score in pairs if cost is not None and score is not None]

    def within(self, search: SearchRecord, limit: float) -> float | None:
        """The best score at no more cost than a limit."""
        best = min if self.y.direction == "min" else max
        return best((score for cost, score in self.line(search) if cost <= limit), default=None)

    @cached_property
    def limits(self) -> tuple[float, ...]:
        """Costs that scores are given at; by default those of a cheap, a middle and any network of the fronts."""
        if self.at:
            return self.at
        costs = [cost for search in self.searches for cost, _ in self.line(search)]
        return tuple(dict.fromkeys(map(float, np.quantile(costs, SHARES, method="higher")))) if costs else ()

    @cached_property
    def _box(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        everything = np.concatenate([self._points(search) for search in self.searches])
        return everything.min(axis=0), everything.max(axis=0)

    def _points(self, search: SearchRecord) -> NDArray[np.float64]:
        """Searched values of the objectives, smaller is better (results, axes), in the order of submission."""
        axes = search.objectives
        rows = [[value_in(o.name, a.costs, a.searched) for o in axes] for a in search.results]
        complete = np.array([row for row in rows if None not in row], dtype=np.float64)
        return pareto.oriented(complete, [o.direction for o in axes])

    @cached_property
    def _volumes(self) -> dict[Path, list[float]]:
        best, worst = self._box
        width, anchor, low = np.where(worst > best, worst - best, 1.0), np.ones(len(best)), ["min"] * len(best)
        points = {search.history.path: self._points(search) for search in self.searches}
        return {path: pareto.hypervolumes((here - best) / width, anchor, low) for path, here in points.items()}

    def hypervolume(self, search: SearchRecord) -> list[float]:
        """Share of the box that is dominated after the first, second ... network of a search, as searched."""
        return self._volumes[search.history.path]

    def _column(self, heading: str, quantity: Quantity, value: Callable[[SearchRecord], float | None]) -> ArmColumn:
        values = [
            [(seed_of(search), v) for search in arm.searches if (v := value(search)) is not None] for arm in self.arms
        ]
        first = dict(values[0])
        figures = []
        for i, (arm, here) in enumerate(zip(self.arms, values, strict=True)):
            better = -1 if quantity.direction == "min" else 1
            leads = [better * (v - first[seed]) for seed, v in here if i and seed in first]
            spread = mean_interval([v for _, v in here]) if here else None
            ahead = mean_interval(leads) if leads else None
            figures.append(ArmFigure(spread, len(arm.searches) - len(here), ahead))
        return ArmColumn(heading, quantity, tuple(figures))

    @cached_property
    def columns(self) -> tuple[ArmColumn, ...]:
        """Score at each limit, and share of hypervolume."""
        y, x = self.y, self.x
        heads = [f"{y.label} at {x.text(limit)}" if x else y.label for limit in self.limits]
        scores = [
            self._column(head, y, partial(self.within, limit=limit))
            for head, limit in zip(heads, self.limits, strict=True)
        ]
        return (*scores, self._column(HYPERVOLUME.label, HYPERVOLUME, lambda search: self.hypervolume(search)[-1]))


def measures(head: JournalHead, confirmed: bool) -> dict[str, object]:
    """What a search's scores and costs are of; they can be compared where all of it is equal.

    With `confirmed` it does not matter what stands behind searched values.
    """
    objectives = objectives_of(head)
    names = [objective.name for objective in objectives]
    costs = {column.name for column in head.columns or ()}
    scored = costs.issuperset(names) or bool(SCORES.keys() & set(names))
    return {
        "objectives": list(map(str, objectives)),
        "data": head.data,
        # Quality is a mean over the tasks of what their first metrics say.
        "tasks": [f"{task.name} by {task.primary}" for task in head.tasks or ()] if scored else None,
        "devices": {column.name: column.device for column in head.columns or () if column.name in names},
        SEARCHED: None if confirmed else "inherited" if head.inherits else "one training each",
    }


def check_comparable(searches: Sequence[tuple[str, Mapping[str, object]]]) -> None:
    """Reject searches, by name with their `measures`, whose values say nothing of each other."""
    for (name, one), (other_name, other) in itertools.pairwise(searches):
        for what, value in one.items():
            if value != other[what]:
                way_out = " Confirmed ones do: `ednas confirm ID`, or `finish` in the study." * (what == SEARCHED)
                raise EdnasError(
                    f"{name} and {other_name} have other {what} ({value} and {other[what]}): their scores say nothing "
                    f"of each other.{way_out}"
                )


def compared(searches: Sequence[SearchRecord], at: Sequence[float] = ()) -> ArmComparison:
    """Put searches into arms by what their studies differ in.

    Raises:
        EdnasError: They cannot be compared (`check_comparable`), or one has no result with every objective.
    """
    confirmed = all(search.confirmed for search in searches)
    check_comparable([(search.experiment, measures(search.head, confirmed)) for search in searches])
    for search in searches:
        if not search.searched_front:
            axes = ", ".join(map(str, search.objectives))
            raise EdnasError(f"{search.experiment}: has no result with {axes} yet. Leave it out, or resume it.")
    defaults = Study().dump()  # of fields that are younger than a journal
    fields = [_flat({**defaults, **search.head.study}) for search in searches]
    if confirmed:  # by which recipe, where that is not the study's
        fields = [{**one, **_flat(s.confirmed_with, "confirmed")} for one, s in zip(fields, searches, strict=True)]
    names = dict.fromkeys(name for one in fields for name in one)
    differing = [name for name in names if len({one.get(name, "default") for one in fields}) > 1]
    arms: dict[str, list[SearchRecord]] = {}
    for search, values in zip(searches, fields, strict=True):
        arms.setdefault(", ".join(f"{n} {values.get(n, 'default')}" for n in differing), []).append(search)
    return ArmComparison(
        tuple(Arm(name or "all", tuple(members)) for name, members in arms.items()), confirmed, tuple(at)
    )


def _flat(value: object, name: str = "") -> dict[str, str]:
    """Dotted field -> value as text, of a study as plain data; seeds and the names of plug-ins' fields left out."""
    if isinstance(value, Mapping):
        parts = [_flat(v, f"{name}.{key}".removeprefix(".").removesuffix(".name")) for key, v in value.items()]
        return {key: text for part in parts for key, text in part.items()}
    if name == "seed" or name == "strategy.seed":
        return {}
    return {name: value if isinstance(value, str) else json.dumps(value)}


def seed_of(search: SearchRecord) -> object:
    """What a search repeats an arm with."""
    study = search.head.study
    strategy = study.get("strategy")
    return (study.get("seed"), strategy.get("seed") if isinstance(strategy, Mapping) else None)


def csv_of_searches(comparison: ArmComparison) -> str:
    """One row a search: its arm, seeds, networks, seconds of training, hypervolume, score at each limit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = [f"{comparison.y.key}_at_{limit:g}" for limit in comparison.limits]
    writer.writerow(["arm", "experiment", "seed", "networks", "train_s", "hypervolume", *heads])
    for arm in comparison.arms:
        for search in arm.searches:
            seconds = sum(a.searched.get("train_s", 0.0) for a in search.results)
            scores = [comparison.within(search, limit) for limit in comparison.limits]
            row = [
                arm.name,
                search.experiment,
                search.head.study.get("seed", 0),
                len(search.results),
                round(seconds, 1),
            ]
            writer.writerow([*row, comparison.hypervolume(search)[-1], *("" if s is None else s for s in scores)])
    return text.getvalue()


def latex_of_arms(comparison: ArmComparison) -> str:
    """A `tabular`: arms down, figures across, mean and half of the 95 % interval over an arm's searches."""
    rows = [
        [tex(arm.name), *(tex(column.texts(i)[0]) for column in comparison.columns)]
        for i, arm in enumerate(comparison.arms)
    ]
    return "\n".join([*tabular(["arm", *(tex(column.heading) for column in comparison.columns)], rows), ""])
