"""The contract of a task, for a test of its author: `check_task(MyTask)`; see docs/adding_a_task.md.

All checks raise `PluginError` with what is wrong and how to correct it; each can also be called alone.
"""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ednas_nni.compat.vision import functional as F
from ednas_nni.compat.vision import tv_tensors
from ednas_nni.data import SPLITS, DataInfo, Split
from ednas_nni.data.kinds import label_kind
from ednas_nni.errors import DataError, PluginError
from ednas_nni.tasks.base import Rows, Task
from ednas_nni.tasks.protocols import PROTOCOLS
from ednas_nni.testing.rules import broken, plain, rule

IMAGES, SIZE = 5, (8, 12)
CLASSES = ("floor", "wall", "thing")


@dataclass(frozen=True)
class Labels:
    """Labels (N, H, W[, channels]) of a few images as a split holds them, the first image without any valid pixel."""

    info: DataInfo
    rows: Rows

    @classmethod
    def random(cls, *names: str, seed: int = 0) -> Labels:
        """Random labels of the kinds that come with EDNAS; a fifth of the pixels is invalid."""
        rng = np.random.default_rng(seed)
        shape = (IMAGES, *SIZE)
        normals = rng.normal(size=(*shape, 3))
        values = {
            "segmentation": rng.integers(0, len(CLASSES), shape).astype(np.uint8),
            "depth": rng.uniform(0.5, 5, shape).astype(np.float32),
            "normals": (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32),
        }
        missing = [name for name in names if name not in values]
        if missing:
            raise PluginError(f"Random labels {missing} cannot be drawn; hand arrays of some images to `check_task`.")
        info = DataInfo(
            name="random",
            size=SIZE,
            classes=CLASSES,
            counts=dict.fromkeys(SPLITS, IMAGES),
            fingerprint="random",
            targets=names,
        )
        invalid = rng.random(shape) < 0.2
        invalid[0] = True
        labels = cls(info, {name: values[name] for name in names})
        for name, blank in labels.blank().rows.items():
            values[name][invalid] = blank[invalid]
        return labels

    def blank(self) -> Labels:
        """The same images without a single label."""
        invalid = {name: label_kind(name).invalid(self.info) for name in self.rows}
        return Labels(self.info, {name: np.full_like(rows, invalid[name]) for name, rows in self.rows.items()})

    def split(self) -> Split:
        """As a training split."""
        image = np.zeros((*next(iter(self.rows.values())).shape[:3], 3), np.uint8)
        return Split("train", self.info, {"image": image, **self.rows})

    def moved(self, move: Callable[[Tensor], Tensor]) -> Rows:
        """The labels of the moved images, by one of torchvision's functions that keep the size."""
        return {name: self._moved(name, rows, move) for name, rows in self.rows.items()}

    def _moved(self, name: str, rows: np.ndarray, move: Callable[[Tensor], Tensor]) -> np.ndarray:
        moved = move(label_kind(name).tensor(rows, self.info)).as_subclass(Tensor)
        moved = moved.movedim(1, -1) if rows.ndim == 4 else moved.reshape(rows.shape)
        return moved.numpy().astype(rows.dtype)

    def even(self) -> Labels:
        """The images that have a pixel with every label, all over with the labels of their first such pixel."""
        valid = np.logical_and.reduce([label_kind(name).valid(rows, self.info) for name, rows in self.rows.items()])
        images = np.flatnonzero(valid.any((1, 2)))
        first = valid[images].reshape(len(images), -1).argmax(1)
        at = (images, first // valid.shape[2], first % valid.shape[2])
        even = {n: np.broadcast_to(r[at][:, None, None], (len(images), *r.shape[1:])) for n, r in self.rows.items()}
        return Labels(self.info, {name: np.ascontiguousarray(rows) for name, rows in even.items()})


def check_task(task: type[Task], labels: Labels | None = None, **options: Any) -> None:
    """Run the whole contract, under every protocol of the task.

    Its targets are made of random labels; a task with a label kind of its own hands some images over, the first of them
    without a valid pixel. The options are the task's.
    """
    torch.manual_seed(0)
    check_declaration(task)
    labels = labels or Labels.random(*task.requires)
    check_binding(task, labels.info, options)
    for protocol in task.protocols:
        bound = task.for_data(labels.info, protocol=protocol, **options)
        bound_to = f"for_data(info, protocol={protocol!r}) is bound to {bound.protocol!r}. Make `protocol` a field."
        rule(task, bound.protocol == protocol, bound_to)
        check_metrics(bound)
        check_target(bound, labels)
        ready = check_statistics(bound, labels)
        check_loss(ready, labels)
        check_meter(ready, labels)
        check_skill(ready, labels)


def check_declaration(task: type[Task]) -> None:
    """The class is a whole `Task` and says what it is."""
    if not (inspect.isclass(task) and issubclass(task, Task)):
        raise PluginError(f"{task!r} is not a subclass of ednas_nni.tasks.base.Task.")
    rule(task, not inspect.isabstract(task), f"lacks {', '.join(sorted(task.__abstractmethods__))}.")
    declared: Mapping[str, Any] = {n: inspect.getattr_static(task, n, None) for n in ("name", "requires", "likelihood")}
    name, requires, likelihood = declared.values()
    named = isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_]+", name) is not None
    rule(task, named, f"name is {name!r}; it must be letters, digits and underscores, as it names outputs and metrics.")
    listed = isinstance(requires, tuple) and requires and all(isinstance(label, str) for label in requires)
    rule(task, bool(listed), f"requires is {requires!r}; it must be a tuple with the name of at least one label.")
    kinds = ("classification", "regression")
    rule(task, likelihood in kinds, f"likelihood is {likelihood!r}; it must be one of {kinds}.")
    measured = bool(task.protocols) and set(task.protocols) <= set(PROTOCOLS)
    rule(task, measured, f"protocols is {task.protocols!r}; allowed are {', '.join(PROTOCOLS)}, at least one.")


