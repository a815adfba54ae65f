"""Tables of a report: columns with units, the best value of each marked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ednas_nni.report.data import SearchView, Trial
from ednas_nni.report.quantities import QUALITY, Quantity

MOST_ROWS = 60


@dataclass(frozen=True)
class Cell:
    """One number of a table; `best` marks the best of its column."""

    text: str
    best: bool = False


def front_columns(view: SearchView) -> list[tuple[str, list[Quantity]]]:
    """Columns by group: quality, costs with origin, then the metrics of each task."""
    groups: dict[str, list[Quantity]] = {"": [QUALITY], "cost": list(view.costs)}
    for quantity in view.metrics:
        if quantity.group != "other" or any(t.value(quantity.key) is not None for t in view.front):
            groups.setdefault(quantity.group, []).append(quantity)
    size = view.study.get("deploy_size")
    at = f"costs at {size[0]} x {size[1]}" if isinstance(size, list | tuple) and len(size) == 2 else "costs"
    return [(at if name == "cost" else name, columns) for name, columns in groups.items() if columns]


def front_rows(view: SearchView) -> list[tuple[Trial, list[Cell]]]:
    """The front, then named members that are not on it."""
    columns = [quantity for _, group in front_columns(view) for quantity in group]
    trials = [*view.front[:MOST_ROWS], *(t for t in view.references if not t.front)]
    best = {q.key: _best(q, trials) for q in columns}
    return [(t, [_cell(q, t.value(q.key), best[q.key]) for q in columns]) for t in trials]


def _best(quantity: Quantity, trials: list[Trial]) -> float | None:
    values = [v for t in trials if (v := t.value(quantity.key)) is not None]
    if len(values) < 2 or not quantity.direction:
        return None
    return max(values) if quantity.direction == "max" else min(values)


def _cell(quantity: Quantity, value: float | None, best: float | None) -> Cell:
    return Cell(quantity.number(value), best is not None and value == best)


def versions(view: SearchView) -> list[tuple[str, str]]:
    """Provenance as (name, value)."""
    names = {
        "experiment": "experiment",
        "ednas": "EDNAS",
        "nni": "NNI",
        "torch": "torch",
        "python": "Python",
        "digest": "study digest",
        "data": "data fingerprint",
        "concurrency": "concurrent trials",
        "trials": "trials allowed",
    }
    header = view.header
    found = [(shown, _short(header[name])) for name, shown in names.items() if header.get(name) is not None]
    starts = view.history.starts
    resumes = sum(start.get("mode") == "resume" for start in starts)
    if starts:
        found.append(("started / resumed", f"{len(starts) - resumes} / {resumes}"))
    found.append(("journal", view.history.path.name))
    return found


def study_text(view: SearchView) -> str:
    """The whole study as YAML."""
    import yaml

    try:
        return yaml.safe_dump(json.loads(json.dumps(dict(view.study))), sort_keys=False, allow_unicode=True, width=100)
    except (TypeError, ValueError, yaml.YAMLError):
        return repr(view.study)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 200 else text[:199] + "…"
