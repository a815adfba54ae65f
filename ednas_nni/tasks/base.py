"""The task contract. Nothing outside a task asks for its name to decide what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from ednas_nni.tasks.metrics import Meter, MetricSpec

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, Split

Constants = Mapping[str, Any]
"""What a task measures once on the training split and then takes as given: plain JSON data."""


@runtime_checkable
class Task(Protocol):
    """One dense prediction task, bound to a data set by `for_data`.

    A task owns its target: of which labels of the data set it is made, and of which tensor type it is
    (`ednas_nni.data.targets`), which decides how it moves when the picture is flipped, cropped or zoomed.

    Attributes:
        name: The target's name in a batch and the output's name in a network.
        requires: Labels of the data set that the target is made of.
        primary: The metric that enters the quality.
        metrics: What the meter computes, primary first.
        every_metric: Optional, of the class: `metrics` for any data set and protocol, where they depend on these.
        likelihood: "classification" or "regression"; learned weightings scale the two differently.
        channels: Channels C of the network's output for this task.
    """

    name: ClassVar[str]
    requires: ClassVar[Sequence[str]]
    likelihood: ClassVar[Literal["classification", "regression"]]

    @property
    def primary(self) -> str:
        """The metric that enters the quality."""

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """What the meter computes."""

    @property
    def channels(self) -> int:
        """Channels C of the network's output for this task."""

    @classmethod
    def for_data(cls, info: DataInfo, protocol: str = "standard", **options: Any) -> Task:
        """Bind the task to a data set and an evaluation protocol; `options` are its own (a loss, for instance)."""

    def target(self, rows: Mapping[str, np.ndarray]) -> Tensor:
        """The typed batch of targets from some images' rows of the labels in `requires`."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of a raw output (N, C, H, W); finite, with a gradient, also without a valid pixel."""

    def predict(self, output: Tensor) -> Tensor:
        """The prediction in the target's type and unit."""

    def meter(self) -> Meter:
        """A fresh accumulator."""

    def statistics(self, split: Split) -> Mapping[str, np.ndarray]:
        """What `constants`, `head_bias` and `prior` need from the training split, as plain arrays."""

    def constants(self, statistics: Mapping[str, np.ndarray]) -> Constants:
        """What loss and prediction need to know about the data; recorded with the reference."""

    def with_constants(self, constants: Constants) -> Task:
        """The same task that knows them."""

    def head_bias(self, statistics: Mapping[str, np.ndarray]) -> Tensor:
        """Output bias (C,) that makes an otherwise silent head predict the training split's typical value."""

    def prior(self, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """The position prior: a prediction (1, ...) that knows where a pixel lies, not what it shows."""

    def skill(self, value: float, prior_value: float) -> float:
        """Skill of the primary metric: 0 = as good as the position prior, 1 = perfect, negative = worse."""


def skill(spec: MetricSpec, value: float, prior_value: float) -> float:
    """How much of the way from the position prior to perfection a metric has gone.

    1 - error / prior error for a metric to minimise, (score - prior) / (most - prior) for one to maximise, where the
    most is 1, or 100 of a percentage.

    Args:
        spec: The metric.
        value: A network's.
        prior_value: The position prior's.

    Raises:
        ZeroDivisionError: The prior is perfect already.
    """
    if spec.direction == "min":
        return 1 - value / prior_value
    most = 100 if spec.unit == "%" else 1
    return (value - prior_value) / (most - prior_value)


def row_blocks(shape: tuple[int, ...], budget_bytes: int = 64 << 20) -> list[slice]:
    """Slices over image rows that keep a float32 block of (N, rows, W, ...) within a memory budget.

    Statistics over the images of one position need all N values of that position at once, which a
    memory-mapped split serves by rows.
    """
    per_row = 4 * int(np.prod([shape[0], *shape[2:]]))
    rows = max(1, budget_bytes // max(per_row, 1))
    return [slice(start, min(start + rows, shape[1])) for start in range(0, shape[1], rows)]