def check_binding(task: type[Task], info: DataInfo, options: Mapping[str, Any]) -> None:
    """`for_data` needs nothing but the data set, and what it gives is a value: equal if made alike, and frozen."""
    _, *others = inspect.signature(task.for_data).parameters.values()
    needed = [p.name for p in others if p.default is p.empty]
    rule(task, not needed, f"for_data needs {', '.join(needed)}; a study may leave every option out: give defaults.")
    bound = task.for_data(info, protocol=task.protocols[0], **options)
    again = task.for_data(info, protocol=task.protocols[0], **options)
    rule(task, bound == again, "for_data gives unequal tasks for equal arguments. Make the class a dataclass.")
    try:
        setattr(bound, "protocol", bound.protocol)  # noqa: B010  (an assignment would not pass the type checker)
    except AttributeError:
        pass
    else:
        raise broken(task, "a bound task can be changed. Make the class a dataclass with frozen=True.")
    settings = bound.settings()
    recorded = plain(settings, tuples=True)
    rule(task, recorded, f"settings() must be plain data, as results are recorded under them, not {settings!r}.")


def check_metrics(bound: Task) -> None:
    """The metrics have names that meet no others in one column."""
    names = [spec.name for spec in bound.metrics]
    rule(bound, bool(names) and len(set(names)) == len(names), f"metrics are {names}; name at least one, each once.")
    prefix = "" if bound.protocol == "standard" else f"{bound.protocol}_"
    for spec in bound.metrics:
        fits = spec.protocol == bound.protocol and spec.name.startswith(prefix)
        rule(bound, fits, f"metric {spec.name!r} says protocol {spec.protocol!r} under protocol {bound.protocol!r}.")
        rule(bound, spec.direction in ("min", "max"), f"metric {spec.name!r} has the direction {spec.direction!r}.")
    rule(bound, bound.primary == names[0], f"primary is {bound.primary!r}, but the first metric is {names[0]!r}.")


