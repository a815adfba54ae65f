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
        JobRecord("A", {"x": 1}, "abc", 0.5),
        JobRecord("U", {"x": 2}, None, None),
    ]
    assert [record.stored[0]["status"] for record in nni_records(tmp_path)] == ["WAITING", "USER_TO_CANCEL"]


def test_no_database(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="does not exist"):
        nni_records(tmp_path)


@pytest.mark.parametrize("parameters", [{"y": 1}, {"x": 9}, [1, 2], 5, "text", None])
def test_parameters_typed_by_hand_may_be_anything(tmp_path: Path, parameters: object) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(JournalHead(domains=DOMAINS.to_json()))
    (found,) = disagreements(journal.history(), [JobRecord("U", parameters, None, None)])
    assert "no architecture of this space" in found


SAMPLE = {"x": 1}
ID = DOMAINS.architecture_id(SAMPLE)
OTHER = DOMAINS.architecture_id({"x": 2})


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
        (JobRecord("A", SAMPLE, ID, 0.5), {}, None),
        (JobRecord("A", SAMPLE, ID, None, (ID, 0.5)), {}, None),
        (JobRecord("A", SAMPLE, OTHER, 0.5), {}, f"NNI booked {ID}, the trial ran {OTHER}"),
        (JobRecord("A", {"x": 2}, OTHER, 0.5), {}, f"the journal books {ID}, it ran {OTHER}"),
        (JobRecord("A", SAMPLE, None, 0.5), {}, "does not say which architecture"),
        (JobRecord("A", SAMPLE, ID, 0.6), {}, "quality 0.5 in the journal, 0.6 at NNI"),
        (JobRecord("A", SAMPLE, None, None), {}, "the journal has a result, NNI has none"),
        (
            JobRecord("A", SAMPLE, ID, 0.5),
            {"status": "failed", "quality": None},
            "it has a result, the journal calls it",
        ),
        (JobRecord("A", SAMPLE, ID, None, (ID, 0.5)), {"status": "cancelled", "quality": None}, "calls it cancelled"),
        (JobRecord("A", SAMPLE, ID, 0.5, (OTHER, 0.5)), {}, f"it left a result of {OTHER}"),
        (JobRecord("A", SAMPLE, ID, 0.5), {"job": "B"}, "the journal does not know the job"),
        (JobRecord("A", SAMPLE, None, None, (ID, 0.5)), {"job": "B"}, "the journal does not know the job"),
    ],
)
def test_every_disagreement_is_told(
    tmp_path: Path, record: JobRecord, options: dict[str, object], told: str | None
) -> None:
    found = disagreements(journal_of(tmp_path, **options).history(), [record])
    assert any(told in line for line in found) if told else found == []


def test_what_counts_twice_is_told(tmp_path: Path) -> None:
    journal = journal_of(tmp_path)
    journal.append(events.Submitted(trial=1, architecture=ID, sample=SAMPLE, costs={}))
    journal.append(events.Final(trial=1, job="A", architecture=ID, metrics={"default": 0.5}))
    journal.append(events.Ended(trial=1, job="A", status="trained", cause=""))
    found = disagreements(journal.history(), [JobRecord("A", SAMPLE, ID, 0.5)])
    assert found == ["job A: 2 trials of the journal name it", f"architecture {ID}: 2 trials trained it"]


def test_records_hold_what_was_left_and_the_sample_of_a_model(tmp_path: Path) -> None:
    folder = database(tmp_path)
    model = {"sample": {"x": 3}, "__instance_type__": "path:nni.nas.space.space.SimplifiedModelSpace"}
    with closing(sqlite3.connect(folder / "db" / "nni.sqlite")) as connection, connection:
        row = (99, "WAITING", "M", json.dumps({"parameter_id": 7, "parameters": model}))
        connection.execute("insert into TrialJobEvent values (?, ?, ?, ?)", row)
    place = folder / "environments" / "local-env" / "trials" / "M"
    trial_folder.write_result(place, folder.name, "M", "xyz", {"default": 0.25, "architecture": "xyz"})
    assert nni_records(folder)[-1] == JobRecord("M", {"x": 3}, None, None, ("xyz", 0.25))
