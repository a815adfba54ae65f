"""A space with every kind of choice in a few thousand weights, and the JAReD evaluator on noise."""

from __future__ import annotations

import pytest
import torch

from ednas_nni.training import JaredEvaluator
from search_spaces import EdnasSpace

TASKS = {"segmentation": 3, "depth": 1}
SIZE = (32, 64)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def tiny():
    """Makes the space; fields may be given otherwise."""

    def make(**fields):
        given = {
            "stem": 8,
            "ops": ["fused_k3_e1", "ibn_k3_e2_se"],
            "stages": [
                {"channels": [8, 16], "depth": [1, 2]},
                {"channels": [8, 16], "depth": [1, 2]},
            ],
            "fusion": {"kinds": ["fpn", "bifpn", "aspp"], "channels": [8, 16]},
            "heads": {"kinds": ["conv", "ibn"], "channels": 8},
            "sharing": ["shared", "own_stage2"],
        }
        return EdnasSpace(TASKS, "nano", **{**given, **fields})

    return make


COARSE = {
    "stages": [{"channels": 8, "depth": [1, 2]}, {"channels": 16, "depth": [1, 2]}],
    "fusion": {"kinds": ["fpn", "bifpn"], "channels": 8},
}


@pytest.fixture
def coarse(tiny):
    """Makes the space without widths."""
    return lambda **fields: tiny(**{**COARSE, **fields})


@pytest.fixture
def evaluator(tmp_path, monkeypatch):
    """Makes a JAReD evaluator of a few steps."""
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path / "cache"))

    def make(steps=6, **options):
        return JaredEvaluator(
            tasks=tuple(TASKS),
            data="ednas_nni.testing.noise:Noise",
            train_size=SIZE,
            steps=steps,
            batch_size=2,
            reports=1,
            accelerator="cpu",
            **options,
        )

    return make
