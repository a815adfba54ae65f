"""`ednas_nni.search`: NNI started, followed and stopped from Python; here NNI is a script that writes a journal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ednas_nni
from ednas_nni.bridge.python import searching
from ednas_nni.errors import ExperimentError
from ednas_nni.record import events
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal, journal_path

STUDY = {"evaluator": {"name": "stub"}, "constraints": ["latency_ms <= 24"], "strategy": "random"}


@pytest.fixture
def nni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """NNI's doorway: what it was given, and which experiments still run."""
    seen = SimpleNamespace(config={}, running=set(), status="DONE")

    def create(config: dict[str, Any]) -> SimpleNamespace:
        seen.config = config
        journal = Journal(journal_path(tmp_path / "nni-experiments", "abcd1234"))
        journal.append(JournalHead(experiment="abcd1234", study=seen.config["tuner"]["classArgs"]))
        journal.append(events.Started(mode="create"))
        for trial in range(seen.config["maxTrialNumber"]):
            costs = {"latency_ms": 5.0 + trial}
            journal.append(events.Submitted(trial=trial, architecture=f"{trial:010x}", sample={}, costs=costs))
            journal.append(events.Final(trial=trial, metrics={"default": 0.1 * trial}))
            journal.append(events.Ended(trial=trial, status="trained"))
        journal.append(events.Finished(reason="all"))
        journal.close()
        seen.running.add("abcd1234")
        status = {"status": seen.status, "errors": ["it broke"]}
        return SimpleNamespace(
            id="abcd1234",
            folder=tmp_path / "nni-experiments" / "abcd1234",
            manager=SimpleNamespace(status=lambda: status, experiment=lambda: {"id": "abcd1234", "params": {}}),
            stop=lambda: seen.running.discard("abcd1234"),
        )

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(searching.launch, "create", create)
    return seen


def test_a_study_becomes_a_search(nni: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search = ednas_nni.search(STUDY, trials=3)
    assert search.front.pick(limit="latency_ms<=6").architecture == f"{1:010x}"
    assert nni.config["maxTrialNumber"] == 3 and nni.config["trialCodeDirectory"] == str(tmp_path)
    assert nni.config["tuner"]["classArgs"]["constraints"] == ["latency_ms <= 24"]
    assert not nni.running and "3/3" in capsys.readouterr().err
    assert ednas_nni.open_search("abcd1234").front[0].architecture == search.front[0].architecture


def test_it_runs_where_an_event_loop_does(nni: SimpleNamespace) -> None:
    async def cell() -> int:
        return len(ednas_nni.search(STUDY, trials=2, progress=False).results)

    assert asyncio.run(cell()) == 2


@pytest.mark.parametrize("end", ["an error", "Ctrl-C"])
def test_nothing_is_left_running(nni: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    if end == "an error":
        nni.status = "ERROR"
        with pytest.raises(ExperimentError, match="it broke"):
            ednas_nni.search(STUDY, trials=1, progress=False)
    else:
        monkeypatch.setattr(searching, "follow", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ednas_nni.search(STUDY, trials=1, progress=False)
    assert not nni.running


@pytest.mark.nni
@pytest.mark.slow
def test_through_the_real_nni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    search = ednas_nni.search(STUDY, trials=2, concurrency=1)
    assert len(search.results) == 2 and search.history.finished
