"""The same study with forked and with plain trials, on real NNI: every metric of every trial is equal."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ednas_nni.bridge.manager import launch
from ednas_nni.record.journal import journal_path, load
from tests.bridge.experiments import write_experiment

pytestmark = [pytest.mark.nni, pytest.mark.slow]

TRIALS = 2
DATA = {"name": "rooms", "train": 16, "search": 6, "select": 2, "test": 2}


def finished(home: Path, start: str) -> dict[str, dict[str, float]]:
    """Architecture -> its final metrics, of a search of two short trainings; and that the start was the wished one."""
    study = {
        "data": DATA, "train_size": [32, 64], "strategy": "random", "hardware_aware": "off", "seed": 9,
        "evaluator": {"name": "jared", "steps": 6, "reports": 1}, "trial_start": start,
    }  # fmt: skip
    path = write_experiment(home, start, study, TRIALS)
    running = launch.create(path)
    name = running.id
    try:
        end = time.monotonic() + 240
        while running.manager.status()["status"] not in ("DONE", "ERROR"):
            assert time.monotonic() < end, "not done"
            time.sleep(0.5)
        time.sleep(1)
    finally:
        running.stop()
    log = home / "experiments" / name / "log" / "trial_server.log"
    assert log.exists() == (start == "prefork")
    if log.exists():
        assert log.read_text().count("is process") == TRIALS
    trained = [t for t in load(journal_path(home / "experiments", name)).trials if t.status == "trained"]
    return {t.architecture: {k: v for k, v in t.metrics.items() if k != "train_s"} for t in trained}


def test_forked_and_plain_trials_train_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path / "cache"))
    plain, forked = finished(tmp_path, "plain"), finished(tmp_path, "prefork")
    assert len(plain) == TRIALS
    assert forked == plain