def check_statistics(bound: Task, labels: Labels) -> Task:
    """Prior, bias and constants follow from the training split, or there is an error. Returns the task with them."""
    statistics = bound.statistics(labels.split())
    shape = (1, *bound.target(labels.rows).shape[1:])
    prior = bound.prior(statistics)
    rule(bound, prior.shape == shape, f"prior has the shape {prior.shape}; it must be {shape}.")
    rule(bound, bool(np.isfinite(prior).all()), "prior is not finite everywhere; fill positions without a label.")
    bias = bound.head_bias(statistics)
    tensor = isinstance(bias, torch.Tensor) and tuple(bias.shape) == (bound.channels,) and bool(bias.isfinite().all())
    rule(bound, tensor, f"head_bias must be a torch tensor ({bound.channels},) of finite numbers, not {bias!r}.")
    constants = bound.constants(statistics)
    rule(bound, plain(constants, tuples=True), f"constants must be plain data for JSON, not {constants!r}.")
    ready = bound.with_constants(constants)
    same = type(ready) is type(bound) and ready == bound.with_constants(json.loads(json.dumps(constants)))
    rule(bound, same, "with_constants must give the same task from constants that were written and read.")
    try:
        bound.statistics(labels.blank().split())
    except DataError:
        return ready
    raise broken(bound, "statistics of a split without a valid pixel must raise DataError, or priors would be made up.")


