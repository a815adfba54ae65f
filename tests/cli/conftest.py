from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ednas_nni.record import events
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal

MOST_TABLES = 24
"""Of thousands of wrong studies each would leave its own: gigabytes."""
BASE = {
    "experimentName": "test",
    "searchSpace": {},
    "trialCommand": "python3 -m ednas_nni.bridge.trial",
    "trialCodeDirectory": ".",
    "trialConcurrency": 2,
    "maxTrialNumber": 4,
    "tuner": {
        "className": "ednas_nni.bridge.advisor.Advisor",
        "codeDirectory": ".",
        "classArgs": {"space": "nano", "constraints": ["latency_ms <= 24"], "start": ["mobilenet_v2"]},
    },
    "trainingService": {"platform": "local"},
}


@pytest.fixture
def experiment(tmp_path: Path) -> Callable[..., Path]:
    """Write an experiment; `study` and keyword arguments replace fields, None removes them."""

    def write(study: dict[str, Any] | None = None, tuner: Any = (), **fields: Any) -> Path:
        config = copy.deepcopy(BASE)
        _merge(config["tuner"]["classArgs"], study or {})
        if isinstance(tuner, dict):
            _merge(config["tuner"], tuner)
        elif tuner != ():
            fields["tuner"] = tuner
        _merge(config, fields)
        folder = tmp_path / "experiments"
        folder.mkdir(exist_ok=True)
        path = folder / "test.yml"
        path.write_text(yaml.safe_dump(config))
        return path

    return write


def _merge(target: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value


@pytest.fixture(scope="session")
def _tables() -> dict[str, Any]:
    return {}


@pytest.fixture
def quick_tables(monkeypatch: pytest.MonkeyPatch, _tables: dict[str, Any]) -> None:
    """Spaces and cost tables, most of the time of a check, are kept for other tests, and no supernet is timed."""

    from ednas_nni.search.assembled import Assembled

    def once(name: str, *fields: str) -> None:
        build = getattr(Assembled, name).func

        def made(assembled: Assembled) -> Any:
            study = assembled.study.dump()
            key = json.dumps([name, *(study.get(field) for field in fields)], default=str)
            _tables[key] = _tables.pop(key, None) or build(assembled)  # the last one used is the last
            if len(_tables) > MOST_TABLES:
                del _tables[next(iter(_tables))]
            return _tables[key]

        monkeypatch.setattr(Assembled, name, property(made))

    once("space", "space", "tasks", "data", "train_size", "deploy_size", "evaluator")
    once("table", "space", "tasks", "device", "deploy_size", "objectives", "constraints", "hardware_aware")
    monkeypatch.setattr("ednas_nni.training.supernet.made.Supernet._seconds_a_step", 0.3)  # else it is timed


@pytest.fixture
def small_journal(tmp_path: Path) -> Path:
    """A finished search of four trials: two on the front, one dominated reference, one failed."""
    path = tmp_path / "nni" / "abcd1234" / "ednas" / "journal.jsonl"
    journal = Journal(path)
    columns = [
        {"name": "latency_ms", "unit": "ms", "device": "edge_tpu", "origin": "modelled", "note": "5 %"},
        {"name": "macs", "unit": "MAC", "device": "macs", "origin": "counted", "note": ""},
    ]
    study = {"tasks": ["segmentation"], "objectives": ["quality", "latency_ms"], "deploy_size": [512, 1024]}
    head = {"study": study, "columns": columns, "members": {"mobilenet_v2": "ref0000000"}, "experiment": "abcd1234"}
    journal.append(JournalHead(ednas="0", nni="3", torch="2", python="3", digest="d", data="f", domains=[], **head))
    journal.append(events.Started(mode="create"))
    rows = [("ref0000000", 0.30, 9.0), ("aaaaaaaaaa", 0.41, 8.0), ("bbbbbbbbbb", 0.25, 5.0), ("cccccccccc", None, 6.0)]
    for number, (architecture, quality, latency) in enumerate(rows):
        costs = {"latency_ms": latency, "macs": 1.5e9}
        journal.append(events.Submitted(trial=number, architecture=architecture, sample={}, costs=costs))
        if quality is None:
            journal.append(events.Ended(trial=number, job="J", status="failed", cause="ValueError: the loss is NaN"))
            continue
        metrics = {"default": quality, "segmentation_miou": quality + 0.1}
        journal.append(events.Final(trial=number, job="J", architecture=architecture, metrics=metrics))
        journal.append(events.Ended(trial=number, job="J", status="trained", cause=""))
    journal.append(events.Finished(reason=events.LIMITS))
    journal.close()
    return path
