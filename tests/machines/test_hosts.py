"""Searches on hosts of the test's own, each in a network namespace: what dies, hangs or is cut off loses nothing."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
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
from ednas_nni.bridge.manager.processes import BIN
from ednas_nni.bridge.manager.running import Running
from ednas_nni.bridge.verify import nni_records
from ednas_nni.record.journal import History, TrialRecord, journal_path, load
from tests.bridge.experiments import write_experiment
from tests.machines.hosts import Host, forbidden, hosts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.nni,
    pytest.mark.skipif(bool(reason := forbidden()), reason=reason),
]
BASE = {"constraints": "latency_ms <= 24", "strategy": "random", "hardware_aware": "off", "seed": 3, "retries": 9}


def stub(seconds: float) -> dict[str, Any]:
    return {**BASE, "evaluator": {"name": "uneven:Uneven", "seconds": seconds}}


PATIENCE_S = 32.0
BYTES = {"EDNAS_TEST_BYTES": "200000"}


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[list[Host], Path]]]:
    """Hosts of some speeds, and an experiment on them."""
    opened = []

    def prepare(
        speeds: list[float],
        study: dict[str, Any],
        trials: int,
        concurrency: int,
        more: tuple[dict[str, object], ...] = (),
        **options: Any,
    ) -> tuple[list[Host], Path]:
        log = tmp_path / "trained.log"
        monkeypatch.setenv("EDNAS_TEST_LOG", str(log))
        variables = [{"EDNAS_TEST_SLOW": str(slow), "EDNAS_TEST_LOG": str(log), **BYTES} for slow in speeds]
        context = hosts(tmp_path / "hosts", len(speeds), variables, **options)
        made = context.__enter__()
        opened.append(context)
        home = tmp_path / "home"
        (home / "code").mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("uneven.py"), home / "code")
        path = write_experiment(home, "far", study, trials=trials, concurrency=concurrency, code="code")
        config = yaml.safe_load(path.read_text())
        config["trainingService"] = {"platform": "remote", "machineList": [*more, *(host.entry for host in made)]}
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


def as_at_home(trials: list[TrialRecord], count: int) -> list[str]:
    """Each result is its own architecture's; returned is in which order so many are proposed."""
    near = {
        trial.architecture: (trial.quality, trial.costs) for trial in local({**BASE, "evaluator": "stub"}, count).trials
    }
    far = {trial.architecture: (trial.quality, trial.costs) for trial in trials if trial.status == "trained"}
    assert far.items() <= near.items()
    return list(near)


def jobs(running: Running, host: Host) -> list[str]:
    """Ids of the trials that began on a host."""
    return re.findall(rf"{re.escape(host.address)}: trial (\w+)$", log(running), re.M)


def trains(folder: Path, job: str) -> bool:
    """Whether a trial's training has begun, at least two seconds before its end."""
    begun, ended = folder / f"trained.log.{job}", folder / "trained.log"
    if not begun.exists() or time.time() - begun.stat().st_mtime > 2:
        return False
    return not ended.exists() or f"{job} " not in ended.read_text()


def sleeps(folder: Path) -> Counter[float]:
    """How often the training with a quality has come to its end, wherever."""
    return Counter(float(line.split()[1]) for line in (folder / "trained.log").read_text().splitlines())


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
    # So slow that most of the 24 are still to come when the two are missed, 45 s later: a lost trial counts.
    (first, second, third), path = prepared([1.0, 2.0, 0.8], stub(16.0), 24, 6)
    running = launch.create(path)
    try:
        wait(running, lambda: ended(running) >= 3, "the first trials")
        address = f"{first.address.rsplit('.', 1)[0]}.1"
        assert not answers(first, address, running.port) and listeners(first) == listeners(third) == []
        with socket.socket() as open_port:  # the question can be answered otherwise
            open_port.bind((address, 0))
            open_port.listen()
            assert answers(first, address, open_port.getsockname()[1])
        wait(running, lambda: any(trains(tmp_path, job) for job in jobs(running, first)), "a trial to die with it")
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
    assert len(nni_records(running.folder)) == 24 and history_far.finished
    trials = [trial for trial in history_far.trials if trial.cause != LOST]  # LOST: whose start is not known
    lost = [trial for trial in trials if trial.status != "trained"]
    assert {trial.cause.partition(":")[0] for trial in lost} == {"host lost"}
    assert any(first.address in trial.cause for trial in lost), "it died with trials"
    trained = Counter(trial.architecture for trial in trials if trial.status == "trained")
    assert max(trained.values()) == 1, "nothing that has a result is trained again"
    near = as_at_home(trials, 24)
    order = list(dict.fromkeys(trial.architecture for trial in history_far.trials))
    assert order == near[: len(order)], "the strategy goes on as if nothing had happened"
    last = max(trial.submitted_at for trial in trials)  # the 24 are spent: what is lost after that is only booked
    in_time = {trial.architecture for trial in lost if trial.ended_at < last}
    assert in_time <= set(trained) | {trial.architecture for trial in trials[-6:]}
    again = {trial.quality for trial in trials if trial.architecture in {t.architecture for t in lost}}
    assert {value for value, count in sleeps(tmp_path).items() if count > 1} <= again, "only where a host was lost"


