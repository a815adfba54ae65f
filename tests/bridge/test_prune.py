"""Prune under a manager that speaks in NNI's order: which job is ended, what its end is called, what a kill leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.bridge.search import Search
from ednas_nni.record.journal import TrialRecord, load
from tests.bridge.scripted_nni import Nni, prepared, session, until

LINE = {"prune": {"results": 4}, "objectives": ["quality"]}
ENDS = ("EARLY_STOPPED", "USER_CANCELED", "FAILED")
"""NNI's words for what was ended early: with the preload, without it, and where the trial did not listen in time."""


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the jobs that NNI is asked to end early."""
    asked: list[str] = []
    first = Search.__init__
    monkeypatch.setattr(Search, "__init__", lambda self, *given: first(self, *given, end_job=asked.append))
    return asked


def proved(search: Search, nni: Nni, job: str, value: float) -> dict[str, Any]:
    return {"default": value, "architecture": search.key_in(nni.record(job)["parameters"])}


def begin(search: Search, nni: Nni) -> None:
    """Four trials to their end; three more run."""
    search.on_message("ready", 5)
    until(lambda: len(nni.jobs) == 5)
    for i, job in enumerate(("J0", "J1", "J2", "J3")):
        for share in (0.5, 0.75):
            search.on_message(*nni.metric(job, {"default": share * (0.5 + i / 10)}, "PERIODICAL"))
        search.on_message(*nni.metric(job, proved(search, nni, job, 0.5 + i / 10)))
        search.on_message(*nni.end(job))
    until(lambda: len(nni.jobs) == 8)
    assert {trial.status for trial in search.open_trials()} == {"running"}


def bad(search: Search, nni: Nni, job: str) -> None:
    search.on_message(*nni.metric(job, {"default": 0.01}, "PERIODICAL"))


def check(trial: TrialRecord) -> None:
    assert (trial.status, trial.quality, trial.cause[:14]) == ("pruned", None, "after report 1")


def of(folder: Path, job: str) -> TrialRecord:
    history = load(folder / "ednas" / "journal.jsonl")
    return next(trial for trial in history.trials if trial.job == job)


def test_whatever_nni_calls_it(nni: Nni, tmp_path: Path, ended: list[str]) -> None:
    with session(nni, tmp_path, resumed=False, **LINE) as search:
        begin(search, nni)
        good = {"default": 0.45}
        search.on_message(*nni.metric("J4", good, "PERIODICAL"))
        assert ended == []
        for job, event in zip(("J5", "J6", "J7"), ENDS, strict=True):
            bad(search, nni, job)
            bad(search, nni, job)
            search.on_message(*nni.end(job, event))
        assert ended == ["J5", "J6", "J7"], "each is asked for once"
        search.on_message(*nni.metric("J4", proved(search, nni, "J4", 0.9)))
        search.on_message(*nni.end("J4"))
        told = json.loads((tmp_path / "ednas" / "strategy.json").read_text())["core"]["told"]
    for job in ("J5", "J6", "J7"):
        check(of(tmp_path, job))
    assert of(tmp_path, "J4").quality == 0.9
    assert sorted(known["values"][0] for known in told if known["values"]) == [0.5, 0.6, 0.7, 0.8, 0.9]


@pytest.mark.parametrize("state", [*ENDS, "gone"])
def test_killed_before_its_end_was_booked(nni: Nni, tmp_path: Path, ended: list[str], state: str) -> None:
    with session(nni, tmp_path, resumed=False, **LINE) as search:
        begin(search, nni)
        bad(search, nni, "J4")
    assert ended == ["J4"] and of(tmp_path, "J4").status == "running"
    if state == "gone":
        del nni.jobs["J4"]  # NNI no longer knows it
    else:
        nni.end("J4", state)
    with session(nni, tmp_path, resumed=True, **LINE) as search:
        search.on_message("recover", [nni.record(job) for job in ("J5", "J6", "J7")])
        search.on_message("ready", 5)
        until(lambda: of(tmp_path, "J4").status != "running")
    check(of(tmp_path, "J4"))


def test_killed_before_nni_was_asked_it_runs_on_and_is_judged_again(nni: Nni, tmp_path: Path, ended: list[str]) -> None:
    with session(nni, tmp_path, resumed=False, **LINE) as search:
        begin(search, nni)
        bad(search, nni, "J4")
        bad(search, nni, "J5")
    ended.clear()
    with session(nni, tmp_path, resumed=True, **LINE) as search:
        search.on_message("recover", [nni.record(job) for job in ("J4", "J5", "J6", "J7")])
        search.on_message("ready", 5)
        bad(search, nni, "J4")
        assert ended == ["J4"]
        search.on_message(*nni.end("J4", "USER_CANCELED"))
        search.on_message(*nni.metric("J5", proved(search, nni, "J5", 0.3)))
        search.on_message(*nni.end("J5"))
    check(of(tmp_path, "J4"))
    assert (of(tmp_path, "J5").status, of(tmp_path, "J5").quality) == ("trained", 0.3), "what it delivers counts"


def test_without_the_line_nothing_is_ended(nni: Nni, tmp_path: Path, ended: list[str]) -> None:
    with session(nni, tmp_path, resumed=False, objectives=["quality"]) as search:
        begin(search, nni)
        bad(search, nni, "J4")
    assert ended == []


def test_the_engine_says_which_job(nni: Nni, tmp_path: Path) -> None:
    search = prepared(nni, tmp_path, resumed=False)
    search.journal.close()
    search.engine.end_early(search.executable)  # a model without a job: nothing to end, no error
