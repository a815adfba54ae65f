"""A study on a data set of random planes, small enough to be trained in tests."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.baselines.record import BaselineRecord
from ednas_nni.study import Study, parse
from tests.planes import Scenes

MODULE = "scenes_for_references"
METRICS = {
    "segmentation": {"miou": "max", "pixel_accuracy": "max"},
    "depth": {"abs_error_m": "min", "rmse_m": "min", "delta1": "max"},
}


@pytest.fixture(scope="session", autouse=True)
def _scenes() -> Iterator[None]:
    """The data set of the training tests, under a name that a study can give."""
    module = types.ModuleType(MODULE)
    module.Scenes = Scenes
    sys.modules[MODULE] = module
    yield
    del sys.modules[MODULE]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def make_study() -> Callable[..., Study]:
    """A study of two tasks and six steps; keyword arguments replace fields, `evaluator` adds options."""

    def build(evaluator: dict[str, Any] | None = None, **fields: Any) -> Study:
        options = {"name": "jared", "steps": 6, "batch_size": 4, "reports": 1, "accelerator": "cpu", "threads": 1}
        plain = {
            "tasks": ["segmentation", "depth"],
            "data": {"name": f"{MODULE}:Scenes"},
            "train_size": [32, 64],
            "evaluator": {**options, **(evaluator or {})},
            "reference": "mobilenet_v2_small",
        }
        return parse({**plain, **fields})

    return build


@pytest.fixture
def make_record() -> Callable[..., BaselineRecord]:
    """A record of an invented identity."""

    def build(task: str = "depth", seeds: int = 3, steps: int = 240, **data: Any) -> BaselineRecord:
        identity = {
            "task": task,
            "data": {"name": "rooms", "fingerprint": "f00d", **data},
            "evaluator": "jared",
            "recipe": {"steps": steps, "scored_on": "search"},
            "options": {},
            "architecture": {"member": "mobilenet_v2_small", "id": "abc", "choices": {"stage1_depth": 1}},
        }
        specs = {
            name: {"unit": "1", "direction": way, "protocol": "standard", "in_delta_t": name != "rmse_m"}
            for name, way in METRICS[task].items()
        }
        runs = tuple({name: 0.5 + 0.01 * i + 0.1 * j for j, name in enumerate(specs)} for i in range(seeds))
        return BaselineRecord(identity, specs, tuple(range(1000, 1000 + seeds)), runs, {"date": "2026-01-01"})

    return build
