"""A report needs nothing but the journal; of a head of version 0.1 it says less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ednas_nni.record.head import DataRecord, JournalHead, MetricRecord, TaskRecord
from ednas_nni.record.journal import load
from ednas_nni.report.data import view
from ednas_nni.search.assembled import Assembled

DATA = DataRecord(name="gone", classes=("wall",), counts={"search": 7}, depth_unit="px")
TASKS = (
    TaskRecord(name="depth", primary="rmse_m", metrics=(MetricRecord(name="rmse_m", unit="px", direction="max"),)),
)


def asked(*given: Any) -> Any:
    raise AssertionError("a plug-in was asked")


def head(**changes: Any) -> dict[str, Any]:
    whole = JournalHead(data_set=DATA, tasks=TASKS).dump()
    return {name: whole[name] for name in ("data_set", "tasks")} | changes


def test_a_report_asks_no_plugin(synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = synthetic.write(tmp_path / "abc", trials=6, **head())
    monkeypatch.setattr(Assembled, "__init__", asked)
    monkeypatch.setattr("ednas_nni.plugins.load", asked)
    search = view(load(folder))
    assert search.data == DATA
    depth = {q.key: (q.unit, q.direction, q.primary) for q in search.metrics if q.group == "depth"}
    assert depth["depth_rmse_m"] == ("px", "max", True) and depth["depth_delta1"] == ("", "", False)


def test_an_old_head_is_noticed(synthetic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: what the head does not say is not known."""
    folder = synthetic.write(tmp_path / "abc", trials=6, **head(tasks=None))
    monkeypatch.setattr("ednas_nni.plugins.load", asked)
    search = view(load(folder))
    assert not any(q.direction for q in search.metrics if q.group == "depth")
