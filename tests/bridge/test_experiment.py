"""A study as a `NasExperiment`: its journal begins when it starts and says when it is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ednas_nni
from ednas_nni.compat.nas_search import Chain
from ednas_nni.record.journal import load
from ednas_nni.search.mounting import Mounted

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


def test_a_space_that_is_used_up_is_not_called_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    stages = [{"channels": 8, "depth": 1, "ops": ["ibn_k3_e3", "ibn_k3_e6"]}, {"channels": 8, "depth": 1}]
    space = {"name": "nano", "ops": ["ibn_k3_e3"], "stages": stages}
    search = ednas_nni.experiment({**STUDY, "space": space}, engine="sequential", trials=4)
    search.run()
    search.stop()
    history = load(search.journal.path)
    assert len(history.trials) == 2 and history.finished == "the strategy has nothing left to try"


def first_of(strategy: dict[str, Any], trials: int) -> tuple[str, list[str]]:
    """(the member under `start`, what was trained) of a sequential search."""
    study = {**STUDY, "constraints": [], "hardware_aware": "off", "strategy": strategy, "start": ["mobilenet_v2"]}
    search = ednas_nni.experiment(study, engine="sequential", trials=trials)
    search.run()
    search.stop()
    history = load(search.journal.path)
    return history.head.members["mobilenet_v2"], [trial.architecture for trial in history.trials]


STRATEGIES = [
    {"name": "random"},
    pytest.param({"name": "grid_search"}, marks=pytest.mark.slow),
    {"name": "regularized_evolution", "population_size": 2, "sample_size": 2},
    {"name": "ednas", "initial": 2},
    pytest.param({"name": "tpe", "startup": 2}, marks=pytest.mark.slow),
    pytest.param({"name": "policy_based_rl", "samples_per_update": 2}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda options: options["name"])
def test_start_is_trained_first_whatever_the_strategy(
    strategy: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if strategy["name"] == "policy_based_rl":
        pytest.importorskip("tianshou")
    monkeypatch.setenv("HOME", str(tmp_path))
    member, trained = first_of(strategy, trials=3)
    assert trained[0] == member and len(set(trained)) == 3


def test_without_the_chain_nobody_trains_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Mounted, "run", Chain.run)
    member, trained = first_of({"name": "random"}, trials=2)
    assert member not in trained


def test_both_ways_to_import_it_are_the_same() -> None:
    from ednas_nni.bridge.python.experiment import experiment

    assert ednas_nni.experiment is experiment
