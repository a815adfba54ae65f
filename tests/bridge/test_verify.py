"""NNI's database is read whole, with everything that the web UI writes into it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ednas_nni.bridge.verify import JobRecord, disagreements, nni_records
from ednas_nni.domains import Dimension, Domains
from ednas_nni.errors import ExperimentError
from ednas_nni.journal import Journal

DOMAINS = Domains([Dimension("x", (1, 2, 3), ((),))])


def database(folder: Path) -> Path:
    """Events in the order in which NNI writes them."""
    path = folder / "db" / "nni.sqlite"
    path.parent.mkdir(parents=True)
    first = json.dumps({"parameter_id": 0, "parameters": {"x": 1}})
    by_hand = json.dumps({"parameter_id": None, "parameters": {"x": 2}})
    events = [
        ("WAITING", "A", first),
        ("RUNNING", "A", None),
        ("ADD_CUSTOMIZED", "", json.dumps({"x": 2})),
        ("IMPORT_DATA", "", json.dumps([{"parameter": {"x": 3}, "value": 0.1}])),
        ("WAITING", "U", by_hand),
        ("USER_TO_CANCEL", "U", ""),
        ("ADD_RESUMED", "A", ""),
        ("WAITING", "A", first),
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table TrialJobEvent (timestamp integer, event text, trialJobId text, data text)")
        connection.execute("create table MetricData (timestamp integer, type text, trialJobId text, data text)")
        connection.executemany(
            "insert into TrialJobEvent values (?, ?, ?, ?)", [(i, *event) for i, event in enumerate(events)]
        )
        value = json.dumps(json.dumps({"default": 0.5, "architecture": "abc"}))
        connection.execute("insert into MetricData values (9, 'FINAL', 'A', ?)", (value,))
    return folder


def test_orders_and_imports_are_no_trials(tmp_path: Path) -> None:
    assert nni_records(database(tmp_path)) == [
        JobRecord("A", {"x": 1}, "abc", 0.5),
        JobRecord("U", {"x": 2}, None, None),
    ]


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="does not exist"):
        nni_records(tmp_path)


@pytest.mark.parametrize("parameters", [{"y": 1}, {"x": 9}, [1, 2], 5, "text", None])
def test_parameters_typed_by_hand_may_be_anything(tmp_path: Path, parameters: object) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("study", domains=DOMAINS.to_json())
    (found,) = disagreements(journal.history(), [JobRecord("U", parameters, None, None)])
    assert "no architecture of this space" in found
