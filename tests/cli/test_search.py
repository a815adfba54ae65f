"""`ednas search` without NNI: it starts once, stops always, and tells how to go on."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ednas_nni import report
from ednas_nni.bridge.manager import launch
from ednas_nni.bridge.manager.experiment_file import read
from ednas_nni.cli import check_command, main, search_command
from ednas_nni.errors import ExperimentError


@pytest.fixture
def rehearsal(
    experiment: Callable[..., Path], small_journal: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> SimpleNamespace:
    """A search whose NNI is replaced: `calls` collects what was asked of it."""
    calls: list[tuple[Any, ...]] = []
    path = experiment(experimentWorkingDirectory=str(small_journal.parents[2]))

    def checked(file: str, changes: dict[str, Any]) -> Any:
        parsed = read(file)
        parsed.config.update(changes)
        return SimpleNamespace(errors=[], file=parsed, assembled=SimpleNamespace(needs_network=False))

    def create(config: Path, port: int, open_port: bool) -> str:
        assert not open_port, "closed unless the study says otherwise"
        calls.append(("create", yaml.safe_load(config.read_text()), port))
        return "abcd1234"

    def write(journal: Path, out: Path, *_: object) -> Path:
        calls.append(("report", journal, out))
        return out / "report.html"

    monkeypatch.setattr(check_command, "checked", checked)
    monkeypatch.setattr(launch, "create", create)
    monkeypatch.setattr(launch, "stop", lambda name, port: calls.append(("stop", name, port)))
    monkeypatch.setattr(search_command, "_show", lambda *words: calls.append(("show", *words)))
    monkeypatch.setattr(report, "write", write, raising=False)
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(path=str(path), calls=calls, journal=small_journal)


def _names(calls: list[tuple[Any, ...]]) -> list[str]:
    return [call[0] for call in calls]


def test_from_start_to_report(rehearsal: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", rehearsal.path, "--trials", "7", "--concurrency", "3"]) == 0
    assert _names(rehearsal.calls) == ["create", "show", "stop", "report"]
    _, config, port = rehearsal.calls[0]
    assert config["maxTrialNumber"] == 7 and config["trialConcurrency"] == 3
    folder = str(Path(rehearsal.path).parent)
    assert config["trialCodeDirectory"] == folder and config["tuner"]["codeDirectory"] == folder
    assert rehearsal.calls[3][1:] == (rehearsal.journal, Path("reports/abcd1234"))
    told = capsys.readouterr().out
    assert f"http://127.0.0.1:{port}" in told and "Front: " in told and "fresh seeds" in told
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
        assert f"resume abcd1234 --experiment_dir {rehearsal.journal.parents[2]}" in told.out
        assert "loopback" in told.out and "3 results so far" in told.out
    if isinstance(error, ExperimentError):
        assert "ednas: error: the study is wrong" in told.err and "Traceback" not in told.err


def test_a_kill_signal_is_an_interruption(rehearsal: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(search_command, "_show", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["search", rehearsal.path]) == 130
    assert _names(rehearsal.calls) == ["create", "stop"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_report_that_fails_does_not_hide_the_result(
    rehearsal: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*words: object) -> None:
        raise ValueError("no font")

    monkeypatch.setattr(report, "write", fail, raising=False)
    assert main(["search", rehearsal.path]) == 1
    told = capsys.readouterr()
    assert "aaaaaaaaaa" in told.out and "ValueError: no font" in told.err and "report abcd1234" in told.err


# ---- ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port(taken: int, rehearsal: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    assert not launch.port_is_free(taken)
    assert launch.free_port(taken) > taken
    assert main(["search", rehearsal.path, "--port", str(taken)]) == 1
    assert f"--port {taken}" in capsys.readouterr().err and rehearsal.calls == []


def test_ports_in_pairs(taken: int) -> None:
    assert launch.free_port(taken - 1, pair=True) > taken


# ---- nnictl


def _nnictl(folder: Path, script: str) -> None:
    program = folder / "nnictl"
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_create_reads_the_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "BIN", tmp_path)
    seen = tmp_path / "seen"
    _nnictl(
        tmp_path,
        "import os, sys; from pathlib import Path\n"
        f"Path({str(seen)!r}).write_text(' '.join(sys.argv[1:]) + os.environ['NODE_OPTIONS'] + os.environ['PATH'])\n"
        "print('[2026] \\x1b[32mCreating experiment, Experiment ID: \\x1b[36mk3f9x2ab\\x1b[0m')",
    )
    assert launch.create(Path("a.yml"), 8123) == "k3f9x2ab"
    told = seen.read_text()
    assert told.startswith("create --config a.yml --port 8123") and "loopback.js" in told
    assert f"loopback.js{tmp_path}:" in told, "this environment comes first in PATH"


def test_create_passes_on_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "BIN", tmp_path)
    _nnictl(
        tmp_path,
        "print('Traceback (most recent call last):')\nprint('  File x')\n"
        "print('[2026-01-01] ERROR: Create experiment failed: the disk is full')\n"
        "print('OSError')\nraise SystemExit(1)",
    )
    with pytest.raises(ExperimentError, match=r"^NNI could not start the experiment: the disk is full$"):
        launch.create(Path("a.yml"), 8123)


def test_ctrl_c_while_nni_starts_stops_it_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "BIN", tmp_path)
    parent = os.getpid()
    _nnictl(tmp_path, f"import os, time; os.kill({parent}, 2); time.sleep(0.2); print('Experiment ID: k3f9x2ab')")
    stopped: list[int] = []
    monkeypatch.setattr(launch, "_stop_whatever_started", stopped.append)
    with pytest.raises(KeyboardInterrupt):
        launch.create(Path("a.yml"), 8123)
    assert stopped == [8123]


def test_a_manager_that_does_not_stop_is_an_error(taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "BIN", tmp_path)
    _nnictl(tmp_path, "print('Stop experiment success.')")
    asked: list[int] = []
    monkeypatch.setattr(launch, "_ask_to_end", asked.append)
    real = launch._gone
    monkeypatch.setattr(launch, "_gone", lambda port, seconds: real(port, 0.3))
    with pytest.raises(ExperimentError, match=f"port {taken} still answers"):
        launch.stop("k3f9x2ab", taken)
    assert asked == [taken]


def test_paths_of_a_copy_are_absolute(experiment: Callable[..., Path]) -> None:
    path = experiment(searchSpaceFile="space.json", experimentWorkingDirectory="../runs", experimentName=None)
    config = read(path).resolved()
    home = path.parent
    assert config["searchSpaceFile"] == str(home / "space.json")
    assert config["experimentWorkingDirectory"] == str(home.parent / "runs") == str(read(path).experiments_folder)
    assert config["experimentName"] == "test"
