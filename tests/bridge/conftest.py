"""A real NNI experiment, started, extended, stopped and resumed once for all tests, a scripted one, a trial server."""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from ednas_nni.bridge.manager import exposure, launch
from ednas_nni.bridge.manager.processes import BIN
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.record.journal import History, journal_path, load
from tests.bridge.experiments import write_experiment
from tests.bridge.forks import Machine
from tests.bridge.scripted_nni import Nni, scripted
from tests.bridge.strangers import attacks

STUDY = {
    "evaluator": {"name": "stub", "seconds": 0.4, "fail_every": 4, "reports": 3},
    "constraints": "latency_ms <= 24",
    "strategy": "random",
    "hardware_aware": "off",
    "seed": 3,
}


def nnictl(*words: str) -> str:
    """Run nnictl to its end; its output."""
    done = subprocess.run(
        [str(BIN / "nnictl"), *words],
        env={**os.environ, **{name: value for name, value in exposure.variables().items() if value is not None}},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


@dataclass
class Run:
    """What was seen of the experiment."""

    folder: Path
    port: int
    histories: dict[str, History] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def manager(self) -> Manager:
        return Manager.at(self.port)

    @property
    def journal(self) -> Path:
        return journal_path(self.folder.parent, self.folder.name)

    def wait(self, done: Any, what: str, seconds: float = 150) -> None:
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                log = self.folder / "log" / "dispatcher.log"
                pytest.fail(f"{what} not within {seconds} s\n{log.read_text()[-3000:] if log.exists() else ''}")
            time.sleep(0.3)

    def ended(self) -> int:
        if not self.journal.exists():
            return 0
        return sum(trial.status != "running" for trial in load(self.journal).trials)


def processes_of(experiment: str) -> list[str]:
    """Processes that belong to an experiment, by command line or environment."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        try:
            ours = experiment in words or process.environ().get("NNI_EXP_ID") == experiment
        except psutil.Error:
            continue
        if ours:
            found.append(f"{process.info['pid']} {words[:100]}")
    return found


@pytest.fixture(scope="session")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """An experiment that cannot begin: its strategy has a wrong name."""
    path = write_experiment(tmp_path_factory.mktemp("wrong"), "wrong", {"evaluator": "stub", "strategy": "edans"})
    running = launch.create(path)
    yield Run(running.folder, running.port)
    running.stop()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, wrong: Run) -> Run:
    """The search that all tests of this folder look at. The other one, begun before it, comes to its end meanwhile."""
    home = tmp_path_factory.mktemp("nnictl")
    path = write_experiment(home, "session", STUDY, trials=4, concurrency=2)
    running = launch.create(path)
    identity, port = running.id, running.port
    made = Run(running.folder, port)
    try:
        made.wait(lambda: made.manager.status()["status"] in ("DONE", "ERROR"), "first trials")
        made.wait(lambda: made.ended() >= 4, "their ends in the journal", 20)
        made.seen["status"] = made.manager.status()
        made.seen["open"] = exposure.open_addresses(port)
        made.seen["attacks"] = attacks(port)
        made.seen["space"] = made.manager.experiment()["params"]["searchSpace"]
        made.seen["trials"] = made.manager.trials()
        made.seen["metrics"] = made.manager.get("metric-data")
        made.seen["export"] = home / "export.json"
        nnictl("experiment", "export", identity, "--filename", str(made.seen["export"]), "--type", "json")
        made.histories["first"] = load(made.journal)
        made.seen["update"] = nnictl("update", "trialnum", identity, "--value", "7")
        made.wait(lambda: made.ended() >= 5, "a trial after `update trialnum`", 60)
        running.stop()
        made.histories["stopped"] = load(made.journal)
        made.seen["left after stop"] = processes_of(identity)
        made.seen["resume"] = nnictl(
            "resume", identity, "--port", str(port), "--experiment_dir", str(home / "experiments")
        )
        made.wait(lambda: made.manager.status()["status"] in ("DONE", "ERROR"), "the rest after the resume")
        made.wait(lambda: len(load(made.journal).starts) == 2, "the resumed search")
        made.wait(lambda: load(made.journal).finished is not None, "the journal's end", 60)
        made.seen["status after resume"] = made.manager.status()
    finally:
        for left in (running, launch.find(identity)):
            if left is not None:
                left.stop()
        for line in processes_of(identity):
            psutil.Process(int(line.split()[0])).kill()
    made.histories["end"] = load(made.journal)
    return made


class _Opens:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.fixture
def payload(tmp_path: Path) -> tuple[str, Callable[[], bool]]:
    """A message that runs code in whoever decodes it with `nni.load`, and whether it did."""
    import nni

    trace = tmp_path / "unpickled"
    pickled = base64.b64encode(pickle.dumps(_Opens(trace))).decode()
    text = json.dumps({"parameter_id": 0, "parameters": {"x": {"__nni_type__": f"bytes:{pickled}"}}})
    nni.load(text)
    assert trace.exists(), "the payload does nothing, so it proves nothing"
    trace.unlink()
    return text, trace.exists


@pytest.fixture
def nni(monkeypatch: pytest.MonkeyPatch) -> Nni:
    """A scripted manager."""
    return scripted(monkeypatch)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A trial server and its clients."""
    made = Machine(tmp_path, monkeypatch)
    yield made
    made.close()
