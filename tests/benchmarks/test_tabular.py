"""The tabular benchmark of examples/tabular: whose quality chooses, whose judges, and what is left out."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "tabular"


def rows(n=25, noise=0.002):
    """Of networks whose worth depth knows as all tasks do; number 7 lacks a training."""
    rng = np.random.default_rng(0)
    for i, worth in enumerate(np.sort(0.3 + 0.1 * rng.standard_normal(n))):
        yield {"world": "w", "architecture": str(i), "sample": {}, "costs": {"latency_ms": 1.0 + i}}
        for tasks in ("all", "depth"):
            for seed in (1, 2)[: 1 if i == 7 else 2]:
                split = {name: {"quality": worth + noise * rng.standard_normal()} for name in ("search", "select")}
                yield {"world": "w", "architecture": str(i), "tasks": tasks, "seed": seed, **split}


@pytest.fixture
def table(tmp_path, monkeypatch):
    """The loader of these rows."""
    monkeypatch.syspath_prepend(str(FOLDER))
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows())))
    module = importlib.import_module("table")
    yield lambda *given: module.Table(*given, rows=tmp_path / "rows.jsonl")
    for name in ("table", "with_optuna", "with_syne_tune"):
        sys.modules.pop(name, None)


def test_networks_stand_by_latency_and_one_without_a_training_is_left_out(table):
    depth, every = table("w", "depth"), table("w")
    assert len(depth) == 24 and "7" not in depth.names and (depth.latency_ms[1:] > depth.latency_ms[:-1]).all()
    assert depth.searched.shape == depth.judged.shape == (24, 2) and (depth.judged == every.judged).all()
    assert (depth.searched != every.searched).all()
    with pytest.raises(SystemExit, match="no network of 'streets' has both seeds of 'all'"):
        table("streets")


def test_what_is_chosen_by_one_seed_is_judged_by_the_other(table):
    depth = table("w", "depth")
    assert f"quality {depth.judged[3, 1]:.3f}" in depth.worth(3, seed=0)
    assert f"quality {depth.judged[3, 0]:.3f}" in depth.worth(3, seed=1)


@pytest.mark.parametrize(("name", "needs"), [("with_optuna", "optuna"), ("with_syne_tune", "syne_tune")])
def test_a_search_with_another_tool_chooses_better_than_most(table, name, needs):
    pytest.importorskip(needs)
    depth = table("w", "depth")
    for seed in (0, 1):
        chosen = importlib.import_module(name).search(depth, trials=16, seed=seed)
        assert (depth.judged[:, 1 - seed] < depth.judged[chosen, 1 - seed]).mean() > 0.7