def log(running: Running) -> str:
    path = running.folder / "log" / "machines.log"
    return path.read_text() if path.exists() else ""


def test_a_result_on_a_lost_host_is_fetched(prepared: Callable[..., Any], tmp_path: Path) -> None:
    """This machine and two hosts: one hangs, one is cut off while its trial ends; what ended is not trained again."""
    here = {"host": "localhost", "user": getpass.getuser(), "sshKeyFile": str(tmp_path / "hosts" / "key")}
    (hung, cut), path = prepared([1.0, 1.0], stub(30.0), 8, 3, more=({**here, "pythonPath": str(BIN)},))
    running = launch.create(path)
    try:
        wait(running, lambda: log(running).count(": trial ") == 3, "a trial on each machine")
        (job,) = jobs(running, cut)
        wait(running, (tmp_path / f"trained.log.{job}").exists, "its beginning")
        hung.freeze()
        time.sleep(27)
        cut.cut()
        wait(running, lambda: log(running).count(": lost: ") == 2, "both missed")
        hung.freeze(False)
        cut.join()
        wait(running, finished(running), "the end")
        trials, words = list(history(running).trials), log(running)
    finally:
        running.stop()
    assert len(trials) == 8 and f"{cut.address}: has come back with a result" in words
    assert "localhost: trial " in words and words.count(": lost: ") == 2
    as_at_home(trials, 8)
    lost = {trial.job: trial for trial in trials if trial.status != "trained"}
    assert {trial.cause.partition(":")[0] for trial in lost.values()} <= {"host lost"}
    (of_cut,) = {trial.architecture for trial in history(running).trials if job in (trial.job,)}
    results = {trial.architecture: trial.quality for trial in trials if trial.status == "trained"}
    assert sleeps(tmp_path)[results[of_cut]] == 1, "it was not trained again"
    assert {trial.architecture for trial in lost.values()} <= set(results), "nothing is lost"


def test_a_disk_that_fills_up(prepared: Callable[..., Any], tmp_path: Path) -> None:
    """Trials fail over there with that cause, are tried elsewhere, and the host takes part again when it has room."""

    def mounts(home: Path) -> list[str]:
        return [f"mount -t tmpfs -o size=8m none {home}"] if home.name == "home0" else []

    most = 60  # it rests for up to two minutes, and the other one goes on
    (small, _), path = prepared([1.0, 1.0], {**stub(4.0), "retries": 1}, most, 4, mounts=mounts)

    def on_small(command: str) -> None:
        subprocess.run(
            [f"{tmp_path}/hosts/bin/ssh", f"root@{small.address}", command], capture_output=True, check=False
        )

    def count(pattern: str) -> int:
        return len(re.findall(rf"{re.escape(small.address)}: {pattern}", log(running)))

    running = launch.create(path)
    try:
        wait(running, lambda: count("trial .* ended") >= 1, "a trial")
        on_small("cat /dev/zero > ~/filler")
        wait(running, lambda: count("its disk is full|no trial can be started") >= 1, "a trial that finds it full")
        on_small("rm ~/filler")
        before = count("trial .* ended with code 0")
        wait(running, lambda: count("trial .* ended with code 0") > before, "trials on it")
        wait(running, finished(running), "the end")
        trials = list(history(running).trials)
    finally:
        running.stop()
    failed = [trial for trial in trials if trial.status != "trained"]
    assert len(trials) == most and failed and all(trial.cause.startswith("disk full: ") for trial in failed)
    as_at_home(trials, most)
    results = {trial.architecture for trial in trials if trial.status == "trained"}
    assert {trial.architecture for trial in failed} <= results | {trial.architecture for trial in trials[-4:]}
