"""`NasExperiment`: killed in the middle and resumed, with our strategy and with NNI's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from nni.runtime.tuner_command_channel import CommandType

from ednas_nni.bridge.messages import sample_of
from ednas_nni.bridge.python.journalled import ProgramSearch
from ednas_nni.bridge.verify import disagreements, nni_records
from ednas_nni.errors import JournalError
from ednas_nni.record import events
from ednas_nni.record.journal import History, journal_path, load
from tests.bridge.scripted_nni import Nni, prepared, until

SCRIPT = """
import json, sys
import ednas_nni
told = json.loads(sys.argv[1])
search = ednas_nni.experiment(told["study"], engine=told["engine"], trials=told["trials"], concurrency=2, id=told["id"])
try:
    (search.resume if told["resume"] else search.run)()
finally:
    search.stop()
"""
TRIALS = 5


class Experiment:
    """A `NasExperiment` in a process of its own.

    Args:
        home: HOME of everything that it starts.
        engine: "ts" or "sequential".
        strategy: Of the study.
    """

    def __init__(self, home: Path, engine: str, strategy: str) -> None:
        self.home, self.engine = home, engine
        self.id = f"nas{engine[:2]}{strategy[:3]}"
        self.study = {
            "evaluator": {"name": "stub", "seconds": 1.5, "reports": 2},
            "strategy": strategy,
            "hardware_aware": "off",
            "seed": 4,
        }
        self.folder = home / "nni-experiments" / self.id
        self.journal = journal_path(self.folder.parent, self.id)
        self.said = home / "said.txt"

    def start(self, resume: bool) -> subprocess.Popen[bytes]:
        told = {
            "study": self.study, "engine": self.engine, "trials": TRIALS, "id": self.id, "resume": resume,
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, json.dumps(told)],
            env={**os.environ, "HOME": str(self.home), "OMP_NUM_THREADS": "1"},
            stdout=self.said.open("a"),  # no pipe: what it starts holds it open
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def history(self) -> History | None:
        return load(self.journal) if self.journal.exists() and self.journal.stat().st_size else None

    def ended(self) -> int:
        history = self.history()
        return sum(t.status != "running" for t in history.trials) if history else 0

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if self.id in " ".join(process.cmdline()) or process.environ().get("NNI_EXP_ID") == self.id:
                    found.append(process)
            except psutil.Error:
                continue
        return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]

    def close(self) -> None:
        for process in self.processes():
            process.kill()


@pytest.mark.slow
@pytest.mark.nni
@pytest.mark.parametrize(
    ("engine", "strategy"), [("ts", "ednas"), ("ts", "regularized_evolution"), ("sequential", "ednas")]
)
def test_a_killed_experiment_goes_on(tmp_path: Path, engine: str, strategy: str) -> None:
    experiment = Experiment(tmp_path, engine, strategy)
    first = experiment.start(resume=False)
    try:
        end = time.monotonic() + 300
        while experiment.ended() < 2:
            assert time.monotonic() < end and first.poll() is None, experiment.said.read_text()[-3000:]
            time.sleep(0.2)
        time.sleep(0.5)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        before = experiment.history()
        second = experiment.start(resume=True)
        assert second.wait(timeout=300) == 0, experiment.said.read_text()[-3000:]
        time.sleep(1)
        assert experiment.processes() == []
    finally:
        experiment.close()
    after = experiment.history()
    assert before.results.keys() <= after.results.keys()
    assert [(t.trial, t.quality) for t in before.results.values()] == [
        (after.results[name].trial, after.results[name].quality) for name in before.results
    ]
    trained = [t.architecture for t in after.trials if t.status == "trained"]
    assert len(trained) == len(set(trained)) == TRIALS
    assert len({t.trial for t in after.trials}) == len(after.trials)
    assert [start.mode for start in after.starts] == ["create", "resume"]
    assert after.finished
    assert not [t for t in after.trials if t.status == "running"]
    if engine == "ts":
        assert disagreements(after, nni_records(experiment.folder)) == []


@pytest.mark.parametrize(
    ("parameters", "sample"),
    [
        ({"x": 1}, {"x": 1}),
        ({"sample": {"x": 1}, "__instance_type__": "path:nni.nas.space.space.SimplifiedModelSpace"}, {"x": 1}),
        ({"sample": {"x": 1}}, {"sample": {"x": 1}}),
        ({"__instance_type__": "path:x", "sample": 5}, {"__instance_type__": "path:x", "sample": 5}),
        (None, None),
        ([1], [1]),
    ],
)
def test_the_sample_in_what_nni_booked(parameters: object, sample: object) -> None:
    assert sample_of(parameters) == sample


class Said:
    """A channel on which NNI's manager says what it is told to, and then nothing more."""

    def __init__(self, *commands: tuple[CommandType, str]) -> None:
        self.commands = [*commands]
        self.initialized = 0

    def _receive(self) -> tuple[CommandType | None, str | None]:
        return self.commands.pop(0) if self.commands else (None, None)

    def send_initialized(self) -> None:
        self.initialized += 1


def test_what_a_search_in_a_program_hears(nni: Nni, tmp_path: Path) -> None:
    search = prepared(nni, tmp_path, False, kind=ProgramSearch)
    heard: list[str] = []
    search.on_message = lambda kind, data: heard.append(kind)
    channel = Said((CommandType.Initialize, "{}"), (CommandType.ImportData, "[]"), (CommandType.RequestTrialJobs, "2"))
    search.listen(channel)
    assert (heard, channel.initialized, search.failure) == (["ready"], 1, None)
    assert search.run() == "stopped", "NNI's manager has ended"


def test_an_error_on_the_thread_of_messages_ends_the_search(nni: Nni, tmp_path: Path) -> None:
    """It would end in silence, and the strategy would wait for a worker, or for a model, for ever."""
    nni.params["trialConcurrency"] = 1
    search = prepared(nni, tmp_path, False, kind=ProgramSearch)
    search.on_message("ready", 1)
    real = search.journal.append

    def full(event: events.Event) -> object:
        if isinstance(event, events.Final):
            raise JournalError("journal.jsonl: cannot be written (No space left on device).")
        return real(event)

    search.journal.append = full
    raised: list[Exception] = []

    def run() -> None:
        try:
            search.run()
        except JournalError as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until(lambda: nni.jobs)
    search.listen(Said((CommandType.ReportMetricData, json.dumps(nni.metric("J0", {"default": 0.5})[1]))))
    thread.join(30)
    assert not thread.is_alive() and "No space left" in str(raised[0])


def test_a_model_too_many_is_not_waited_for(nni: Nni, tmp_path: Path) -> None:
    """NNI says with a delay that its limit is reached; what was submitted beyond it never starts."""
    search = prepared(nni, tmp_path, False, kind=ProgramSearch)
    model = search.executable.freeze(search.problem.domains.random(np.random.default_rng(0)))
    search.engine._send_job = lambda record: None  # NNI queues it
    search.engine.submit_models(model)
    nni.state = "DONE"
    search.engine.wait_models(model)
    assert not search.engine.budget_available() and not model.status.completed()
