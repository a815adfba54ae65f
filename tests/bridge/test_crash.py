"""What a crash leaves behind, and what a resume makes of it, with the scripted manager."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.bridge.catching_up import CaughtUp
from ednas_nni.bridge.trial import folder as trial_folder
from ednas_nni.errors import TrialError
from ednas_nni.record.journal import History, load
from ednas_nni.record.parameters import TrialParameters
from tests.bridge.scripted_nni import STUDY, Nni, first_session, prepared, session, until


def crash(nni: Nni, folder: Path, edit: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """A first session, after which the journal is what a crash left of it."""
    first_session(nni, folder)
    path = folder / "ednas" / "journal.jsonl"
    entries = edit([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def resumed(nni: Nni, folder: Path, recovered: tuple[str, ...]) -> tuple[History, list[dict[str, Any]]]:
    """The journal after NNI has told what runs again; and what was submitted then."""
    before = len(nni.records)
    with session(nni, folder, resumed=True) as search:
        search.on_message("recover", [{**nni.record(job), "parameter_source": "resumed"} for job in recovered])
        search.on_message("ready", 5)
        time.sleep(0.3)
    return search.journal.history(), nni.records[before:]


def keep_result(nni: Nni, folder: Path, job: str, quality: float, of: str | None = None) -> None:
    """The file that a trial leaves when it cannot deliver; `of`: another job whose architecture it names."""
    domains = load(folder / "ednas" / "journal.jsonl").head.search_space()
    architecture = TrialParameters.of(nni.record(of or job)["parameters"], domains).key(domains)
    place = folder / "environments" / "local-env" / "trials" / job
    trial_folder.write_result(place, folder.name, job, architecture, {"default": quality, "architecture": architecture})


REST = ("J2", "J3", "J4", "J5")


@pytest.mark.parametrize("status", ["RUNNING", "ADD_RESUMED", "FAILED", "USER_CANCELED"])
def test_a_kept_result_is_picked_up_and_nothing_trained_again(nni: Nni, tmp_path: Path, status: str) -> None:
    first_session(nni, tmp_path)
    nni.jobs["J1"]["status"] = status
    keep_result(nni, tmp_path, "J1", 0.8)
    history, new = resumed(nni, tmp_path, ("J1", *REST) if status in ("RUNNING", "ADD_RESUMED") else REST)
    (trial,) = [t for t in history.trials if t.job == "J1"]
    assert (trial.status, trial.quality) == ("trained", 0.8)
    assert nni.record("J1")["parameters"] not in [record["parameters"] for record in new]
    assert len({t.trial for t in history.trials}) == len(history.trials)


def test_a_kept_result_of_another_architecture_is_not(nni: Nni, tmp_path: Path) -> None:
    first_session(nni, tmp_path)
    keep_result(nni, tmp_path, "J1", 0.8, of="J2")
    history, _ = resumed(nni, tmp_path, ("J1", *REST))
    assert sorted(t.quality for t in history.trials if t.status == "trained") == [0.5]


def test_that_check_rejects_a_pick_up_that_believes_the_file(
    nni: Nni, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        trial_folder, "read_result", lambda folder, *_: json.loads((folder / trial_folder.RESULT).read_text())["metric"]
        if (folder / trial_folder.RESULT).exists() else None
    )  # fmt: skip
    first_session(nni, tmp_path)
    keep_result(nni, tmp_path, "J1", 0.8, of="J2")
    history, _ = resumed(nni, tmp_path, ("J1", *REST))
    assert sorted(t.quality for t in history.trials if t.status == "trained") == [0.5, 0.8]


def second_resume(nni: Nni, tmp_path: Path, listed: str) -> list[str]:
    """Ends of the trials of J1, which was picked up; NNI believed it unfinished and ran it again."""
    first_session(nni, tmp_path)
    keep_result(nni, tmp_path, "J1", 0.8)
    resumed(nni, tmp_path, ("J1", *REST))
    nni.jobs["J1"]["status"] = listed
    with session(nni, tmp_path, resumed=True) as search:
        recovered = [{**nni.record(job), "parameter_source": "resumed"} for job in ("J1", *REST)]
        if listed == "SUCCEEDED":
            recovered.pop(0)
        search.on_message("recover", recovered)
        search.on_message("ready", 5)
        for message in (nni.metric("J1", {"default": 0.8}), nni.end("J1")):
            search.on_message(*message)
    history = search.journal.history()
    return [t.status for t in history.trials if t.architecture == _id(history, nni, "J1")]


@pytest.mark.parametrize("listed", ["RUNNING", "SUCCEEDED"])
def test_a_second_resume_does_not_train_what_was_picked_up(nni: Nni, tmp_path: Path, listed: str) -> None:
    """That run may have ended while the Advisor started, with its messages on their way."""
    assert second_resume(nni, tmp_path, listed) == ["trained"]


def test_that_check_rejects_forgetting_what_has_ended(
    nni: Nni, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember = CaughtUp.add
    monkeypatch.setattr(CaughtUp, "add", lambda self, job, number: job == "J1" or remember(self, job, number))
    assert second_resume(nni, tmp_path, "SUCCEEDED").count("trained") == 2


def _id(history: History, nni: Nni, job: str) -> str:
    domains = history.head.search_space()
    return TrialParameters.of(nni.record(job)["parameters"], domains).key(domains)


def test_a_result_whose_end_was_cut_off_counts(nni: Nni, tmp_path: Path) -> None:
    def without_the_end(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [entry for entry in entries if entry["event"] != "ended"]

    crash(nni, tmp_path, without_the_end)
    history, new = resumed(nni, tmp_path, ("J1", *REST))
    assert [t.quality for t in history.trials if t.status == "trained"] == [0.5]
    assert nni.record("J0")["parameters"] not in [record["parameters"] for record in new]


@pytest.mark.parametrize("status", ["SUCCEEDED", "RUNNING"])
def test_a_result_whose_trial_was_cut_off_gets_a_new_one(nni: Nni, tmp_path: Path, status: str) -> None:
    def without_the_last_trial(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        last = [entry for entry in entries if entry["event"] == "submitted"][-2]["trial"]  # of J4
        return [entry for entry in entries if entry.get("trial") != last]

    crash(nni, tmp_path, without_the_last_trial)
    nni.metric("J4", {"default": 0.9, "architecture": None})
    nni.jobs["J4"]["status"] = status
    history, new = resumed(nni, tmp_path, ("J1", "J2", "J3", "J5"))
    (trial,) = [t for t in history.trials if t.job == "J4"]
    assert (trial.status, trial.quality) == ("trained", 0.9)
    assert trial.costs.keys() == history.trials[0].costs.keys()
    assert nni.record("J4")["parameters"] not in [record["parameters"] for record in new]


def test_a_trial_that_could_not_deliver_is_heard_while_the_search_runs(nni: Nni, tmp_path: Path) -> None:
    with session(nni, tmp_path, resumed=False) as search:
        search.on_message("ready", 5)
        until(lambda: len(nni.jobs) == 5)
        keep_result(nni, tmp_path, "J0", 0.7)
        search.on_message(*nni.end("J0", "FAILED"))
        search.on_message(*nni.end("J1", "FAILED"))
    found = {t.job: (t.status, t.quality) for t in search.journal.history().trials if t.status != "running"}
    assert found == {"J0": ("trained", 0.7), "J1": ("failed", None)}


def test_a_search_whose_first_trials_all_fail_ends_with_an_error(nni: Nni, tmp_path: Path) -> None:
    study = {**STUDY, "strategy": "ednas", "stop_after_failures": 2}
    search = prepared(nni, tmp_path, False, study)
    raised: list[Exception] = []

    def run() -> None:
        try:
            search.run()
        except TrialError as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    search.on_message("ready", 5)
    until(lambda: len(nni.jobs) == 5)
    for job in list(nni.jobs):
        search.on_message(*nni.end(job, "FAILED"))
    thread.join(30)
    search.stop()
    assert "the first 2 trials failed, all with: the trial process failed" in str(raised[0])
    assert search.journal.history().finished == str(raised[0])
    assert len(nni.jobs) < 8, "its budget was not used up"


def test_jobs_that_nni_never_starts_end_with_the_search(nni: Nni, tmp_path: Path) -> None:
    """After maxExperimentDuration NNI is done while it still queues what was proposed last."""
    with session(nni, tmp_path, resumed=False, strategy="random") as search:
        search.on_message("ready", 5)
        until(lambda: len(nni.jobs) == 5)
        queued = nni.jobs.pop("J4")
        for job in ("J0", "J1", "J2", "J3"):
            nni.state = "DONE"
            for message in (nni.metric(job, {"default": 0.5}), nni.end(job)):
                search.on_message(*message)
        until(lambda: search.record.pending() == 1)
        search.on_message("ping", None)
        history = load(tmp_path / "ednas" / "journal.jsonl")
        assert history.finished == "maxExperimentDuration is over"
        assert [trial.status for trial in history.trials] == ["trained"] * 4 + ["cancelled"]
        nni.jobs["J4"] = queued  # `nnictl update duration`: NNI starts it after all
        for message in (nni.metric("J4", {"default": 0.5}), nni.end("J4")):
            search.on_message(*message)
    assert [trial.status for trial in load(tmp_path / "ednas" / "journal.jsonl").trials] == ["trained"] * 5
