"""A training that was killed goes on to the same weights, to the bit; one that forgets a part of its state does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ednas_nni.training import checkpoints
from ednas_nni.training.checkpoints import Checkpoints


class Killed(BaseException):
    """What ends the process in these tests."""


class Dropping(torch.nn.Module):
    """A network whose training draws random numbers in every step."""

    def __init__(self, network):
        super().__init__()
        self.network, self.drop = network, torch.nn.Dropout(0.3)

    def forward(self, x):
        return self.network(self.drop(x))


OPTIONS = {"steps": 17, "average": 0.9, "weighting": {"name": "dwa", "window": 3}, "reports": 4}


def trained(make_evaluator, tiny, path, kill_at=0):
    """Weights, scores and result after a training that is killed once."""
    evaluator = make_evaluator({"train": 10}, **OPTIONS)  # two batches of four an epoch: killed in the midst of one
    network = Dropping(tiny())

    def on_step(done, loss):
        if done == kill_at:
            raise Killed

    watcher = Checkpoints(path, every_steps=5, on_step=on_step)
    final = evaluator.evaluate(network, watcher)
    return network.state_dict(), [h["default"] for h in evaluator.history], final


def resumed(make_evaluator, tiny, path, kill_at):
    with pytest.raises(Killed):
        trained(make_evaluator, tiny, path, kill_at)
    return trained(make_evaluator, tiny, path)


def equal(one, other):
    return all(torch.equal(one[0][name], other[0][name]) for name in one[0])


@pytest.fixture
def whole(make_evaluator, tiny, tmp_path):
    return trained(make_evaluator, tiny, tmp_path / "whole.safetensors")


@pytest.mark.parametrize("kill_at", [3, 5, 12, 16])
def test_resumed_equals_whole(whole, make_evaluator, tiny, tmp_path, kill_at):
    again = resumed(make_evaluator, tiny, tmp_path / "c.safetensors", kill_at)
    assert equal(whole, again)
    assert whole[1] == again[1] and len(whole[1]) == 4  # scored after the same steps
    assert {k: v for k, v in whole[2].items() if k != "train_s"} == {
        k: v for k, v in again[2].items() if k != "train_s"
    }


def without_random(module, tensors, plain):
    state = torch.get_rng_state()
    restore(module, tensors, plain)
    torch.set_rng_state(state)


def without_moments(module, tensors, plain):
    restore(module, {n: torch.zeros_like(t) if "exp_avg" in n else t for n, t in tensors.items()}, plain)


def without_average(module, tensors, plain):
    restore(module, {n: torch.zeros_like(t) if n.startswith("average") else t for n, t in tensors.items()}, plain)


def without_weighting(module, tensors, plain):
    restore(module, {n: torch.ones_like(t) if n == "weighting.values" else t for n, t in tensors.items()}, plain)


def without_schedule(module, tensors, plain):
    restore(module, tensors, {**plain, "schedule": {**plain["schedule"], "last_epoch": 0, "_step_count": 1}})


restore = checkpoints.restore


@pytest.mark.parametrize(
    "broken", [without_random, without_moments, without_average, without_weighting, without_schedule]
)
def test_a_forgotten_part_is_noticed(whole, make_evaluator, tiny, tmp_path, monkeypatch, broken):
    monkeypatch.setattr(checkpoints, "restore", broken)
    assert not equal(whole, resumed(make_evaluator, tiny, tmp_path / "c.safetensors", 12))


def test_a_cut_checkpoint_begins_anew(whole, make_evaluator, tiny, tmp_path, capsys):
    path = tmp_path / "c.safetensors"
    with pytest.raises(Killed):
        trained(make_evaluator, tiny, path, 12)
    assert np.frombuffer(path.read_bytes()[:8], np.uint64)[0] < path.stat().st_size  # safetensors, no pickle
    path.write_bytes(path.read_bytes()[:-100])
    assert equal(whole, trained(make_evaluator, tiny, path))
    assert "begins anew" in capsys.readouterr().err
