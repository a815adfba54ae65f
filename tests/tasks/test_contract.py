"""Every registered task keeps the contract, and the suite rejects each task that breaks a rule of it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ednas_nni import plugins
from ednas_nni.data.targets import DepthMap
from ednas_nni.errors import PluginError
from ednas_nni.tasks.base import TASKS, Task
from ednas_nni.tasks.protocols import MetricSpec
from ednas_nni.testing.tasks import Labels, check_task

Depth, Edges, Normals = TASKS.load("depth"), TASKS.load("edges"), TASKS.load("normals")


@pytest.mark.parametrize("name", TASKS.names())
def test_every_registered_task(name: str) -> None:
    task = TASKS.load(name)
    assert task.name == name
    check_task(task)


@pytest.mark.parametrize(
    ("name", "option"),
    [("depth", {"loss": "silog"}), ("normals", {"loss": "angular"}), ("segmentation", {"class_weights": "balanced"})],
)
def test_with_options(name: str, option: dict[str, str]) -> None:
    check_task(TASKS.load(name), **option)


class Meter:
    """Of edges, with a fault."""

    def __init__(self, compute: Callable[[Meter, dict[str, float]], dict[str, float]]) -> None:
        self.meter, self.fault, self.batches = Edges().meter(), compute, []

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        self.meter.update(prediction, target)
        single = Edges().meter()
        single.update(prediction, target)
        self.batches.append(single.compute())

    def compute(self) -> dict[str, float]:
        return self.fault(self, self.meter.compute())


def mean_of_batches(meter: Meter, result: dict[str, float]) -> dict[str, float]:
    return (
        {name: float(np.mean([batch[name] for batch in meter.batches])) for name in result} if meter.batches else result
    )


def nothing_is_zero(_: Meter, result: dict[str, float]) -> dict[str, float]:
    return {name: 0.0 if math.isnan(value) else value for name, value in result.items()}


def with_meter(fault: Callable[[Meter, dict[str, float]], dict[str, float]]) -> type[Task]:
    return changed(Edges, meter=lambda self: Meter(fault))


class Holes:
    """A meter for which what has no label is no edge."""

    def __init__(self) -> None:
        self.meter = Edges().meter()
        self.compute = self.meter.compute

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        self.meter.update(prediction, target.where(target < 2, 0))


class Diluted:
    """A meter that divides by all pixels, whether they have a label or not."""

    def __init__(self) -> None:
        self.meter, self.labelled, self.pixels = Edges().meter(), 0, 0

    def update(self, prediction: torch.Tensor, target: torch.Tensor) -> None:
        self.meter.update(prediction, target)
        self.labelled, self.pixels = self.labelled + int((target < 2).sum()), self.pixels + target.numel()

    def compute(self) -> dict[str, float]:
        return {name: value * self.labelled / max(self.pixels, 1) for name, value in self.meter.compute().items()}


def changed(task: type[Task], **members: object) -> type[Task]:
    """A twin of a task with other members."""
    return dataclasses.dataclass(frozen=True)(type("Twin", (task,), members))


def as_depth(values: torch.Tensor) -> torch.Tensor:
    return values.as_subclass(type(Depth().target({"depth": np.ones((1, 1, 1), np.float32)})))


def loss(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> type[Task]:
    return changed(Edges, loss=lambda self, output, target: function(output[:, 0], target))


def in_part(target: torch.Tensor) -> torch.Tensor:
    """Which images have a label somewhere."""
    return (target < 2).flatten(1).any(1)


def bce(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.binary_cross_entropy_with_logits(output, target.float())


class Loose(Edges):  # type: ignore[misc,valid-type]
    """Neither frozen nor compared by value."""

    __setattr__, __eq__ = object.__setattr__, object.__eq__


class Whole(Edges):  # type: ignore[misc,valid-type]
    """Can be changed."""

    __setattr__ = object.__setattr__


F1 = (MetricSpec("f1", "1", "min"), *Edges.metrics[1:])
TWINS: dict[str, tuple[type[Task], str]] = {
    "another class": (int, "is not a subclass of"),
    "a member is missing": (type("Part", (Task,), {"name": "x"}), "lacks channels, for_data, loss, meter,"),
    "a name with a blank": (changed(Edges, name="my edges"), "name is 'my edges'"),
    "a name as label": (changed(Edges, requires="segmentation"), "requires is 'segmentation'"),
    "a likelihood of its own": (changed(Edges, likelihood="other"), "likelihood is 'other'"),
    "a protocol of its own": (changed(Edges, protocols=("mine",)), "protocols is ('mine',)"),
    "a protocol with the names of another": (changed(Edges, protocols=("adashare",)), "is bound to 'standard'"),
    "metrics with the names of another": (
        changed(Edges, protocols=("adashare",), protocol="adashare"),
        "says protocol 'standard' under",
    ),
    "an option that must be given": (
        changed(Edges, for_data=classmethod(lambda cls, info, protocol, width: cls())),
        "for_data needs protocol, width",
    ),
    "not a value": (Loose, "unequal tasks"),
    "can be changed": (Whole, "can be changed"),
    "settings that no file holds": (changed(Edges, settings=lambda self: {"a": {1}}), "settings() must be plain"),
    "a metric twice": (changed(Edges, metrics=Edges.metrics * 2), "metrics are ["),
    "the wrong direction": (changed(Edges, metrics=F1), "Is the direction in MetricSpec right?"),
    "another primary": (changed(Edges, primary="recall"), "primary is 'recall'"),
    "a prior without its axis": (changed(Edges, prior=lambda self, s: s["position_share"]), "prior has the shape"),
    "a prior with holes": (
        changed(Depth, prior=lambda self, s: np.full_like(s["position_median"][None], np.nan)),
        "prior is not finite",
    ),
    "a bias for another head": (changed(Edges, head_bias=lambda self, s: torch.zeros(2)), "head_bias must be a torch"),
    "constants of numpy": (changed(Edges, constants=lambda self, s: {"a": s["share"]}), "constants must be plain data"),
    "constants that are lost": (changed(Edges, with_constants=lambda self, c: Edges(7)), "with_constants must give"),
    "statistics of nothing": (
        changed(Edges, statistics=lambda self, split: {"position_share": np.zeros((8, 12)), "share": np.asarray(0.5)}),
        "must raise DataError",
    ),
    "a target at half the size": (
        changed(Edges, target=lambda self, rows: Edges.target(self, rows)[:, ::2]), "target has the shape (5, 4, 12)"
    ),
    "a target that stays": (
        changed(Edges, target=lambda self, rows: Edges.target(self, rows).as_subclass(torch.Tensor)), "a plain tensor"
    ),
    "a target of its batch": (
        changed(Depth, target=lambda self, rows: as_depth(Depth.target(self, rows) / rows["depth"].max())),
        "depends on the batch",
    ),
    "normals that only move": (
        changed(Normals, target=lambda self, rows: Normals.target(self, rows).as_subclass(
            type(Edges().target({"segmentation": rows["normals"][..., 0]})))),
        "the mirrored target is not",
    ),
    "depth that is not nearer when it is zoomed": (
        changed(Depth, target=lambda self, rows: DepthMap(Depth.target(self, rows), kind="inverse")),
        "the zoomed target is not",
    ),
    "a loss per pixel": (loss(lambda y, t: (y - t).square()), "loss must be one finite number"),
    "a loss of the arg max": (loss(lambda y, t: (y.sign() - 0.5).square().mean() + 0 * y.sum()), "is zero everywhere"),
    "a loss of holes": (loss(lambda y, t: bce(y, t.clamp(max=1))), "is not zero at pixels without a label"),
    "a loss of holes beside labels": (
        loss(lambda y, t: bce(y[in_part(t)], t[in_part(t)].clamp(max=1)) if in_part(t).any() else 0 * y.sum()),
        "is not zero at pixels without a label",
    ),
    "a loss that holes make small": (
        loss(lambda y, t: bce(y.where(t < 2, 0), t.where(t < 2, 0))), "depends on what has no label"
    ),
    "a loss that grows with the picture": (
        loss(lambda y, t: bce(y[t < 2], t[t < 2]) * (t < 2).sum() if (t < 2).any() else 0 * y.sum()),
        "or on how much has one",
    ),
    "a loss of nothing": (loss(lambda y, t: bce(y[t < 2], t[t < 2])), "without a valid pixel the loss is nan"),
    "a prediction with channels": (
        changed(Edges, predict=lambda self, y: (y > 0).long()), "predict gives the shape (5, 1, 8, 12)"
    ),
    "metrics by other names": (with_meter(lambda m, r: {"F1": r["f1"]}), "the meter computes ['F1']"),
    "the mean of batches": (with_meter(mean_of_batches), "depend on the batch size"),
    "metrics of holes": (changed(Edges, meter=lambda self: Holes()), "metrics depend on what has no label"),
    "metrics over all pixels": (changed(Edges, meter=lambda self: Diluted()), "metrics depend on what has no label"),
    "a zero for nothing": (with_meter(nothing_is_zero), "before the first batch must all be NaN"),
    "a broken network has a score": (
        changed(Edges, predict=lambda self, y: (y[:, 0] > 0).long()), "of an output that is not a number"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", TWINS)
def test_the_suite_rejects(fault: str) -> None:
    task, message = TWINS[fault]
    with pytest.raises(PluginError, match=re.escape(message)):
        check_task(task)


def test_a_label_of_its_own_needs_images() -> None:
    with pytest.raises(PluginError, match=r"Random labels \['heat'\] cannot be drawn"):
        check_task(changed(Edges, requires=("heat",)))


def test_a_task_with_a_label_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saliency of examples/plugin: bytes, 255 = none, like class labels."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "examples" / "plugin")
    from saliency.label import Saliency
    from saliency.task import SaliencyTask

    classes = Labels.random("segmentation")
    monkeypatch.setattr(plugins, "_entry_points", lambda group: {"saliency": None})
    monkeypatch.setattr(plugins, "load", lambda group, name: Saliency)
    info = dataclasses.replace(classes.info, targets=("saliency",))
    check_task(SaliencyTask, Labels(info, {"saliency": classes.rows["segmentation"]}))
