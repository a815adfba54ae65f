"""Starts of NNI's manager: one at a time, each with its own port and proof; and their ends, within 20 s."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.bridge.manager import launch, places
from ednas_nni.bridge.manager import running as managers
from ednas_nni.bridge.manager.ports import free_port
from ednas_nni.bridge.manager.processes import Process
from ednas_nni.errors import ExperimentError

# Stands for NNI's manager: it answers as the experiment that it is told to be; `listen` after the port's choice.
FAKE = """
import json, signal, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
name, port, stubborn = sys.argv[1], int(sys.argv[2]), len(sys.argv) > 3
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"id": name, "status": "RUNNING", "errors": []}).encode())
    def log_message(self, *words): pass
if stubborn:
    import subprocess
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-S", "-c", "import signal as s, time; s.signal(15, s.SIG_IGN); time.sleep(99)"])
HTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""


def fake(name: str, port: int, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-S", "-c", FAKE, name, str(port), *more], stderr=subprocess.DEVNULL)


def listening(port: int) -> None:
    end = time.monotonic() + 60
    while launch.port_is_free(port):
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Managers that were started in place of NNI's; HOME is a folder of the test's own."""
    from nni.experiment import launcher

    monkeypatch.setenv("HOME", str(tmp_path))
    made: list[subprocess.Popen[bytes]] = []

    def start(name: str, port: int) -> subprocess.Popen[bytes]:
        made.append(fake(name, port))
        return made[-1]

    monkeypatch.setattr(launcher, "_start_rest_server", start)
    yield made
    for process in made:
        process.kill()
        process.wait()


def begin(name: str) -> Callable[[int], Any]:
    """What `nni.experiment.launcher.start_experiment` does of what matters here."""
    from nni.experiment import launcher

    def start(port: int) -> Any:
        process = launcher._start_rest_server(name, port)
        launcher._check_rest_server(port)
        return process

    return start


@pytest.fixture
def other() -> Iterator[int]:
    """The port of another experiment's manager."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = fake("another", port)
    listening(port)
    yield port
    process.kill()
    process.wait()


def test_a_start_is_proved(begun: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    running = launch.hold_start("mine", tmp_path / "mine", begin("mine"))
    *lost, last = begun  # a test beside this one, with a lock of its own, may take the port that was chosen
    assert running.process == Process.of(last.pid) and running.manager.experiment()["id"] == "mine"
    assert all(process.poll() is not None for process in lost)
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o700
    running.stop()
    assert last.wait(1) is not None


def test_another_experiment_that_answers_ends_the_start(begun: list[subprocess.Popen[bytes]], tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="answers there instead of mine"):
        launch.hold_start("mine", tmp_path / "mine", begin("another"), port=launch.free_port(19000))
    assert begun[0].poll() is not None, "nothing is left running"


def test_a_port_that_is_lost_to_another_start(
    begun: list[subprocess.Popen[bytes]], other: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody without the lock, such as `nnictl create`, was faster: NNI's own check takes that one for its own."""
    from nni.experiment import launcher

    launcher._check_rest_server(other)
    with pytest.raises(ExperimentError, match=f"port {other}: something listens there already"):
        launch.hold_start("mine", tmp_path / "mine", begin("mine"), port=other)
    assert begun == []
    second = launch.free_port(other + 1)
    ports = iter([other, second])
    monkeypatch.setattr(launch, "free_port", lambda first, pair: next(ports))
    running = launch.hold_start("mine", tmp_path / "mine", begin("mine"))
    assert running.port == second
    assert len(begun) == 2 and begun[0].poll() is not None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the disk is full")], ids=repr)
def test_whatever_ends_a_start_leaves_nothing(
    error: BaseException, begun: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    def fail(port: int) -> Any:
        begin("mine")(port)
        raise error

    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ExperimentError) as caught:
        launch.hold_start("mine", tmp_path / "mine", fail)
    assert begun[0].poll() is not None
    assert isinstance(error, KeyboardInterrupt) or "NNI could not start the experiment: the disk is full" in str(caught)


# ---- one at a time

STARTS = 4


def _start(home: str, locked: bool, results: Any) -> None:
    """As a start does: choose a port, and only a moment later have something listen there."""
    os.environ["HOME"] = home
    with launch.one_at_a_time() if locked else nullcontext():
        port = launch.free_port(19100)
        time.sleep(0.3)
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", port))
            server.listen()
            results.put(port)
        except OSError:
            results.put(None)
    time.sleep(6)


@pytest.mark.parametrize("locked", [True, False])
def test_four_starts_at_once_get_four_ports(locked: bool, tmp_path: Path) -> None:
    """Without the lock they choose the same one."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    starts = [context.Process(target=_start, args=(str(tmp_path), locked, results)) for _ in range(STARTS)]
    for start in starts:
        start.start()
    ports = [results.get(timeout=60) for _ in starts]
    for start in starts:
        start.kill()
        start.join()
    assert (None not in ports and len(set(ports)) == STARTS) == locked, ports


def test_a_start_that_takes_too_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        launch.one_at_a_time(),
        pytest.raises(ExperimentError, match=f"process {os.getpid()}, .*kill {os.getpid()}"),
        launch.one_at_a_time(0.2),
    ):
        pytest.fail("two at a time")
    with launch.one_at_a_time(0.2):
        pass


# ---- ends


def test_a_manager_and_its_children_that_do_not_listen_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert managers.ASK_S + managers.FORCE_S + managers.GONE_S < 20
    monkeypatch.setattr(managers, "ASK_S", 0.3)
    monkeypatch.setattr(managers, "FORCE_S", 0.3)
    port = launch.free_port(19200)
    process = fake("mine", port, "stubborn")
    listening(port)
    (child,) = managers._children(Process.of(process.pid))
    managers.Running("mine", port, tmp_path, Process.of(process.pid)).stop()
    assert process.wait(1) == -signal.SIGKILL and Process.of(child.pid) is None


# ---- resume


def test_what_was_handed_to_nni_is_started_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager that was killed before its database held the experiment."""
    folder = tmp_path / "abcd1234"
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(launch, "_start", lambda *words: asked.append(words))
    with pytest.raises(ExperimentError, match="Start it anew: ednas search"):
        launch.resume(folder)
    (folder / "ednas").mkdir(parents=True)
    (folder / "ednas" / launch.CONFIG).write_text(json.dumps({"experimentName": "x"}))
    (folder / "db").mkdir()
    launch.resume(folder, 8123)
    assert asked == [("create", {"experimentName": "x"}, "abcd1234", 8123, tmp_path)]
    assert not (folder / "db").exists(), "NNI makes its tables in a new one"


DIES = """
import json, os, sqlite3, sys
base = sqlite3.connect(sys.argv[1], isolation_level=None)
base.execute("create table ExperimentProfile (params text, id text, revision integer)")
base.execute("create table MetricData (data text)")
base.execute("insert into ExperimentProfile values (?, 'abcd1234', 0)", [json.dumps({"maxTrialNumber": 24})])
base.executemany("insert into MetricData values (?)", [["x" * 1000]] * 100)
base.execute("pragma cache_size = 5")
base.execute("begin")
base.execute("update MetricData set data = 'y' || data")
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The folder of an experiment whose manager was killed in the middle of a write into its database."""
    folder = tmp_path / "abcd1234"
    (folder / "db").mkdir(parents=True)
    (folder / "ednas").mkdir()
    (folder / "ednas" / launch.CONFIG).write_text(json.dumps({"maxTrialNumber": 8}))
    subprocess.run([sys.executable, "-c", DIES, folder / "db" / "nni.sqlite"], check=False)
    assert (folder / "db" / "nni.sqlite-journal").exists(), "nothing is left to be played back"
    return folder


def test_what_was_killed_while_it_wrote_goes_on(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started anew, it would have as many trials again and a database without those that have ended."""
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(launch, "_start", lambda *words: asked.append(words))
    launch.resume(killed, 8123)
    assert asked == [("resume", {"maxTrialNumber": 24}, "abcd1234", 8123, killed.parent)]


@pytest.mark.parametrize("dies", [True, False])
def test_a_manager_that_is_just_being_killed_is_waited_for(
    dies: bool, killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers no more and is still there; the broken variant is one that stays."""
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(launch, "_start", lambda *words: asked.append(words))
    with subprocess.Popen(["sleep", "0.3" if dies else "60"]) as process:
        left = managers.Running("abcd1234", free_port(29000), killed, Process.of(process.pid))
        monkeypatch.setattr(launch, "find", lambda experiment: left)
        with nullcontext() if dies else pytest.raises(ExperimentError, match="does not answer"):
            launch.resume(killed)
        process.kill()
    assert len(asked) == dies


def test_a_database_that_cannot_be_read_is_not_taken_for_none(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant, SQLite's own `mode=ro`, and a damaged file: both stay, and the way out is said."""
    monkeypatch.setattr(launch, "_start", lambda *words: pytest.fail("it was started"))
    with monkeypatch.context() as broken, pytest.raises(ExperimentError, match=r"nni\.sqlite: cannot be read \("):
        broken.setattr(launch, "opened", lambda path: closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)))
        launch.resume(killed)
    database = killed / "db" / "nni.sqlite"
    database.write_bytes(b"no database" * 100)
    with pytest.raises(ExperimentError, match="move it away: `ednas resume` then starts the experiment anew"):
        launch.resume(killed)
    assert database.exists()


# ---- places


@pytest.mark.parametrize("place", ["/dev/null/x", "/proc/x"])
def test_places_that_cannot_be_written_are_told_with_the_way_out(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places.start_faults(tmp_path / "new" / "experiments") == []
    assert not (tmp_path / "new").exists()
    assert "experimentWorkingDirectory" in places.start_faults(Path(place))[0]
    monkeypatch.setenv("NNI_CONFIG_DIR", place)
    (told,) = places.start_faults(tmp_path)
    assert "NNI_CONFIG_DIR=" in told and place in told
    monkeypatch.delenv("NNI_CONFIG_DIR")
    monkeypatch.setenv("HOME", place)
    (told,) = places.start_faults(tmp_path)
    assert "HOME=" in told and f"{place}/nni-experiments" in told
