"""A study as a `NasExperiment`: its journal begins when it starts and says when it is over."""

from __future__ import annotations

from pathlib import Path

import pytest

import ednas_nni
from ednas_nni.record.journal import load

STUDY = {"evaluator": {"name": "stub"}, "constraints": "latency_ms <= 24", "strategy": "random", "seed": 5}


def test_an_experiment_that_never_runs_leaves_no_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    search = ednas_nni.experiment(STUDY, engine="sequential", trials=2)
    assert not search.journal.path.exists()


def test_a_sequential_search_says_that_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    search = ednas_nni.experiment(STUDY, engine="sequential", trials=2)
    search.run()
    search.stop()
    history = load(search.journal.path)
    assert history.head.engine == "sequential"
    assert [start.mode for start in history.starts] == ["create"]
    assert [trial.status for trial in history.trials] == ["trained"] * 2
    assert history.finished == "every trial that the experiment's limits allow has ended"


def test_both_ways_to_import_it_are_the_same() -> None:
    from ednas_nni.bridge.python.experiment import experiment

    assert ednas_nni.experiment is experiment
