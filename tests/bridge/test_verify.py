"""NNI's database is read whole, with everything that the web UI writes into it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ednas_nni.bridge.trial import folder as trial_folder
from ednas_nni.bridge.verify import JobRecord, disagreements, nni_records
from ednas_nni.errors import ExperimentError
from ednas_nni.record import events
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal
from ednas_nni.space.domains import Dimension, Domains

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
        JobRecord("A", {"x": 1}, "abc", {"default": 0.5}),
        JobRecord("U", {"x": 2}, None, {}),
    ]
    assert [record.stored[0]["status"] for record in nni_records(tmp_path)] == ["WAITING", "USER_TO_CANCEL"]


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="does not exist"):
        nni_records(tmp_path)


@pytest.mark.parametrize("parameters", [{"y": 1}, {"x": 9}, [1, 2], 5, "text", None])
def test_parameters_typed_by_hand_may_be_anything(tmp_path: Path, parameters: object) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(JournalHead(domains=DOMAINS.to_json()))
    (found,) = disagreements(journal.history(), [JobRecord("U", parameters, None, {})])
    assert "no architecture of this space" in found


SAMPLE = {"x": 1}
ID = DOMAINS.architecture_id(SAMPLE)
OTHER = DOMAINS.architecture_id({"x": 2})
HALF = {"default": 0.5}


def journal_of(folder: Path, status: str = "trained", quality: float | None = 0.5, job: str | None = "A") -> Journal:
    """One trial of SAMPLE."""
    journal = Journal(folder / "journal.jsonl")
    journal.append(JournalHead(domains=DOMAINS.to_json()))
    journal.append(events.Submitted(trial=0, architecture=ID, sample=SAMPLE, costs={}))
    if quality is not None:
        journal.append(events.Final(trial=0, job=job, architecture=ID, metrics={"default": quality}))
    journal.append(events.Ended(trial=0, job=job, status=status, cause=""))
    return journal


@pytest.mark.parametrize(
    ("record", "options", "told"),
    [
        (JobRecord("A", SAMPLE, ID, HALF), {}, None),
        (JobRecord("A", SAMPLE, ID, {}, (ID, HALF)), {}, None),
        (JobRecord("A", SAMPLE, OTHER, HALF), {}, f"NNI booked {ID}, the trial ran {OTHER}"),
        (JobRecord("A", {"x": 2}, OTHER, HALF), {}, f"the journal books {ID}, it ran {OTHER}"),
        (JobRecord("A", SAMPLE, None, HALF), {}, "does not say which architecture"),
        (JobRecord("A", SAMPLE, ID, {"default": 0.6}), {}, "quality 0.5 in the journal, 0.6 at NNI"),
        (JobRecord("A", SAMPLE, None, {}), {}, "the journal has a result, NNI has none"),
        (
            JobRecord("A", SAMPLE, ID, HALF),
            {"status": "failed", "quality": None},
            "it has a result, the journal calls it",
        ),
        (JobRecord("A", SAMPLE, ID, {}, (ID, HALF)), {"status": "cancelled", "quality": None}, "calls it cancelled"),
        (JobRecord("A", SAMPLE, ID, HALF, (OTHER, HALF)), {}, f"it left a result of {OTHER}"),
        (JobRecord("A", SAMPLE, ID, HALF), {"job": "B"}, "the journal does not know the job"),
        (JobRecord("A", SAMPLE, None, {}, (ID, HALF)), {"job": "B"}, "the journal does not know the job"),
    ],
)
def test_every_disagreement_is_told(
    tmp_path: Path, record: JobRecord, options: dict[str, object], told: str | None
) -> None:
    found = disagreements(journal_of(tmp_path, **options).history(), [record])
    assert any(told in line for line in found) if told else found == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"metrics": {"default": 0.5, "depth_abs_error_m": 0.1}}, ["depth_abs_error_m 0.1 in the journal, 0.7 at NNI"]),
        ({"metrics": {**HALF, "depth_abs_error_m": 0.7, "z": 1.0}}, ["z 1.0 in the journal, None at NNI"]),
        ({"costs": {}}, []),  # booked by a resume that is only rehearsed
        ({"costs": {"latency_ms": 1.0}}, ["latency_ms 1.0 in the journal, 9.0 at NNI"]),
        ({"sample": {"x": 2}}, [f"the journal's choices are {OTHER}, not {ID}"]),
        ({"sample": {"x": 9}}, [f"the journal's choices are no architecture of this space, not {ID}"]),
    ],
)
def test_every_number_and_choice_of_the_journal_is_compared(tmp_path: Path, change: dict, told: list[str]) -> None:
    folder = database(tmp_path / "e")
    metric = {"depth_abs_error_m": 0.7, "latency_ms": 9.0, "ran": "costs=latency_ms", "architecture": ID, **HALF}
    with closing(sqlite3.connect(folder / "db" / "nni.sqlite")) as connection, connection:
        connection.execute("update MetricData set data = ?", (json.dumps(json.dumps(metric)),))
    says = {"sample": SAMPLE, "costs": {"latency_ms": 9.0}, "metrics": {"default": 0.5, "depth_abs_error_m": 0.7}}
    says |= change
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(JournalHead(domains=DOMAINS.to_json()))
    journal.append(events.Submitted(trial=0, architecture=ID, sample=says["sample"], costs=says["costs"]))
    journal.append(events.Final(trial=0, job="A", architecture=ID, metrics=says["metrics"]))
    journal.append(events.Ended(trial=0, job="A", status="trained", cause=""))
    assert disagreements(journal.history(), nni_records(folder)[:1]) == [f"job A: {text}" for text in told]


def test_a_report_that_is_no_result_is_none_here_either(tmp_path: Path) -> None:
    folder = database(tmp_path / "e")
    metric = {"default": 0.5, "depth_abs_error_m": float("nan"), "architecture": ID}
    with closing(sqlite3.connect(folder / "db" / "nni.sqlite")) as connection, connection:
        connection.execute("update MetricData set data = ?", (json.dumps(json.dumps(metric)),))
    failed = journal_of(tmp_path, "failed", None)
    assert disagreements(failed.history(), nni_records(folder)[:1]) == []


def test_what_counts_twice_is_told(tmp_path: Path) -> None:
    journal = journal_of(tmp_path)
    journal.append(events.Submitted(trial=1, architecture=ID, sample=SAMPLE, costs={}))
    journal.append(events.Final(trial=1, job="A", architecture=ID, metrics={"default": 0.5}))
    journal.append(events.Ended(trial=1, job="A", status="trained", cause=""))
    found = disagreements(journal.history(), [JobRecord("A", SAMPLE, ID, HALF)])
    assert found == ["job A: 2 trials of the journal name it", f"architecture {ID}: 2 trials trained it"]


def test_records_hold_what_was_left_and_the_sample_of_a_model(tmp_path: Path) -> None:
    folder = database(tmp_path)
    model = {"sample": {"x": 3}, "__instance_type__": "path:nni.nas.space.space.SimplifiedModelSpace"}
    with closing(sqlite3.connect(folder / "db" / "nni.sqlite")) as connection, connection:
        row = (99, "WAITING", "M", json.dumps({"parameter_id": 7, "parameters": model}))
        connection.execute("insert into TrialJobEvent values (?, ?, ?, ?)", row)
    place = folder / "environments" / "local-env" / "trials" / "M"
    trial_folder.write_result(place, folder.name, "M", "xyz", {"default": 0.25, "architecture": "xyz"})
    assert nni_records(folder)[-1] == JobRecord("M", {"x": 3}, None, {}, ("xyz", {"default": 0.25}))
