"""Searches on hosts of the test's own, each in a network namespace: what dies, hangs or is cut off loses nothing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import ednas_nni
from ednas_nni.bridge.catching_up import LOST
from ednas_nni.bridge.manager import launch
from ednas_nni.bridge.manager.running import Running
from ednas_nni.record.journal import History, journal_path, load
from tests.bridge.experiments import write_experiment
from tests.machines.hosts import Host, forbidden, hosts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.nni,
    pytest.mark.skipif(bool(reason := forbidden()), reason=reason),
]
BASE = {"constraints": "latency_ms <= 24", "strategy": "random", "hardware_aware": "off", "seed": 3, "retries": 9}
STUB = {**BASE, "evaluator": {"name": "uneven:Uneven", "seconds": 4.0}}
PATIENCE_S = 32.0


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[list[Host], Path]]]:
    """Hosts of some speeds, and an experiment on them."""
    opened = []

    def prepare(speeds: list[float], study: dict[str, Any], trials: int, concurrency: int) -> tuple[list[Host], Path]:
        log = tmp_path / "trained.log"
        variables = [{"EDNAS_TEST_SLOW": str(slow), "EDNAS_TEST_LOG": str(log)} for slow in speeds]
        context = hosts(tmp_path / "hosts", len(speeds), variables)
        made = context.__enter__()
        opened.append(context)
        home = tmp_path / "home"
        (home / "code").mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("uneven.py"), home / "code")
        path = write_experiment(home, "far", study, trials=trials, concurrency=concurrency, code="code")
        config = yaml.safe_load(path.read_text())
        config["trainingService"] = {"platform": "remote", "machineList": [host.entry for host in made]}
        path.write_text(yaml.safe_dump(config))
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("PATH", f"{tmp_path}/hosts/bin:{os.environ['PATH']}")
        monkeypatch.setenv("EDNAS_PATIENCE_S", str(PATIENCE_S))
        monkeypatch.syspath_prepend(str(home / "code"))
        return made, path

    yield prepare
    for context in opened:
        context.__exit__(None, None, None)


def history(running: Running) -> History:
    return load(journal_path(running.folder.parent, running.id))


def ended(running: Running) -> int:
    path = journal_path(running.folder.parent, running.id)
    return sum(trial.status != "running" for trial in load(path).trials) if path.exists() else 0


def wait(running: Running, done: Callable[[], bool], what: str, seconds: float = 400) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            logs = [(running.folder / "log" / name) for name in ("machines.log", "dispatcher.log")]
            pytest.fail(f"{what} not within {seconds} s\n" + "\n".join(log.read_text()[-3000:] for log in logs))
        time.sleep(0.2)


def finished(running: Running) -> Callable[[], bool]:
    return lambda: ended(running) > 0 and history(running).finished is not None


def local(study: dict[str, Any], trials: int) -> History:
    search = ednas_nni.experiment(study, engine="sequential", trials=trials)
    try:
        search.run()
    finally:
        search.stop()
    return search.journal.history()


def listeners(host: Host) -> list[str]:
    """Addresses on which something of a host can be reached from elsewhere, beside its sshd."""
    lines = host.run("ss", "-ltnH").splitlines()
    return [line for line in lines if not line.split()[3].startswith(("127.", "[::1]")) and ":22 " not in line]


def answers(host: Host, address: str, port: int) -> bool:
    """Whether a port of this machine can be reached from a host."""
    code = f"import socket; socket.create_connection(({address!r}, {port}), timeout=2)"
    try:
        host.run(sys.executable, "-c", code)
    except RuntimeError:
        return False
    return True


def test_nothing_is_lost_when_hosts_die(prepared: Callable[..., Any], tmp_path: Path) -> None:
    """24 trials on three hosts: one is killed, one is cut off and comes back, the manager is killed and resumed."""
    (first, second, third), path = prepared([1.0, 2.0, 0.5], STUB, 24, 6)
    running = launch.create(path)
    try:
        wait(running, lambda: ended(running) >= 3, "the first trials")
        address = f"{first.address.rsplit('.', 1)[0]}.1"
        assert not answers(first, address, running.port) and listeners(first) == listeners(third) == []
        with socket.socket() as open_port:  # the question can be answered otherwise
            open_port.bind((address, 0))
            open_port.listen()
            assert answers(first, address, open_port.getsockname()[1])
        first.kill()
        second.cut()
        wait(running, lambda: ended(running) >= 8, "trials beside a host that is dead and one that is cut off")
        wait(running, lambda: log(running).count("lost") >= 2, "both missed")
        second.join()
        wait(running, lambda: log(running).count(f"{second.address}: connected") == 2, "the one that was cut off")
        os.kill(running.process.pid, signal.SIGKILL)
        running = launch.resume(running.folder)
        wait(running, finished(running), "the end")
        history_far = history(running)
    finally:
        running.stop()
    trials = [trial for trial in history_far.trials if trial.cause != LOST]  # NNI's jobs; LOST ones it never started
    assert len(trials) == 24 and history_far.finished
    lost = [trial for trial in trials if trial.status != "trained"]
    assert {trial.cause.partition(":")[0] for trial in lost} == {"host lost"}
    assert any(first.address in trial.cause for trial in lost), "it died with trials"
    trained = Counter(trial.architecture for trial in trials if trial.status == "trained")
    assert max(trained.values()) == 1, "nothing that has a result is trained again"
    near = {
        trial.architecture: (trial.quality, trial.costs) for trial in local({**STUB, "evaluator": "stub"}, 24).trials
    }
    far = {trial.architecture: (trial.quality, trial.costs) for trial in trials if trial.status == "trained"}
    assert far.items() <= near.items(), "each result is its own architecture's, as at home"
    order = list(dict.fromkeys(trial.architecture for trial in history_far.trials))
    assert order == list(near)[: len(order)], "the strategy goes on as if nothing had happened"
    assert {trial.architecture for trial in lost} <= set(trained) | {trial.architecture for trial in trials[-6:]}
    ends = Counter(line.split()[1] for line in (tmp_path / "trained.log").read_text().splitlines())
    again = {trial.quality for trial in trials if trial.architecture in {t.architecture for t in lost}}
    assert {float(value) for value, count in ends.items() if count > 1} <= again, "twice only where a host was lost"


def log(running: Running) -> str:
    return (running.folder / "log" / "machines.log").read_text()
