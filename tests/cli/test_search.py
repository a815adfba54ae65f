"""`ednas search` without NNI: it starts once, stops always, and tells how to go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ednas_nni import report
from ednas_nni.bridge.manager import launch
from ednas_nni.bridge.manager.experiment_file import read
from ednas_nni.bridge.manager.processes import Process
from ednas_nni.cli import check_command, main, search_command
from ednas_nni.errors import ExperimentError


@pytest.fixture
def rehearsal(
    experiment: Callable[..., Path], small_journal: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> SimpleNamespace:
    """A search whose NNI is replaced: `calls` collects what was asked of it."""
    calls: list[tuple[Any, ...]] = []
    path = experiment(experimentWorkingDirectory=str(small_journal.parents[2]))

    def checked(file: str, changes: dict[str, Any], study: list[str]) -> Any:
        parsed = read(file, study)
        parsed.config.update(changes)
        return SimpleNamespace(errors=[], file=parsed, assembled=SimpleNamespace(needs_network=False))

    class Begun(launch.Running):
        def stop(self) -> None:
            calls.append(("stop", self.id, self.port))

    def create(config: dict[str, Any], port: int | None) -> launch.Running:
        assert launch.open_to(config) is None, "closed unless the study says otherwise"
        calls.append(("create", config, port))
        return Begun("abcd1234", port or 8123, small_journal.parents[1], Process.of(os.getpid()))

    def write(journal: Path, out: Path, *_: object) -> Path:
        calls.append(("report", journal, out))
        return out / "report.html"

    monkeypatch.setattr(check_command, "checked", checked)
    monkeypatch.setattr(launch, "create", create)
    monkeypatch.setattr(search_command, "_show", lambda *words: calls.append(("show", *words)))
    monkeypatch.setattr(report, "write", write, raising=False)
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(path=str(path), calls=calls, journal=small_journal, begun=Begun)


def _names(calls: list[tuple[Any, ...]]) -> list[str]:
    return [call[0] for call in calls]


def test_from_start_to_report(rehearsal: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["--seed", "9", "--strategy", "random", "--set", "evaluator.steps=5"]
    assert main(["search", rehearsal.path, "--trials", "7", "--concurrency", "3", *changes]) == 0
    assert _names(rehearsal.calls) == ["create", "show", "stop", "report"]
    _, config, port = rehearsal.calls[0]
    assert config["maxTrialNumber"] == 7 and config["trialConcurrency"] == 3
    study = config["tuner"]["classArgs"]
    assert (study["seed"], study["strategy"], study["evaluator"]) == (9, "random", {"name": "jared", "steps": 5})
    folder = str(Path(rehearsal.path).parent)
    assert config["trialCodeDirectory"] == folder and config["tuner"]["codeDirectory"] == folder
    assert rehearsal.calls[3][1:] == (rehearsal.journal, Path("reports/abcd1234"))
    told = capsys.readouterr().out
    assert port is None and "http://127.0.0.1:8123" in told and "Front: " in told and "fresh seeds" in told
    assert "Report: reports/abcd1234/report.html" in told


def test_no_report_and_keep_running(rehearsal: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", rehearsal.path, "--no-report", "--keep-running"]) == 0
    assert _names(rehearsal.calls) == ["create", "show"]
    assert "stop abcd1234" in capsys.readouterr().out


@pytest.mark.parametrize("keep", [[], ["--keep-running"]])
@pytest.mark.parametrize("error", [ExperimentError("the study is wrong"), RuntimeError("a bug"), KeyboardInterrupt()])
def test_nni_is_stopped_whatever_happens(
    error: BaseException,
    keep: list[str],
    rehearsal: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*words: object) -> None:
        raise error

    monkeypatch.setattr(search_command, "_show", fail)
    words = ["search", rehearsal.path, *keep]
    if isinstance(error, RuntimeError):
        with pytest.raises(RuntimeError):
            main(words)
    else:
        assert main(words) == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert _names(rehearsal.calls) == ["create", "stop"], "stopped once"
    told = capsys.readouterr()
    if isinstance(error, KeyboardInterrupt):
        assert f"resume {rehearsal.journal.parents[1]}" in told.out and "3 results so far" in told.out
    if isinstance(error, ExperimentError):
        assert "ednas: error: the study is wrong" in told.err and "Traceback" not in told.err


def test_a_kill_signal_is_an_interruption(rehearsal: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(search_command, "_show", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["search", rehearsal.path]) == 130
    assert _names(rehearsal.calls) == ["create", "stop"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_ctrl_c_still_says_how_to_go_on(
    rehearsal: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(search_command, "_show", interrupt)
    monkeypatch.setattr(rehearsal.begun, "stop", interrupt)  # it has stopped NNI, and then says that it was asked twice
    assert main(["search", rehearsal.path]) == 130
    told = capsys.readouterr().out
    assert "To go on:  " in told and f"resume {rehearsal.journal.parents[1]}" in told


@pytest.mark.parametrize("ignored", [True, False])
def test_a_lost_line_ends_a_search_unless_nohup_was_asked_for(
    ignored: bool, rehearsal: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        monkeypatch.setattr(search_command, "_show", lambda *_: os.kill(os.getpid(), signal.SIGHUP))
        assert main(["search", rehearsal.path, "--no-report"]) == (0 if ignored else 130)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_report_that_fails_does_not_hide_the_result(
    rehearsal: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*words: object) -> None:
        raise ValueError("no font")

    monkeypatch.setattr(report, "write", fail, raising=False)
    assert main(["search", rehearsal.path]) == 1
    told = capsys.readouterr()
    assert "aaaaaaaaaa" in told.out and "ValueError: no font" in told.err
    assert f"report {rehearsal.journal.parents[1]}" in told.err


def test_paths_of_a_copy_are_absolute(experiment: Callable[..., Path]) -> None:
    path = experiment(searchSpaceFile="space.json", experimentWorkingDirectory="../runs", experimentName=None)
    config = read(path).resolved()
    home = path.parent
    assert config["searchSpaceFile"] == str(home / "space.json")
    assert config["experimentWorkingDirectory"] == str(home.parent / "runs") == str(read(path).experiments_folder)
    assert config["experimentName"] == "test"
