"""What the tables of a report mark."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.cli import outcome
from ednas_nni.record.journal import load
from ednas_nni.report import tables
from ednas_nni.report.data import view


def marked(found: Any) -> dict[str, tuple[int, int]]:
    """For every column: how many cells are marked as its best, and how many values it has."""
    groups = tables.main_columns(found)
    columns = [quantity for _, group in groups for quantity in group]
    cells = [row for _, row in tables.rows(found, groups)]
    return {
        q.key: (sum(row[i].best for row in cells), len({row[i].text for row in cells})) for i, q in enumerate(columns)
    }


def test_the_best_of_a_column_is_marked_and_nothing_among_equals(synthetic: Any, tmp_path: Path) -> None:
    found = view(load(synthetic.write(tmp_path / "abcd")))
    assert all(best >= 1 for best, different in marked(found).values() if different > 1)
    trials = tuple(dataclasses.replace(t, costs={**t.costs, "macs": 1e9}) for t in found.trials)
    same = dataclasses.replace(found, trials=trials, front=tuple(t for t in trials if t.front))
    assert len(same.front) > 1
    assert marked(same)["macs"] == (0, 1) and marked(same)["latency_ms"][0] == 1


def check_confirmed(found: Any, rows: Any) -> None:
    """Every confirmed network with the means of its trainings, the cheapest first, with half of their interval."""
    groups = tables.main_columns(found)
    columns = [quantity for _, group in groups for quantity in group]
    shown = rows(found, groups)
    assert {network.architecture for network, _ in shown} == {a.architecture for a in found.record.confirmed}
    costs = [network.value(found.x.key) for network, _ in shown]
    assert costs == sorted(costs)
    for network, cells in shown:
        texts = {q.key: cell.text for q, cell in zip(columns, cells, strict=True)}
        runs = [run["default"] for run in network.confirmed]
        assert texts["quality"].startswith(f"{sum(runs) / len(runs):.3f} ± ")
        assert texts["latency_ms"] == f"{network.costs['latency_ms']:.2f}"
    assert sum(cells[0].best for _, cells in shown) == 1


def test_confirmed_networks_are_shown_with_what_was_confirmed(synthetic: Any, tmp_path: Path) -> None:
    journal = synthetic.write(tmp_path / "abcd")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for number, network in enumerate(reversed(view(load(journal)).front[:3])):
        for seed in (100, 101):
            metrics = {**network.metrics, "default": 0.2 + 0.1 * number + 0.01 * (seed - 100)}
            lines.append({"event": "confirmed", "time": synthetic.t0, "architecture": network.architecture})
            lines[-1] |= {"seed": seed, "split": "select", "options": {}, "trial": None, "job": None}
            lines[-1] |= {"metrics": metrics, "ran": {}}
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = view(load(journal))
    check_confirmed(found, tables.confirmed_rows)
    with pytest.raises(AssertionError):
        check_confirmed(found, lambda *of: [(a, tables.rows(*of)[0][1]) for a, _ in tables.confirmed_rows(*of)])


@pytest.mark.parametrize("limit", ["macs <= 9e9", "macs<=9e9"])
def test_a_search_ends_with_the_costs_that_it_limits(synthetic: Any, tmp_path: Path, limit: str) -> None:
    study = {**synthetic.study, "constraints": [limit]}
    found = view(load(synthetic.write(tmp_path / "abcd", study=study)))
    headings = [str(column.header).replace("\n", " ") for column in outcome.front_table(found).columns]
    assert any("MAC" in heading for heading in headings) and not any("parameter" in heading for heading in headings)
