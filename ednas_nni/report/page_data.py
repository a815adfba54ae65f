"""What the page's script draws, as plain data: quantities, points, curves, parts of networks, importance of choices."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeAlias

from ednas_nni.handover.stages import NetworkStage
from ednas_nni.record.quantities import QUALITY, Quantity, value_in
from ednas_nni.report.choices import blocks
from ednas_nni.report.data import SearchView
from ednas_nni.report.importance import importance
from ednas_nni.space.dimensions import Sample

_log = logging.getLogger("ednas.report")

Plain: TypeAlias = "dict[str, Any]"
Stages: TypeAlias = "Callable[[Sample], tuple[NetworkStage, ...]]"
"""The parts of the network of a sample. It needs the space, a plug-in, so whoever has that at hand passes it in."""
MOST_PICTURES = 30  # networks whose parts are in the page: about 2 kB each


def page_data(view: SearchView, stages: Stages | None = None) -> Plain:
    """Everything for the script. Without `stages` only choices are listed."""
    quantities = {q.key: q for q in _quantities(view)}
    return {
        "quantities": [_quantity(q) for q in quantities.values()],
        "x": view.x.key if view.x is not None else None,
        "y": view.y.key,
        "score": view.score.key,
        "objectives": {o.name: o.direction for o in view.objectives},
        "limits": [{"key": c.name, "op": c.op, "bound": c.bound} for c in view.constraints],
        "name": view.experiment,
        "inherited": view.head.inherits,
        "points": _points(view, list(quantities), stages),
        "trials": [
            {"n": t.number, "s": t.status, "q": t.quality, "id": t.architecture, "name": t.name, "front": t.front}
            | {"curve": [q for _, q in t.curve]}
            for t in view.trials
        ],
        "growth": view.growth,
        "importance": [{"label": row.label, "shares": row.shares} for row in importance(view)],
    }


def _quantities(view: SearchView) -> list[Quantity]:
    """What can be an axis: the score first, then each task's metrics, then the costs."""
    scores = [view.score] + ([QUALITY] if view.score.key != QUALITY.key else [])
    metrics = [q for q in view.metrics if q.group != "other" and q.key not in {s.key for s in scores}]
    return [*scores, *sorted(metrics, key=lambda q: not q.primary), *view.costs]


def _quantity(q: Quantity) -> Plain:
    name = f"{q.group} {q.label}" if q.group not in ("cost", "quality", "other") else q.label
    origin = ", ".join(part for part in (q.origin, q.device if q.device != q.key else "") if part)
    return {"key": q.key, "name": name, "unit": q.unit, "scale": q.scale, "decimals": q.decimals, "up": q.direction} | {
        "cost": q.group == "cost",
        "note": origin,
    }


def _points(view: SearchView, keys: list[str], stages: Stages | None) -> list[Plain]:
    """One a result, and a member confirmed beside them: searched, confirmed values with half of their interval."""
    searched = {a.architecture for a in view.record.searched_front}
    front = {a.architecture for a in view.record.front}
    trials = {t.architecture: t for t in view.results}
    drawn = [*front, *(searched - front), *(t.architecture for t in view.named)][:MOST_PICTURES]
    points = []
    for a in (*view.record.results, *(a for a in view.record.confirmed if not a.searched)):
        trial = trials.get(a.architecture)
        spreads = {key: a.interval(key) for key in keys}
        points.append(
            {
                "id": a.architecture,
                "name": a.name,
                "trial": trial.number if trial is not None else None,
                "searched": {key: v for key in keys if (v := value_in(key, a.costs, a.searched)) is not None},
                "confirmed": {key: [s.mean, s.half] for key, s in spreads.items() if s is not None},
                "n": len(a.confirmed),
                "onSearched": a.architecture in searched,
                "onFront": a.architecture in front,
                "weights": a.weights is not None,
                "choices": blocks(trial.choices) if trial is not None else [],
                "stages": _stages(stages, a.sample) if a.architecture in drawn else [],
            }
        )
    return points


def _stages(stages: Stages | None, sample: Sample) -> list[Plain]:
    if stages is None:
        return []
    try:
        return [asdict(stage) for stage in stages(sample)]
    except Exception as error:  # the space is a plug-in that may have changed since; its choices are still listed
        _log.warning("the parts of a network cannot be drawn: %s", error)
        return []
