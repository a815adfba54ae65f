"""The front as a table for other programs (CSV) and for papers (LaTeX)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ednas_nni.record.quantities import Quantity

if TYPE_CHECKING:
    from ednas_nni.handover.search import SearchedArchitecture, SearchRecord
    from ednas_nni.report.data import Trial


def csv_text(search: SearchRecord) -> str:
    """One line an architecture of the front, in the journal's units.

    Columns: architecture, name, trainings (n of the confirmed values, 0 = searched once), the score, its half interval
    and its searched value, then every metric (mean over the trainings) and every cost.
    """
    columns = [q for q in search.quantities.values() if q.key != search.score.key]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    score = search.score.key
    heads = ["architecture", "name", "trainings", score, f"{score}_half_interval_95", f"{score}_searched"]
    writer.writerow([*heads, *(q.key for q in columns)])
    for a in search.front:
        spread = a.interval(score)
        half = "" if spread is None or spread.half is None else repr(spread.half)
        row = [a.architecture, a.name, len(a.confirmed), _plain(a.value(score)), half]
        writer.writerow([*row, _plain(a.searched.get("default")), *(_plain(a.value(q.key)) for q in columns)])
    return text.getvalue()


def _plain(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def latex_text(search: SearchRecord) -> str:
    """A `tabular` of score, objectives and each task's primary metric, with the best of each column in bold."""
    chosen = {search.score.key: search.score}
    chosen |= {q.key: q for q in search.metrics if q.primary} | {q.key: q for q in search.costs}
    columns = [q for q in chosen.values() if any(a.value(q.key) is not None for a in search.front)]
    best = {q.key: best_of(q, search.front) for q in columns}
    rows = [[tex(a.name or a.architecture), *(_cell(a, q, best[q.key]) for q in columns)] for a in search.front]
    trainings = [len(a.confirmed) for a in search.front if a.confirmed]
    of = f"means of {span(trainings)} trainings on select" if trainings else search.searched_how
    heads = ["architecture", *map(_head, columns)]
    return "\n".join([f"% search {search.experiment}: {of}", *tabular(heads, rows), ""])


def span(counts: Iterable[int]) -> str:
    """How many, like `3`, or `1 to 3` where they differ; at least one."""
    ordered = sorted(counts)
    return " to ".join(map(str, dict.fromkeys((ordered[0], ordered[-1]))))


def tabular(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a LaTeX table: the first column flush left, figures flush right."""
    lines = [" & ".join(cells) + r" \\" for cells in (heads, *rows)]
    columns = "l" + "r" * (len(heads) - 1)
    return [rf"\begin{{tabular}}{{{columns}}}", r"\hline", lines[0], r"\hline", *lines[1:], r"\hline", r"\end{tabular}"]


def _head(quantity: Quantity) -> str:
    task, unit = f"{quantity.group} " if quantity.primary else "", f" [{quantity.unit}]" if quantity.unit else ""
    arrow = {"max": r" $\uparrow$", "min": r" $\downarrow$"}.get(quantity.direction, "")
    return tex(f"{task}{quantity.label}{unit}") + arrow


def best_of(quantity: Quantity, networks: Iterable[SearchedArchitecture | Trial]) -> float | None:
    """The best value; None where networks do not differ, as nothing is the best of equals."""
    values = [v for network in networks if (v := network.value(quantity.key)) is not None]
    if len(set(values)) < 2 or not quantity.direction:
        return None
    return max(values) if quantity.direction == "max" else min(values)


def _cell(architecture: SearchedArchitecture, quantity: Quantity, best: float | None) -> str:
    value, spread = architecture.value(quantity.key), architecture.interval(quantity.key)
    text = tex(quantity.number(value))
    if spread is not None and spread.half is not None:
        text += rf" $\pm$ {quantity.number(spread.half)}"
    return rf"\textbf{{{text}}}" if value is not None and value == best else text


def tex(text: str) -> str:
    """Text as LaTeX."""
    text = text.replace("\\", "/").replace("~", "-").replace("^", "")
    return re.sub(r"([&%$#_{}])", r"\\\1", text).replace("δ", r"$\delta$").replace("±", r"$\pm$")
