"""The front of a search: its feasible results that no other one beats in every objective; and those that lead it.

Which of them lead, when not all are asked for: the one of the best score, whose value is the most likely to be luck,
then those that add most to the front's hypervolume, one after the other, so that they are spread over what they cost.
The anchor point lies beyond the worst of every axis over all results, so that ends count a little. Example, quality
against ms with anchor (0, 20): after (0.45, 10), which holds 4.5, the network (0.40, 4) adds 2.4 and (0.10, 2) 0.8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias, TypeVar

import numpy as np

from ednas_nni.errors import EdnasError
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import History, TrialRecord
from ednas_nni.study import StopOptions, pareto
from ednas_nni.study.objectives import Constraint, Objective, parse_constraint, parse_objective, value_of

T = TypeVar("T")
Point: TypeAlias = "tuple[Mapping[str, float], Mapping[str, float]]"
"""Metrics and costs."""


def objectives_of(head: JournalHead | None) -> tuple[Objective, ...]:
    """The axes of a search's front; quality where the journal names none that can be read."""
    return _parsed(parse_objective, head.study.get("objectives") if head else None) or (parse_objective("quality"),)


def constraints_of(head: JournalHead | None) -> tuple[Constraint, ...]:
    """The limits as they are checked: from above on the upper bound of a cost that is known up to an interval."""
    if head is None:
        return ()
    upper = {column.name: column.upper for column in head.columns or () if column.upper}
    limits = _parsed(parse_constraint, head.study.get("constraints"))
    return tuple(replace(c, name=upper.get(c.name, c.name)) if c.op == "<=" else c for c in limits)


def _parsed(parse: Callable[[str], T], texts: object) -> tuple[T, ...]:
    """What can be read: a reader must not fail over a study that an older version accepted."""
    parsed = []
    for text in texts if isinstance(texts, list | tuple) else []:
        with suppress(EdnasError):
            parsed.append(parse(text))
    return tuple(parsed)


def feasible(results: Mapping[T, TrialRecord], constraints: Iterable[Constraint]) -> dict[T, TrialRecord]:
    """Results that meet the limits; a job that was added by hand may not. A cost that is not known does not count."""
    limits = tuple(constraints)
    return {k: r for k, r in results.items() if all(c.holds(r.costs[c.name]) for c in limits if c.name in r.costs)}


def figures(results: Mapping[T, TrialRecord]) -> dict[T, Point]:
    """Metrics and costs of results."""
    return {key: (record.metrics, record.costs) for key, record in results.items()}


def front_keys(points: Mapping[T, Point], objectives: Iterable[Objective]) -> list[T]:
    """Keys of what nothing beats, in the order given; a point that lacks an objective has no place on the front."""
    axes = tuple(objectives)
    values = _values(points, axes)
    keys = list(values)
    return [keys[i] for i in pareto.front(list(values.values()), [a.direction for a in axes])] if keys else []


def front_of(history: History) -> list[TrialRecord]:
    """The front of a journal, in the order of submission; the first result of each architecture counts."""
    results = feasible(history.results, constraints_of(history.head))
    return [results[key] for key in front_keys(figures(results), objectives_of(history.head))]


def growth(history: History) -> list[float]:
    """The front's hypervolume after the first, second, ... result of a search, as a share of a box.

    The box reaches from the best value of each axis over all results to the worst of those that do not lie far out, by
    three times the width of the middle half: one that nearly diverged would make every later gain look small.
    """
    axes = objectives_of(history.head)
    directions = [axis.direction for axis in axes]
    results = figures(feasible(history.results, constraints_of(history.head)))
    values = list(_values(results, axes).values())
    if not values:
        return []
    points = pareto.oriented(values, directions)
    best, low, high = points.min(axis=0), *np.quantile(points, (0.25, 0.75), axis=0)
    worst = np.minimum(points.max(axis=0), high + 3 * (high - low))
    scaled = (points - best) / np.where(worst > best, worst - best, 1.0)
    return pareto.hypervolumes(scaled, np.ones(len(axes)), ["min"] * len(axes))


def plateau(history: History, options: StopOptions) -> str:
    """Why a search ends that no longer grows; "" while it may go on, or not so long ago has ended for that.

    A search that goes on after its end, by a resume, is judged by the results that it has had since,
    as is one that has started from others' results.
    """
    volumes, over = growth(history), options.over
    before = max(history.ended_with, len(history.all_trials) - len(history.own), 1)
    if len(volumes) - before < over or not volumes[-1]:
        return ""
    gain = 1 - volumes[-1 - over] / volumes[-1]
    if gain >= options.hypervolume_gain_below:
        return ""
    limit = f"stop_when: less than {options.hypervolume_gain_below:.3g}"
    return f"the last {over} of {len(volumes)} results added {gain:.2g} of the front's hypervolume ({limit})"


def _values(points: Mapping[T, Point], axes: Iterable[Objective]) -> dict[T, list[float]]:
    """Of those that have every objective."""
    values = {}
    for key, (metrics, costs) in points.items():
        with suppress(KeyError, TypeError, ValueError):
            values[key] = [value_of(axis, metrics, costs) for axis in axes]
    return values


def leading(points: Mapping[T, Point], objectives: Iterable[Objective], count: int) -> list[T]:
    """Keys of at most so many results that lead the front of all of these, see above; the best score comes first."""
    axes = tuple(objectives)
    directions = [axis.direction for axis in axes]
    front = front_keys(points, axes)
    if not front or not count:
        return []
    values = _values(points, axes)
    everyone = pareto.oriented(list(values.values()), directions)
    least = everyone.min(axis=0)
    spread = [width or 1.0 for width in everyone.max(axis=0) - least]
    scaled = (pareto.oriented([values[key] for key in front], directions) - least) / spread
    anchor, low = [1.1] * len(axes), ["min"] * len(axes)
    chosen = [max(range(len(front)), key=lambda i: points[front[i]][0].get("default", 0.0))]
    while len(chosen) < min(count, len(front)):
        rest = [i for i in range(len(front)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: pareto.hypervolume(scaled[[*chosen, i]], anchor, low)))
    return [front[i] for i in chosen]
