"""Tables of a report: columns with units, the best value of each marked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypeVar

from ednas_nni.handover.search import SearchedArchitecture, in_words
from ednas_nni.handover.tables import best_of
from ednas_nni.record.quantities import DELTA_T, SCORES, Quantity
from ednas_nni.report import words
from ednas_nni.report.choices import blocks
from ednas_nni.report.data import SearchView, Trial

MOST_ROWS = 60
N = TypeVar("N", Trial, SearchedArchitecture)
Groups = list[tuple[str, list[Quantity]]]


@dataclass(frozen=True)
class TableCell:
    """One number of a table; `best` marks the best of its column, `edge` the first column of a group."""

    text: str
    best: bool = False
    edge: bool = False


def main_columns(view: SearchView) -> Groups:
    """Columns by group: quality and delta_t, costs, and of each task the metric that enters the quality."""
    size = view.study.get("deploy_size")
    at = f"costs at {size[0]} x {size[1]}" if isinstance(size, list | tuple) and len(size) == 2 else "costs"
    scores = [view.score, *(q for q in view.metrics if q.key in SCORES and q.key != view.score.key)]
    groups = {"": scores, at: list(view.costs)}
    for quantity in view.metrics:
        if quantity.primary:
            groups[quantity.group] = [quantity]
    return [(name, columns) for name, columns in groups.items() if columns]


def metric_columns(view: SearchView) -> Groups:
    """All metrics by task; keys that belong to no task come last."""
    groups: dict[str, list[Quantity]] = {}
    for quantity in sorted(view.metrics, key=lambda q: q.group == "other"):
        groups.setdefault(quantity.group, []).append(quantity)
    return list(groups.items())


def rows(view: SearchView, groups: Groups) -> list[tuple[Trial, list[TableCell]]]:
    """As searched: the front, then named members that are not on it.

    Args:
        view: The search.
        groups: Columns from `main_columns` or `metric_columns`.
    """
    return _rows([*view.front[:MOST_ROWS], *(t for t in view.named if not t.front)], groups)


def confirmed_rows(view: SearchView, groups: Groups) -> list[tuple[SearchedArchitecture, list[TableCell]]]:
    """What was trained with fresh seeds, as means with half of their 95 % interval, the cheapest first."""
    x = view.x
    return _rows(sorted(view.record.confirmed, key=lambda a: (x and a.value(x.key)) or 0.0), groups)


def _rows(networks: list[N], groups: Groups) -> list[tuple[N, list[TableCell]]]:
    columns = [quantity for _, group in groups for quantity in group]
    best = {q.key: best_of(q, networks) for q in columns}
    edges = {group[0].key for _, group in groups}
    return [(n, [_cell(q, n, best[q.key], q.key in edges) for q in columns]) for n in networks]


def has_curves(view: SearchView) -> bool:
    """Whether scores during trainings are worth a plot: not where every training is scored at its end alone."""
    return max((len(trial.curve) for trial in view.trials), default=0) != 1


def places(view: SearchView) -> list[str]:
    """Places of the space, such as stages, in the order of the front's networks."""
    return list(dict.fromkeys(place for trial in view.front for place, _ in blocks(trial.choices)))


def _cell(quantity: Quantity, network: Trial | SearchedArchitecture, best: float | None, edge: bool) -> TableCell:
    value = network.value(quantity.key)
    if isinstance(network, Trial):
        text = words.delta_t(network) if quantity.key == DELTA_T.key else quantity.number(value)
    else:
        spread = network.interval(quantity.key)
        text = quantity.number(value) if spread is None else in_words(quantity, spread)
    return TableCell(text, best is not None and value == best, edge)


def versions(view: SearchView) -> list[tuple[str, str]]:
    """Provenance as (name, value). Folders of the machine are left out: a report is handed around."""
    head, starts = view.head, view.history.starts
    resumes = sum(start.mode == "resume" for start in starts)
    values = {
        "experiment": head.experiment,
        "engine": head.engine,
        "EDNAS": head.ednas,
        "NNI": head.nni,
        "torch": head.torch,
        "Python": head.python,
        "study digest": head.digest,
        "data fingerprint": head.data,
        "concurrent trials": head.concurrency,
        "trials allowed at the start": head.trials,
        "started / resumed": f"{len(starts) - resumes} / {resumes}" if starts else None,
        "journal": view.history.path.name,
    }
    texts = {name: str(value) for name, value in values.items() if value not in (None, "")}
    return [(name, text if len(text) <= 200 else text[:199] + "…") for name, text in texts.items()]


def study_text(view: SearchView) -> str:
    """The whole study as YAML."""
    import yaml

    try:
        return yaml.safe_dump(json.loads(json.dumps(dict(view.study))), sort_keys=False, allow_unicode=True, width=100)
    except (TypeError, ValueError, yaml.YAMLError):
        return repr(view.study)
