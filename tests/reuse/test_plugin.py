"""examples/plugin as a third party has it: installed, listed, checked, priced, searched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from torch import nn

from ednas_nni.bridge.manager import exposure
from ednas_nni.bridge.manager.processes import BIN
from ednas_nni.compat.nas import ModelSpace
from ednas_nni.errors import PluginError
from ednas_nni.nn.choice import layer_choice
from ednas_nni.record.journal import load
from ednas_nni.testing.one_shot import check_one_shot

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The example, installed into a folder of its own; gives a folder with its tests and study, and the environment."""
    work = tmp_path_factory.mktemp("plugin")
    source, target, user = work / "source", work / "site", work / "user"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    shutil.copytree(source / "tests", user / "tests")
    shutil.copy(source / "study.yml", user)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, capture_output=True, text=True)
    home = {"HOME": str(work), "EDNAS_CACHE": str(work / "cache"), "PYTHONPATH": str(target)}
    return user, {**os.environ, "PATH": exposure.path_variable(), **home}


def run(words, environment, folder):
    done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ednas(*words):
    return [str(BIN / "ednas"), *words]


@pytest.mark.slow
def test_it_is_listed_and_priced(installed):
    folder, environment = installed
    assert "strip_blocks.block:Strip" in run(ednas("plugins", "blocks"), environment, folder)
    shown = run(ednas("describe", "study.yml"), environment, folder)
    assert "stage1_block1_op" in shown and "      ibn_k3_e3, ibn_k3_e6, strip_k7, strip_k11" in shown.splitlines()


@pytest.mark.slow
def test_its_author_runs_the_contract_suite(installed):
    folder, environment = installed
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "."]
    assert "8 passed" in run([*command, "tests"], environment, folder)


@pytest.mark.slow
@pytest.mark.nni
def test_it_is_searched_by_the_same_yaml(installed):
    """With the evaluator replaced by one of a single step; everything else is as shipped."""
    folder, environment = installed
    config = yaml.safe_load((folder / "study.yml").read_text(encoding="utf-8"))
    study = config["tuner"]["classArgs"]
    study |= {"evaluator": "ednas_nni.testing.one_step:OneStep", "data": "ednas_nni.testing.noise:Noise"}
    study |= {"train_size": [32, 64]}
    config |= {"maxTrialNumber": 2, "experimentWorkingDirectory": str(folder / "experiments")}
    (folder / "quick.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    run(ednas("search", "quick.yml"), environment, folder)
    (journal,) = {path.resolve() for path in (folder / "experiments").glob("*/ednas/journal.jsonl")}  # also `_latest`
    history = load(journal)
    assert [trial.status for trial in history.trials] == ["trained"] * 2
    assert all({"stage1_depth", "stage4_block1_op"} <= set(trial.sample) for trial in history.trials)
    assert all(trial.costs["macs"] > 0 and trial.costs["latency_ms"] > 0 for trial in history.trials)


# -------------------------------------------------------------------- the one-shot check itself
class Honest(ModelSpace):
    """One choice, one head."""

    stride = 1

    def __init__(self):
        super().__init__()
        self.body = layer_choice(
            {"k1": lambda: nn.Conv2d(3, 4, 1), "k3": lambda: nn.Conv2d(3, 4, 3, padding=1)}, "body"
        )
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        return {"depth": self.head(self.body(x))}


class Shrinking(Honest):
    """A candidate gives another size."""

    def __init__(self):
        super().__init__()
        self.body = layer_choice({"k1": lambda: nn.Conv2d(3, 4, 1), "k3": lambda: nn.Conv2d(3, 4, 3)}, "body")


class Severed(Honest):
    """The choice's output is cut off from the gradient."""

    def forward(self, x):
        return {"depth": self.head(self.body(x).detach())}


def test_the_one_shot_check_accepts_and_rejects():
    assert check_one_shot(Honest, size=(8, 8)) == {"random_one_shot": "", "darts": "", "proxyless": ""}
    with pytest.raises(PluginError, match="darts fails on it"):
        check_one_shot(Shrinking, size=(8, 8))
    with pytest.raises(PluginError, match="no choice of the supernet gets a gradient"):
        check_one_shot(Severed, ["darts"], size=(8, 8))
