"""Learned weights from homoscedastic uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ednas_nni.tasks.weighting.base import Weighting

if TYPE_CHECKING:
    from ednas_nni.tasks.base import Task


class Uncertainty(Weighting):
    """One learned noise level for each task.

    With s = log sigma^2, a task adds exp(-s) L + s / 2 if it classifies and exp(-s) L / 2 + s / 2 if it
    regresses, so a task with a larger loss settles at a larger sigma and a smaller weight. All s start at 0.

    Source: Kendall, Gal, Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry
    and Semantics", CVPR 2018, equations 7 and 10; s instead of sigma for numerical stability, as they advise.

    Args:
        halves: For each task the factor in front of the weighted loss: 1.0 classification, 0.5 regression.
    """

    def __init__(self, halves: Mapping[str, float]):
        super().__init__()
        self.names = tuple(halves)
        self.register_buffer("factors", torch.tensor([float(halves[name]) for name in self.names]))
        self.log_variance = nn.Parameter(torch.zeros(len(self.names)))

    @classmethod
    def for_tasks(cls, tasks: Sequence[Task]) -> Uncertainty:
        """Take the kind of likelihood from each task."""
        return cls({task.name: 1.0 if task.likelihood == "classification" else 0.5 for task in tasks})

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Sum over tasks of factor * exp(-s) * loss + s / 2."""
        stacked = torch.stack([losses[name] for name in self.names])
        return (self.factors * torch.exp(-self.log_variance) * stacked + self.log_variance / 2).sum()

    def weights(self) -> dict[str, float]:
        """The present factor * exp(-s) of each task."""
        values = self.factors * torch.exp(-self.log_variance.detach())
        return dict(zip(self.names, values.tolist(), strict=True))
