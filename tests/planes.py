"""A data set of random planes and a network of a few hundred weights, for tests of seconds."""

from __future__ import annotations

import sys
import types
from typing import ClassVar

import numpy as np
import pytest
import torch

from ednas_nni.data import DataInfo, Split
from ednas_nni.testing.evaluators import reported

CLASSES = ("floor", "wall", "thing")


class Scenes:
    """Images whose colour tells the targets: brightness = depth, hue = class and normal. Bottom row is invalid."""

    opened: ClassVar[list[str]] = []

    def __init__(self, size=(32, 64), train=24, search=10, blank=False, bad=False, few="", cache=None):
        self.counts = {"train": train, "search": search, "select": 4, "test": 4}
        self.blank, self.bad, self.few = blank, bad, few
        self.info = DataInfo(
            name="scenes",
            size=tuple(size),
            classes=CLASSES,
            counts=self.counts,
            fingerprint=f"scenes-{size}-{train}-{search}-{blank}-{bad}-{few}".replace(" ", ""),
        )

    def prepare(self, progress=True):
        pass

    def split(self, name, opened_by=None):
        Scenes.opened.append(name)
        rng = np.random.default_rng(["train", "search", "select", "test"].index(name))
        n, (h, w) = self.counts[name], self.info.size
        column = rng.integers(4, w - 4, size=(n, 1, 1))
        label = np.where(np.arange(w) < column, 0, 1) + (np.arange(h)[:, None] < h // 4)
        label = np.broadcast_to(label, (n, h, w)).astype(np.uint8)
        depth = (1 + label + rng.random((n, 1, 1))).astype(np.float32)
        normals = np.array([[0, 0, 1], [1, 0, 0], [0, 0.6, 0.8]], np.float32)[label]
        image = np.stack([label * 100, depth * 50, rng.integers(0, 255, label.shape)], -1).astype(np.uint8)
        label = label.copy()
        label[:, -1], depth[:, -1], normals[:, -1] = 255, 0, 0
        if self.blank:
            label[:], depth[:], normals[:] = 255, 0, 0
        if self.few:  # three of four images lack this label
            lacking = {"segmentation": label, "depth": depth, "normals": normals}[self.few]
            lacking[np.arange(n) % 4 > 0] = 255 if self.few == "segmentation" else 0
        if self.bad:
            depth[:, 0] = 1e30
        return Split(name, self.info, {"image": image, "segmentation": label, "depth": depth, "normals": normals})


class Tiny(torch.nn.Module):
    """One shared convolution, one head a task."""

    stride = 1

    def __init__(self, tasks, width=8):
        super().__init__()
        self.trunk = torch.nn.Sequential(
            torch.nn.Conv2d(3, width, 3, padding=1, bias=False), torch.nn.BatchNorm2d(width), torch.nn.ReLU()
        )
        self.heads = torch.nn.ModuleDict({name: torch.nn.Conv2d(width, c, 1) for name, c in tasks.items()})
        self.biases = {}

    def forward(self, x):
        x = self.trunk(x)
        return {name: head(x) for name, head in self.heads.items()}

    def set_output_bias(self, task, values):
        self.biases[task] = values.clone()
        with torch.no_grad():
            self.heads[task].bias.copy_(values)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _importable():
    module = types.ModuleType("scenes_for_tests")
    module.Scenes = Scenes
    sys.modules["scenes_for_tests"] = module
    yield
    sys.modules.pop("scenes_for_tests", None)  # two folders have this fixture


@pytest.fixture
def scenes():
    return Scenes


@pytest.fixture
def tiny():
    def make(tasks=("segmentation", "depth", "normals"), seed=0):
        torch.manual_seed(seed)
        channels = {"segmentation": len(CLASSES), "depth": 1, "normals": 3, "edges": 1}
        return Tiny({name: channels[name] for name in tasks})

    return make


@pytest.fixture
def make_evaluator(tmp_path, monkeypatch):
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path / "cache"))

    def make(data=None, **options):
        from ednas_nni.training import JaredEvaluator

        source = {"name": "scenes_for_tests:Scenes", **(data or {})}
        settings = {"train_size": (32, 64), "steps": 12, "batch_size": 4, "reports": 3, "learning_rate": 0.02}
        settings.update(options)
        return JaredEvaluator(data=source, accelerator="cpu", **settings)

    return make


@pytest.fixture
def reports_to_nni():
    return reported
