"""Geometric mean of the losses: relative progress counts, whatever the scale of a loss."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ednas_nni.tasks.weighting.base import Weighting

FLOOR = 1e-4


class GeometricMean(Weighting):
    """exp(mean of ln(loss)): the gradient weighs each task by the mean over its own loss, divided by their number.

    Losses of 4 and 1 have the mean 2, so the first is weighted by 2 / 4 / 2 = 0.25 and the second by 2 / 1 / 2 = 1: to
    halve either lowers the mean by the same factor. A loss below `FLOOR` (that of a batch without a label of the task
    is 0) is left out, so that a task without labels neither stops the others nor explodes.

    Source: Chennupati et al., "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for Multi-Task
    Learning", CVPR workshops 2019, arXiv 1904.08492, equation 5.
    """

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The geometric mean over the tasks that have a loss; the sum where only one or none has."""
        stacked = self.stacked(losses)
        present = stacked > FLOOR
        logs = torch.where(present, stacked.clamp(min=FLOOR).log(), 0.0)
        count = present.sum().clamp(min=1)
        mean = (logs.sum() / count).exp()
        self.values = torch.where(present, mean / stacked.clamp(min=FLOOR) / count, 0.0).detach()
        # Without any loss the mean would be 1, a constant.
        return torch.where(present.any(), mean, stacked.sum())
