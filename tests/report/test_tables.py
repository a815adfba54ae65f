"""What the tables of a report mark."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

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
