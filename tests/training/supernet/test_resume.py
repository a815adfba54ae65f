"""A supernet whose training was killed ends in the same weights; and one process makes it while others wait."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ednas_nni.training import checkpoints
from ednas_nni.training.supernet import made
from ednas_nni.training.supernet.module import SupernetModule
from tests.planes import _importable, _one_thread
from tests.training.supernet.test_inherited import OPTIONS, cache, evaluator, space

__all__ = ["_importable", "_one_thread", "cache", "space"]


class Killed(BaseException):
    """What ends the process in these tests."""


def weights(space, folder, kill_at=0):
    """Of a training of 12 steps with a checkpoint after every 4th; killed once, and called again."""

    left = [kill_at]

    class Killing(checkpoints.Checkpoints):
        def after_step(self, module):
            super().after_step(module)
            if module.steps_done in left:
                raise Killed(left.remove(kill_at))

    supernet = evaluator(supernet={**OPTIONS, "sandwich": False, "distillation": 0.0}, average=0.5).supernet(space)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDNAS_CACHE", str(folder))
        patch.setattr(made, "Checkpoints", lambda path: Killing(path, every_steps=4))
        if kill_at:
            with pytest.raises(Killed):
                supernet.make()
        supernet.make()
        return np.load(supernet.folder / "weights.npy")


@pytest.fixture(scope="module")
def whole(cache, space, tmp_path_factory):
    return weights(space, tmp_path_factory.mktemp("whole") / "s")


@pytest.mark.parametrize("kill_at", [3, 7])
def test_resumed_equals_whole(whole, space, tmp_path, kill_at):
    assert (weights(space, tmp_path / "s", kill_at) == whole).all()


def without_moments(module, tensors, plain):
    restore(module, {n: t.zero_() if "exp_avg" in n else t for n, t in tensors.items()}, plain)


def without_paths(module, tensors, plain):
    state = module.paths.state
    restore(module, tensors, plain)
    module.paths.state = state


def without_average(module, tensors, plain):
    restore(module, {n: t.zero_() if n.startswith("average") else t for n, t in tensors.items()}, plain)


restore = checkpoints.restore


@pytest.mark.parametrize("broken", [without_moments, without_paths, without_average])
def test_a_forgotten_part_is_noticed(whole, space, tmp_path, monkeypatch, broken):
    monkeypatch.setattr(checkpoints, "restore", broken)
    assert (weights(space, tmp_path / "s", 7) != whole).any()


def test_the_learning_curve_disturbs_nothing(whole, space, tmp_path, monkeypatch):
    """Statistics for it are estimated with draws of their own."""
    monkeypatch.setattr(
        SupernetModule, "on_validation_start", lambda self: super(SupernetModule, self).on_validation_start()
    )
    assert (weights(space, tmp_path / "s") == whole).all()


PROGRAM = """
import sys, time, types
from tests import planes
sys.modules["scenes_for_tests"] = types.SimpleNamespace(Scenes=planes.Scenes)
import torch
torch.set_num_threads(1)
from ednas_nni.training import checkpoints
from ednas_nni.training.supernet import made
from search_spaces import EdnasSpace
from tests.training.supernet.test_inherited import SMALL, evaluator
checkpoints.EVERY_S = made.SAID_S = 0.0
own = checkpoints.Checkpoints.after_step
checkpoints.Checkpoints.after_step = lambda self, module: (own(self, module), time.sleep(float(sys.argv[1])))
print("made", evaluator(supernet={"steps": 40, "paths": 2}).supernet(EdnasSpace(**SMALL)).make(progress=True))
"""


def start(folder, pause):
    environment = {**os.environ, "EDNAS_CACHE": str(folder), "OMP_NUM_THREADS": "1"}
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(pause)], env=environment, **pipe)


@pytest.mark.slow
def test_kill_9_and_two_makers(tmp_path, space, monkeypatch):
    """The second waits and is told how far the first is; killed, the first leaves its steps to the second."""
    first = start(tmp_path, 1.0)  # it would end after the second has begun, however slow this machine is
    while not list(tmp_path.glob("supernets/*" + made.CHECKPOINT)):
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    second = start(tmp_path, 0.0)
    while "waiting" not in (line := second.stderr.readline()):
        assert second.poll() is None, line
    assert re.search(r"step \d+ of 40, about \d+ min left", line)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    out, errors = second.communicate()
    assert second.returncode == 0 and "made True" in out, errors
    assert re.search(r"[1-9]\d*/40", errors) and " 0/40" not in errors, "it began anew"
    assert not list(tmp_path.glob("supernets/*" + made.CHECKPOINT))
    killed = next(tmp_path.glob("supernets/*/weights.npy")).read_bytes()
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path / "whole"))
    evaluator(supernet={"steps": 40, "paths": 2}).supernet(space).make()
    assert next(tmp_path.glob("whole/supernets/*/weights.npy")).read_bytes() == killed
