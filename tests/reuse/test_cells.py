"""A small cut of the reuse matrix, its evaluator, and how its table is rendered."""

from __future__ import annotations

import json

import pytest
import reuse_cells as cells
import reuse_matrix as matrix
import torch
from torch import nn

from ednas_nni.errors import TrialError
from ednas_nni.nn.tree import build, domains_of
from ednas_nni.testing.one_step import OneStep


@pytest.mark.parametrize(
    "strategy",
    ["random", "regularized_evolution", *(pytest.param(s, marks=pytest.mark.slow) for s in ("tpe", "ednas"))],
)
def test_a_multi_trial_cell(strategy, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # NNI's loops nap a second between submissions
    found = cells.run_cell(strategy, "sequential", "nano", str(tmp_path))
    assert found == {"status": "ok", "trials": 3, "architectures": 3}


@pytest.mark.slow
def test_a_one_shot_cell(tmp_path):
    found = cells.run_cell("proxyless", "sequential", "mobile", str(tmp_path))
    assert found["status"] == "ok" and found["optimiser_steps"] == 2 * cells.STEPS


@pytest.mark.slow
@pytest.mark.nni
@pytest.mark.parametrize("engine", ["training service", "nnictl"])
def test_a_cell_of_processes(engine, tmp_path):
    import psutil

    found = cells.run_cell("random", engine, "nano", str(tmp_path))
    assert found["status"] == "ok"
    assert not [p for p in psutil.Process().children(recursive=True) if "nni" in " ".join(p.cmdline())]


def test_cells_that_cannot_be_say_why(tmp_path):
    found = cells.run_cell("darts", "nnictl", "nano", str(tmp_path))
    assert found["status"] == "not applicable" and "one process" in found["reason"]


def test_a_broken_cell_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cells, "in_python", lambda study, engine: 1 / 0)
    found = cells.run_cell("random", "sequential", "nano", str(tmp_path))
    assert found == {"status": "failed", "reason": "ZeroDivisionError: division by zero"}
    capsys.readouterr()


def test_the_table_says_what_did_not_run_and_why():
    cell = {"strategy": "random", "engine": "sequential", "space": "nano", "commit": "abc123", "seconds": 1.0}
    found = {
        "cells": [
            {**cell, "status": "ok"},
            {**cell, "engine": "nnictl", "status": "failed", "reason": "boom"},
            {**cell, "strategy": "proxyless", "status": "ok", "reason": "shorter"},
        ]
    }
    text = matrix.tables(json.loads(json.dumps(found)))
    not_run = "0 of 1, `nano` not run"
    assert f"| `random` | all 1 | {not_run} | 0 of 1, `nano` **failed** (1) |" in text and "(1) boom" in text
    assert f"| `ednas`, `grid_search`, `regularized_evolution`, `tpe`, `policy_based_rl` | {not_run} |" in text
    assert "| `proxyless` | all 1 (2) | - | - |" in text and "2 cells ran, on the spaces `nano`." in text


# -------------------------------------------------------------------- the evaluator of the cells
def test_one_step_is_a_real_step(tiny):
    space = tiny()
    evaluator = OneStep(tasks=("segmentation", "depth"), train_size=(32, 64))
    evaluator.seed_everything()
    network = build(space, domains_of(space).canonical({d.label: d.values[0] for d in domains_of(space).dimensions}))
    before = [p.detach().clone() for p in network.parameters()]
    result = evaluator.evaluate(network)
    assert 0 < result["default"] < 1
    assert all(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True) if a.ndim > 1)


class Dead(nn.Module):
    """Has a layer that takes part in nothing."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Conv2d(3, 1, 1), nn.Conv2d(3, 1, 1)

    def forward(self, x):
        return {"depth": self.used(x)}


class Half(Dead):
    """Predicts at half the resolution."""

    def forward(self, x):
        return {"depth": (self.used(x) + self.unused(x))[:, :, ::2]}


@pytest.mark.parametrize(
    ("network", "tasks", "message"),
    [(Dead, ("depth",), "no finite gradient"), (Half, ("depth",), "not the image's"), (Half, ("edges",), "no output")],
)
def test_one_step_rejects(network, tasks, message):
    with pytest.raises(TrialError, match=message):
        OneStep(tasks=tasks).evaluate(network())
