"""Constant weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.tasks.weighting.base import Weighting

if TYPE_CHECKING:
    from ednas_nni.tasks.base import Task


class Fixed(Weighting):
    """Weighted sum with constant weights.

    Args:
        weights: Weight >= 0 of each task.
    """

    def __init__(self, weights: Mapping[str, float]):
        super().__init__()
        for name, weight in weights.items():
            if not (isinstance(weight, (int, float)) and math.isfinite(weight) and weight >= 0):
                raise StudyError(f"weighting: the weight of {name!r} is {weight!r}; it must be at least 0.")
        if not any(weights.values()):
            raise StudyError(f"weighting: all weights are zero ({dict(weights)}); one must be positive.")
        self.names = tuple(weights)
        self.register_buffer("values", torch.tensor([float(weights[name]) for name in self.names]))

    @classmethod
    def for_tasks(cls, tasks: Sequence[Task], weights: Mapping[str, float] | None = None) -> Fixed:
        """Weights by task name; a task without one gets 1.

        Args:
            tasks: The study's tasks.
            weights: Task name -> weight of its loss, at least 0 and not all 0; a task without one gets 1.

        Raises:
            StudyError: A weight is given for a task that is not trained, is negative or not a number.
        """
        names = [task.name for task in tasks]
        given = dict(weights or {})
        for name in given:
            if name not in names:
                raise StudyError(f"weighting: {name!r} is no task of the study.{did_you_mean(name, names)}")
        return cls({name: given.get(name, 1.0) for name in names})

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Sum of weight times loss."""
        return (torch.stack([losses[name] for name in self.names]) * self.values).sum()

    def weights(self) -> dict[str, float]:
        """The constants."""
        return dict(zip(self.names, self.values.tolist(), strict=True))
