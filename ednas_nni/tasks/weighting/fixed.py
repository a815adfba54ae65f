"""Constant weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.tasks.base import Task
from ednas_nni.tasks.weighting.base import Weighting


class Fixed(Weighting):
    """Weighted sum with constant weights.

    Args:
        tasks: The study's tasks.
        weights: Task name -> weight of its loss, at least 0 and not all 0; a task without one gets 1.

    Raises:
        StudyError: A weight is given for a task that is not trained, is negative or not a number, or all are 0.
    """

    def __init__(self, tasks: Sequence[Task], weights: Mapping[str, float] | None = None):
        super().__init__(tasks)
        given = dict(weights or {})
        for name, weight in given.items():
            if name not in self.names:
                raise StudyError(f"weighting: {name!r} is not a task of the study.{did_you_mean(name, self.names)}")
            if not (isinstance(weight, int | float) and math.isfinite(weight) and weight >= 0):
                raise StudyError(f"weighting: the weight of {name!r} is {weight!r}; it must be at least 0.")
        self.values = torch.tensor([float(given.get(name, 1.0)) for name in self.names])
        if not self.values.any():
            raise StudyError(f"weighting: all weights are zero ({given}); one must be positive.")

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Sum of weight times loss."""
        return (self.stacked(losses) * self.values).sum()
