"""A manager that says things in NNI's real order, and a search under it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ednas_nni.bridge import engine
from ednas_nni.bridge.search import Search
from ednas_nni.record.journal import History
from ednas_nni.search import shell
from ednas_nni.search.assembled import Assembled
from ednas_nni.search.middleware import forwarding
from ednas_nni.study import parse

STUDY = {"evaluator": {"name": "stub"}, "constraints": "latency_ms <= 24", "hardware_aware": "off", "seed": 3}


class Nni:
    """NNI's manager: its database over REST, and the messages that it sends about a trial."""

    base = "http://localhost:1/api/v1/nni"

    def __init__(self) -> None:
        self.params: dict[str, Any] = {"trialConcurrency": 5, "maxTrialNumber": 8}
        self.state = "RUNNING"
        self.jobs: dict[str, dict[str, Any]] = {}
        self.records: list[dict[str, Any]] = []
        self.stored: dict[str, Any] = {}

    # ---- REST
    def experiment(self) -> dict[str, Any]:
        return {"params": self.params}

    def status(self) -> dict[str, Any]:
        return {"status": self.state, "errors": []}

    def trials(self) -> list[dict[str, Any]]:
        return [dict(job) for job in self.jobs.values()]

    def finals(self) -> dict[str, Any]:
        return dict(self.stored)

    def own_parameters(self, job: str) -> str | None:
        return self.jobs[job]["hyperParameters"][0] if job in self.jobs else None

    # ---- what happens
    def start(self, record: dict[str, Any]) -> str:
        name = f"J{len(self.jobs)}"
        self.records.append(record)
        self.jobs[name] = {"trialJobId": name, "status": "RUNNING", "hyperParameters": [json.dumps(record)]}
        return name

    def record(self, job: str) -> dict[str, Any]:
        return json.loads(self.jobs[job]["hyperParameters"][0])

    def metric(self, job: str, value: Any, kind: str = "FINAL") -> tuple[str, dict[str, Any]]:
        text = json.dumps(value)
        if kind == "FINAL":
            self.stored.setdefault(job, value)
        number = self.record(job)["parameter_id"]
        return "metric", {"parameter_id": number, "trial_job_id": job, "type": kind, "value": text, "sequence": 0}

    def end(self, job: str, status: str = "SUCCEEDED") -> tuple[str, dict[str, Any]]:
        self.jobs[job]["status"] = status
        return "end", {"trial_job_id": job, "event": status, "hyper_params": self.jobs[job]["hyperParameters"][0]}


def until(done: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def scripted(monkeypatch: pytest.MonkeyPatch) -> Nni:
    """The manager, in place of the one that a search asks."""
    made = Nni()
    monkeypatch.setattr(engine, "REFRESH_S", 0.0)
    monkeypatch.setattr(forwarding, "GRACE_S", 0.05)
    monkeypatch.setattr(shell, "BUDGET_POLL_S", 0.05)  # how soon a stop is seen
    for name in ("space", "table"):  # the same for all these studies, and slow
        monkeypatch.setattr(Assembled, name, property(_once(name, getattr(Assembled, name).func)))
    return made


_made: dict[str, Any] = {}


def _once(name: str, make: Callable[..., Any]) -> Callable[..., Any]:
    def made(*given: Any) -> Any:
        if name not in _made:
            _made[name] = make(*given)
        return _made[name]

    return made


def prepared(
    nni: Nni, folder: Path, resumed: bool, study: dict[str, Any] = STUDY, kind: type[Search] = Search
) -> Search:
    """A search that could begin."""
    search = kind(Assembled(parse(study)), folder, nni, nni.start, resumed)
    search.prepare("nnictl", nni.params["trialConcurrency"], nni.params["maxTrialNumber"])
    return search


@contextmanager
def session(
    nni: Nni, folder: Path, resumed: bool, strategy: str = "ednas", kind: type[Search] = Search, **fields: Any
) -> Iterator[Search]:
    """A prepared search whose strategy runs on its own thread, as under the Advisor; `fields` of the study."""
    search = prepared(nni, folder, resumed, {**STUDY, "strategy": strategy, **fields}, kind)
    thread = threading.Thread(target=search.run, daemon=True)
    thread.start()
    try:
        yield search
    finally:
        search.stop()
        thread.join(30)
        assert not thread.is_alive()
        search.journal.close()


def first_session(nni: Nni, folder: Path, strategy: str = "ednas") -> History:
    """J0 ends in time; J1 to J4 and a trial from the web UI (J5) are open when everything stops."""
    with session(nni, folder, resumed=False, strategy=strategy) as search:
        search.on_message("ready", 5)
        until(lambda: len(nni.jobs) == 5)
        nni.params["maxTrialNumber"] = 5  # nothing new for a moment
        time.sleep(0.1)
        by_hand = search.problem.domains.random(np.random.default_rng(7))
        nni.start({"parameter_id": None, "parameter_source": "customized", "parameters": by_hand})
        search.on_message(*nni.metric("J5", {"default": 0.1}, "PERIODICAL"))
        for message in (nni.metric("J0", {"default": 0.5}), nni.end("J0")):
            search.on_message(*message)
    nni.params["maxTrialNumber"] = 8
    return search.journal.history()
