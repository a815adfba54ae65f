"""The task contract. Nothing outside a task asks for its name to decide what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from ednas_nni.metrics import MetricSpec

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, Split


class Meter(Protocol):
    """Accumulates a metric over a split."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch of predictions (as returned by `Task.predict`) and targets."""

    def compute(self) -> dict[str, float]:
        """All metrics of the task, without the task's prefix."""


@runtime_checkable
class Task(Protocol):
    """One dense prediction task, bound to a data set by `for_data`.

    Attributes:
        name: The target's name in a batch and the output's name in a network.
        primary: The metric that enters the quality.
        metrics: What the meter computes.
        likelihood: "classification" or "regression"; learned weightings scale the two differently.
        channels: Channels C of the network's output for this task.
    """

    name: ClassVar[str]
    primary: ClassVar[str]
    metrics: ClassVar[tuple[MetricSpec, ...]]
    likelihood: ClassVar[Literal["classification", "regression"]]

    @property
    def channels(self) -> int:
        """Channels C of the network's output for this task."""

    @classmethod
    def for_data(cls, info: DataInfo, **options: Any) -> Task:
        """Bind the task to a data set; `options` are the task's own (a depth loss, for instance)."""

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of a raw output (N, C, H, W); finite, with a gradient, also without a valid pixel."""

    def predict(self, output: Tensor) -> Tensor:
        """The prediction in the target's type and unit."""

    def flip(self, target: Tensor) -> Tensor:
        """The target of the image mirrored left to right."""

    def meter(self) -> Meter:
        """A fresh accumulator."""

    def statistics(self, split: Split) -> Mapping[str, np.ndarray]:
        """What `head_bias` and `prior` need from the training split, as plain arrays."""

    def head_bias(self, statistics: Mapping[str, np.ndarray]) -> Tensor:
        """Output bias (C,) that makes an otherwise silent head predict the training split's typical value."""

    def prior(self, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """The position prior: a prediction (1, ...) that knows where a pixel lies, not what it shows."""

    def skill(self, value: float, prior_value: float) -> float:
        """Skill of the primary metric: 0 = as good as the position prior, 1 = perfect, negative = worse."""


def error_skill(error: float, prior_error: float) -> float:
    """1 - error / prior error. Shared by tasks whose primary metric is an error >= 0."""
    return 1 - error / prior_error


def score_skill(score: float, prior_score: float) -> float:
    """(score - prior) / (1 - prior). Shared by tasks whose primary metric is a score <= 1."""
    return (score - prior_score) / (1 - prior_score)


def row_blocks(shape: tuple[int, ...], budget_bytes: int = 64 << 20) -> list[slice]:
    """Slices over image rows that keep a float32 block of (N, rows, W, ...) within a memory budget.

    Statistics over the images of one position need all N values of that position at once, which a
    memory-mapped split serves by rows.
    """
    per_row = 4 * int(np.prod([shape[0], *shape[2:]]))
    rows = max(1, budget_bytes // max(per_row, 1))
    return [slice(start, min(start + rows, shape[1])) for start in range(0, shape[1], rows)]
