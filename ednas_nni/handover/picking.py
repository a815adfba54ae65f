"""Pick one network of a front, and say why.

The *knee* is the network from which any step along the front costs more than it gains: each objective is scaled to
[0, 1] over the front (0 = the worst value on it, 1 = the best), and the knee has the largest sum of these gains. With
two objectives that is the point farthest from the line through the front's ends (Das, "On characterizing the knee of
the Pareto curve", 1999). Example, quality against ms: (0.30, 4), (0.45, 6), (0.48, 12) have the gains 0 + 1,
0.83 + 0.75 and 1 + 0; the second is the knee. Weights multiply the gains, so they need no units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ednas_nni.errors import EdnasError, StudyError, did_you_mean
from ednas_nni.record.quantities import QUALITY_KEY, Quantity
from ednas_nni.search.checks import in_full
from ednas_nni.study.objectives import Constraint, parse_constraint

if TYPE_CHECKING:
    from ednas_nni.handover.search import SearchedArchitecture, SearchRecord


def pick(
    search: SearchRecord, limits: Sequence[str] = (), weights: Mapping[str, float] | None = None
) -> SearchedArchitecture:
    """One architecture of a search, with the reason.

    Confirmed architectures go before those that were only searched: these are looked at where none is confirmed, or
    none that is meets the limits.

    Args:
        search: The search.
        limits: Like "latency_ms <= 10", of costs, metrics or quality; a modelled cost meets it with its upper 90 %
            bound, as in a study. What meets them and has the best score is taken.
        weights: Quantity -> how much its range over the front counts. Without weights and limits the knee is taken.

    Raises:
        StudyError: A limit or a weight names nothing that the search knows, or cannot be read.
        EdnasError: The search has no result, or none that meets the limits.
    """
    bounds = [_limit(search, text) for text in limits]
    for name, weight in (weights or {}).items():
        if not search_quantity(search, name, "weights").direction:
            raise StudyError(f"weights: whether much or little {name} is better is not known. Weigh another quantity.")
        if not math.isfinite(weight) or weight <= 0:
            raise StudyError(
                f"weights: {name} = {weight:g}; a weight is above 0. Leave {name} out where it does not count."
            )
    confirmed = [a for a in search.confirmed if _meets(a, bounds)]
    candidates = confirmed or [a for a in search.results if _meets(a, bounds)]
    if not candidates:
        raise EdnasError(_nothing(search, bounds))
    front = search.front_among(candidates)
    if not front:
        raise EdnasError(
            f"search {search.experiment}: no result has every objective, so there is no front to pick from."
        )
    axes = {o.name: 1.0 for o in search.objectives}
    if bounds and not weights:
        best = max(front, key=lambda a: a.metrics.get(QUALITY_KEY, -math.inf))
        why = f"the best {search.score.label} where {' and '.join(map(str, bounds))}"
    else:
        gains = _gains(search, front, weights or axes)
        best = max(front, key=lambda a: (gains[a.architecture], a.metrics.get(QUALITY_KEY, -math.inf)))
        named = ", ".join(f"{name}={weight:g}" for name, weight in (weights or {}).items())
        why = f"the largest weighted gain ({named})" if weights else "the knee"
        why += f" where {' and '.join(map(str, bounds))}" if bounds else ""
    what = (
        f"{len(front)} confirmed by fresh seeds"
        if confirmed
        else f"{len(front)} searched{', ' if search.head.inherits else ' with '}{search.searched_how}"
    )
    return replace(best, reason=f"{why}, on the front of {what}")


def search_quantity(search: SearchRecord, name: str, field: str) -> Quantity:
    """A quantity by name.

    Raises:
        StudyError: The search does not know it.
    """
    if name not in search.quantities:
        hint = in_full(name, {q.key: q.device for q in search.costs}) or did_you_mean(name, search.quantities)
        raise StudyError(f"{field}: {name!r} is no quantity of this search.{hint}")
    return search.quantities[name]


def _limit(search: SearchRecord, text: str) -> Constraint:
    try:
        bound = parse_constraint(text)
    except StudyError as error:
        raise StudyError(str(error).replace("constraints:", "limit:", 1)) from None
    search_quantity(search, bound.name, "limit")
    upper = f"{bound.name}_upper90"  # where a study's constraint is checked too
    return replace(bound, name=upper) if bound.op == "<=" and upper in search.quantities else bound


def _meets(architecture: SearchedArchitecture, bounds: Sequence[Constraint]) -> bool:
    values = [(bound, architecture.value(bound.name)) for bound in bounds]
    return all(value is not None and bound.holds(value) for bound, value in values)


def _gains(
    search: SearchRecord, front: Sequence[SearchedArchitecture], weights: Mapping[str, float]
) -> dict[str, float]:
    """Architecture -> weighted sum of its gains; what has no value gains nothing there."""
    sums = dict.fromkeys((a.architecture for a in front), 0.0)
    for name, weight in weights.items():
        quantity = search.quantities.get(name)
        sign = 1.0 if quantity is not None and quantity.direction == "max" else -1.0
        values = {a.architecture: sign * v for a in front if (v := a.value(name)) is not None}
        low, high = min(values.values(), default=0.0), max(values.values(), default=0.0)
        for key, value in values.items():
            sums[key] += weight * (value - low) / (high - low) if high > low else 0.0
    return sums


def _nothing(search: SearchRecord, bounds: Sequence[Constraint]) -> str:
    """Why nothing can be picked, and how near each limit comes to being met."""
    if not search.results:
        return f"search {search.experiment} has no result yet, so there is nothing to pick."
    parts = []
    for bound in bounds:
        values = [v for a in search.results if (v := a.value(bound.name)) is not None]
        best = (min if bound.op == "<=" else max)(values, default=math.nan)
        parts.append(f"{bound.name} reaches {best:.6g}" if not bound.holds(best) else f"{bound} alone can be met")
    return f"no network of search {search.experiment} meets {' and '.join(map(str, bounds))}: {'; '.join(parts)}."
