"""A training of 20 steps and the position prior of its data, to the digit where the processor allows it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.golden import recorded
from tests.golden.product import JaredEvaluator, TrialData, build, plugin

TASKS = ("segmentation", "depth", "normals")
DATA = {"name": "rooms", "train": 24, "search": 8, "select": 2, "test": 2}
CLOCK = ("train_s",)


def training(**options: Any) -> dict[str, Any]:
    """Final metrics, intermediate scores, trained weights and prior of one architecture."""
    torch.set_num_threads(1)
    settings = {"steps": 20, "batch_size": 4, "reports": 2, "threads": 1, "accelerator": "cpu", "seed": 0} | options
    evaluator = JaredEvaluator(tasks=TASKS, data=DATA, train_size=(32, 64), **settings)
    data = TrialData(evaluator.recipe)
    data.source.prepare(progress=False)
    space = plugin("search_spaces", "nano")(tasks={task.name: task.channels for task in data.tasks})
    evaluator.seed_everything()
    network = build(space, space.member("mobilenet_v2_small"))
    final = evaluator.evaluate(network)
    digest, norms = hashlib.sha256(), {}
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(tensor.numpy().tobytes())  # names may change, their order and the numbers may not
        if tensor.is_floating_point() and tensor.dim() > 1:
            norms[name] = float(tensor.double().norm())
    return recorded.plain(
        {
            "final": {name: value for name, value in final.items() if name not in CLOCK},
            "history": [{k: v for k, v in score.items() if k not in CLOCK} for score in evaluator.history],
            "weights": digest.hexdigest(),
            "norms": list(norms.values()),
            "prior": {
                name: {"metrics": prior.metrics, "head_bias": prior.head_bias, "constants": prior.constants}
                for name, prior in data.prior.tasks.items()
            },
        }
    )


def processor() -> str:
    """Two kinds of it round differently, and 20 steps make percents of that."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    fields = dict(line.replace("\t", "").split(":", 1) for line in text.split("\n\n")[0].splitlines())
    return " ".join(fields.get(name, "").strip() for name in ("vendor_id", "cpu family", "model"))


def expected() -> dict[str, Any]:
    """What is recorded of a training."""
    return {name: value for name, value in recorded.read("training").items() if name not in ("machine", "processor")}


def recorded_here() -> bool:
    """Whether this machine must give the very digits."""
    return recorded.same_machine("training") and recorded.read("training")["processor"] == processor()


def check(found: dict[str, Any], expected: dict[str, Any], exactly: bool) -> None:
    """Equal to the digit; on another machine the prior to 1e-4, losses and norms of weights to some percent."""
    if exactly:
        assert found == expected
        return
    a, b = (_flat({k: v for k, v in values.items() if k != "weights"}) for values in (found, expected))
    assert a.keys() == b.keys()
    for name, value in b.items():
        tolerance = {"prior": 1e-4, "norms": 0.05}.get(name.split("/")[1], 0.03 if name.endswith("loss") else None)
        if tolerance:
            assert a[name] == pytest.approx(value, rel=tolerance, abs=1e-4), name


def _flat(values: Any, path: str = "") -> dict[str, Any]:
    if isinstance(values, dict | list):
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        return {key: leaf for name, value in pairs for key, leaf in _flat(value, f"{path}/{name}").items()}
    return {path: values}


def record() -> None:
    recorded.write("training", {"processor": processor(), **training()})


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    return training()


def test_training(here: dict[str, Any]) -> None:
    check(here, expected(), recorded_here())
    assert training() == here  # the very digits, on any machine


@pytest.mark.parametrize("change", [{"seed": 1}, {"weight_decay": 0.0}, {"augmentation": "none"}])
def test_another_recipe_is_noticed(change: dict[str, Any], here: dict[str, Any]) -> None:
    """The broken variants."""
    found = training(**change)
    assert found["final"] != here["final"] and found["weights"] != here["weights"]
    with pytest.raises(AssertionError):
        check(found, here, exactly=True)


@pytest.mark.parametrize("change", [{"seed": 2, "steps": 40}, {"learning_rate": 0.05}, {"batch_size": 8}])
def test_a_training_that_went_elsewhere_is_noticed_on_any_machine(change: dict[str, Any], here: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        check(training(**change), here, exactly=False)