def check_target(task: Task, labels: Labels) -> None:
    """The target belongs to its image alone, and moves with the picture."""
    target = task.target(labels.rows)
    shape = tuple(target.shape)
    images, *size = next(iter(labels.rows.values())).shape[:3]
    fits = len(shape) in (3, 4) and shape[0] == images and list(shape[-2:]) == size
    rule(task, fits, f"target has the shape {shape}; it must be ({images}, {size[0]}, {size[1]}) or with channels.")
    typed = isinstance(target, tv_tensors.TVTensor)
    rule(task, typed, "target is a plain tensor, which would not move with the picture: see ednas_nni.data.targets.")
    alone = torch.cat(
        [task.target({name: rows[i : i + 1] for name, rows in labels.rows.items()}) for i in range(images)]
    )
    rule(task, torch.equal(alone, target.as_subclass(Tensor)), "the target of an image depends on the batch it is in.")
    height, width = size
    middle = (..., slice(height // 2 - 1, height // 2 + 1), slice(width // 2 - 1, width // 2 + 1))
    even = labels.even()  # of a zoomed picture borders and details differ, but not what a plain surface holds
    for what, some, move, part in (
        ("mirrored", labels, F.horizontal_flip, (...,)),
        ("zoomed", even, lambda x: F.resized_crop(x, height // 4, width // 4, height // 2, width // 2, size), middle),
    ):
        moved = move(task.target(some.rows)).as_subclass(Tensor)[part]
        again = task.target(some.moved(move)).as_subclass(Tensor)[part]
        rule(
            task,
            torch.allclose(moved.double(), again.double(), atol=1e-5),
            f"the {what} target is not the target of the {what} labels. Is its type that of what it holds?",
        )


def check_loss(task: Task, labels: Labels) -> None:
    """The loss is finite, trains the network, and is an average that leaves out what has no label."""
    target, blank = _targets(task, labels)
    output = torch.randn(len(target), task.channels, *target.shape[-2:], requires_grad=True)
    loss = task.loss(output, target)
    scalar = loss.ndim == 0 and math.isfinite(loss.item()) and loss.requires_grad
    rule(task, scalar, f"loss must be one finite number with a gradient, not {loss}.")
    (gradient,) = torch.autograd.grad(loss, output)
    trains = bool(gradient.isfinite().all()) and bool(gradient.any())
    rule(task, trains, "the gradient of the loss is zero everywhere, or not finite.")
    nowhere = _nowhere(target, blank)[:, None]
    silent = not torch.where(nowhere, gradient, 0).any()
    rule(task, silent, "the gradient of the loss is not zero at pixels without a label. Leave them out.")
    labelled = [*range(1, len(target))]
    twice = task.loss(output[labelled * 2], target[labelled * 2])
    same = torch.allclose(task.loss(output + 10 * nowhere, target), twice, rtol=1e-5)
    rule(task, same, "the loss depends on what has no label, or on how much has one. Average over valid pixels alone.")
    loss = task.loss(output, blank)
    (gradient,) = torch.autograd.grad(loss, output)
    harmless = math.isfinite(loss.item()) and not gradient.any()  # which is also true of a NaN
    rule(task, harmless, f"without a valid pixel the loss is {loss.item()}; it must be finite, its gradient zero.")


def check_meter(task: Task, labels: Labels) -> None:
    """Predictions are like targets; metrics do not depend on batches, and there are none where there is nothing."""
    target, blank = _targets(task, labels)
    output = torch.randn(len(target), task.channels, *target.shape[-2:])
    prediction = task.predict(output)
    rule(
        task,
        prediction.shape == target.shape,
        f"predict gives the shape {tuple(prediction.shape)}, but the target has {tuple(target.shape)}.",
    )
    metrics = _measured(task, prediction, target)
    names = [spec.name for spec in task.metrics]
    rule(task, list(metrics) == names, f"the meter computes {list(metrics)}, but metrics are {names}.")
    finite = all(map(math.isfinite, metrics.values()))
    rule(task, finite, f"metrics of a random network are not finite: {metrics}.")
    whole = _measured(task, prediction, target, batch=len(target))
    rule(task, _equal(metrics, whole), f"metrics depend on the batch size: {metrics} and {whole}.")
    nowhere = _nowhere(target, blank).reshape(len(target), *[1] * (target.ndim - 3), *target.shape[-2:])
    other = torch.where(nowhere, task.predict(output + 10), prediction)
    same = _equal(_measured(task, other, target), _measured(task, prediction[1:], target[1:]))
    rule(task, same, "metrics depend on what has no label.")
    for what, numbers in (
        ("before the first batch", task.meter().compute()),
        ("without a valid pixel", _measured(task, prediction, blank)),
        ("of an output that is not a number", _measured(task, task.predict(output * math.nan), target)),
    ):
        undefined = list(numbers) == names and all(map(math.isnan, numbers.values()))
        rule(task, undefined, f"metrics {what} must all be NaN, not {numbers}.")


def check_skill(task: Task, labels: Labels) -> None:
    """The position prior has a skill of 0, a perfect network about 1, and less than the prior is negative."""
    target, _ = _targets(task, labels)
    prior = torch.from_numpy(np.ascontiguousarray(task.prior(task.statistics(labels.split()))))
    value = _measured(task, prior.expand(len(target), *prior.shape[1:]), target)[task.primary]
    perfect = _measured(task, target, target)[task.primary]
    worse = value + (value - perfect) / 2
    skills = [task.skill(one, value) for one in (value, perfect, worse)]
    good = skills[0] == 0 and skills[1] == max(skills) and abs(skills[1] - 1) < 0.1 and skills[2] < 0
    rule(
        task,
        good,
        f"skill of {task.primary} must be 0 for the prior ({value:.4g}), 1 for the truth itself ({perfect:.4g}) and "
        f"negative for {worse:.4g}, but is {skills}. Is the direction in MetricSpec right?",
    )


def _targets(task: Task, labels: Labels) -> tuple[Tensor, Tensor]:
    """Targets as batches hold them, plain tensors, with labels and without any."""
    return task.target(labels.rows).as_subclass(Tensor), task.target(labels.blank().rows).as_subclass(Tensor)


def _nowhere(target: Tensor, blank: Tensor) -> Tensor:
    """Pixels (N, H, W) of a target that hold what those of an image without a label hold."""
    same = (target == blank) | (target.isnan() & blank.isnan())
    return same.all(1) if same.ndim == 4 else same


def _measured(task: Task, prediction: Tensor, target: Tensor, batch: int = 2) -> dict[str, float]:
    meter = task.meter()
    for first in range(0, len(target), batch):
        meter.update(prediction[first : first + batch], target[first : first + batch])
    return meter.compute()


def _equal(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    return all(math.isclose(a[name], b[name], rel_tol=1e-5, abs_tol=1e-6) for name in a)
