"""The base class of tasks. Nothing outside a task asks for its name to decide what to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni.plugins import Group
from ednas_nni.tasks.decoding import Decoding
from ednas_nni.tasks.meters import Meter
from ednas_nni.tasks.protocols import MetricSpec

if TYPE_CHECKING:
    from typing_extensions import Self

    from ednas_nni.data import DataInfo, Split

Rows = Mapping[str, np.ndarray]
"""Label -> its array of some images, (N, H, W) or (N, H, W, channels), as a split holds them."""

Statistics = Mapping[str, np.ndarray]
"""What a task counts once on the training split, as plain arrays of any shape."""

Constants = Mapping[str, Any]
"""What a task takes as given about the data: plain JSON data of the task's own choice, kept in a file."""


class Task(ABC):
    """One dense prediction task, bound to a data set by `for_data`; a frozen dataclass.

    A task owns its target: of which labels of the data set it is made, and of which tensor type it is
    (`ednas_nni.data.targets`), which decides how it moves when the picture is flipped, cropped or zoomed.

    In all shapes N is a number of images, H and W their height and width, and C the task's `channels`.

    Attributes:
        name: The target's name in a batch, the output's in a network; the name under which the task is registered.
        requires: Labels of the data set that the target is made of.
        likelihood: Of the loss: "classification" or "regression"; learned weightings scale the two differently.
        protocols: Evaluation protocols in which the task is measured; a study with another one is rejected.
        protocol: The one that it is bound to. A task with several makes this a field.
    """

    name: ClassVar[str]
    requires: ClassVar[tuple[str, ...]]
    likelihood: ClassVar[Literal["classification", "regression"]]
    protocols: ClassVar[tuple[str, ...]] = ("standard",)
    protocol: str = "standard"

    @classmethod
    @abstractmethod
    def for_data(cls, info: DataInfo, *protocol: Any, **options: Any) -> Self:  # so that each task may name its options
        """Bind the task to a data set: `for_data(info, protocol="standard", ...)`.

        Args:
            info: The data set.
            *protocol: One of `protocols`.
            **options: The task's own, each a named argument with a plain type and a line of documentation.
        """

    @property
    def legend(self) -> tuple[str, ...]:
        """Names of the values 0, 1, ... of a target of whole numbers, for pictures; values without one are numbered."""
        return ()

    def settings(self) -> dict[str, Any]:
        """The fields that tell this task from others of its name; what is measured for it is recorded under them."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.compare} if is_dataclass(self) else {}

    def summary(self) -> str:
        """One line on the bound task for a trial's log; "" says nothing."""
        return ""

    @property
    @abstractmethod
    def metrics(self) -> tuple[MetricSpec, ...]:
        """What the meter computes; the first is the primary metric."""

    @property
    def primary(self) -> str:
        """Name of the metric that enters the quality."""
        return self.metrics[0].name

    @property
    @abstractmethod
    def channels(self) -> int:
        """Channels C of the network's output for this task."""

    @abstractmethod
    def target(self, rows: Rows) -> Tensor:
        """The typed batch of targets, (N, H, W) or (N, channels, H, W), from rows of the labels in `requires`."""

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of a raw output (N, C, H, W).

        Invalid pixels take no part. Finite, and with a gradient of zero, where no pixel is valid.
        """

    def imitation(self, output: Tensor, teacher: Tensor) -> Tensor:
        """Scalar loss of a raw output against that of another network, both (N, C, H, W), about as large as `loss`.

        By default the mean absolute difference. No gradient reaches the teacher.
        """
        return functional.l1_loss(output, teacher.detach())

    @abstractmethod
    def predict(self, output: Tensor) -> Tensor:
        """The prediction in the target's shape and unit, from a raw output (N, C, H, W)."""

    @property
    def decoding(self) -> Decoding:
        """What `predict` does, in the words of exported files; by default nothing: their output is raw."""
        return Decoding()

    @abstractmethod
    def meter(self) -> Meter:
        """A fresh accumulator of `metrics`."""

    @abstractmethod
    def statistics(self, split: Split) -> Statistics:
        """What `constants`, `head_bias` and `prior` need from the training split.

        Raises:
            DataError: No pixel of the split is valid.
        """

    @abstractmethod
    def prior(self, statistics: Statistics) -> np.ndarray:
        """The position prior: one prediction (1, ...) that knows where a pixel lies, not what it shows."""

    def head_bias(self, statistics: Statistics) -> Tensor:
        """Output bias (C,) that makes an otherwise silent head predict what is typical; zero by default."""
        return torch.zeros(self.channels)

    def constants(self, statistics: Statistics) -> Constants:
        """What loss and prediction take as given about the data; none by default. Recorded with the prior."""
        return {}

    def with_constants(self, constants: Constants) -> Self:
        """The same task with its constants; itself by default."""
        return self

    def skill(self, value: float, prior_value: float) -> float:
        """How much of the way from the position prior to perfection the primary metric has gone.

        1 - error / prior error for a metric to minimise, (score - prior) / (most - prior) for one to maximise, where
        the most is 1, or 100 of a percentage. So 0 is as good as the prior, 1 perfect, and less than 0 worse than the
        prior: an error of 0.3 m where the prior has 0.4 m is a skill of 0.25.

        Raises:
            ZeroDivisionError: The prior is perfect already.
        """
        spec = self.metrics[0]
        if spec.direction == "min":
            return 1 - value / prior_value
        most = 100 if spec.unit == "%" else 1
        return (value - prior_value) / (most - prior_value)


TASKS: Group[type[Task]] = Group("tasks", Task)


def row_blocks(shape: tuple[int, ...], budget_bytes: int = 64 << 20) -> list[slice]:
    """Slices over image rows that keep a float32 block of (N, rows, W, ...) within a memory budget.

    Statistics over the images of one position need all N values of that position at once, which a memory-mapped split
    serves by rows. Of 1,000 images of 64x128 a row takes 512,000 bytes, so all 64 rows fit into one block.
    """
    per_row = 4 * int(np.prod([shape[0], *shape[2:]]))
    rows = max(1, budget_bytes // max(per_row, 1))
    return [slice(start, min(start + rows, shape[1])) for start in range(0, shape[1], rows)]
