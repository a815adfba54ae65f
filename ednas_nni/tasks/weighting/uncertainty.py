"""Learned weights from homoscedastic uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ednas_nni.tasks.base import Task
from ednas_nni.tasks.weighting.base import Weighting


class Uncertainty(Weighting):
    """One learned noise level for each task.

    With s = log sigma^2, a task adds exp(-s) L + s / 2 if it classifies and exp(-s) L / 2 + s / 2 if it regresses, so a
    task with a larger loss settles at a larger sigma and a smaller weight: a regression whose loss stays at 0.5 at
    s = ln 0.5, where it weighs 1, one that stays at 5 at s = ln 5, where it weighs 0.1. All s start at 0.

    Source: Kendall, Gal, Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
    Semantics", CVPR 2018, equations 7 and 10; s instead of sigma for numerical stability, as they advise.

    Args:
        tasks: The study's tasks; `Task.likelihood` says which of the two formulas is theirs.
    """

    factors: Tensor

    def __init__(self, tasks: Sequence[Task]):
        super().__init__(tasks)
        factors = [1.0 if task.likelihood == "classification" else 0.5 for task in tasks]
        self.register_buffer("factors", torch.tensor(factors))
        self.log_variance = nn.Parameter(torch.zeros(len(factors)))

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Sum over tasks of factor * exp(-s) * loss + s / 2."""
        weighted = self.factors * torch.exp(-self.log_variance) * self.stacked(losses)
        return (weighted + self.log_variance / 2).sum()

    def weights(self) -> dict[str, float]:
        """The present factor * exp(-s) of each task."""
        values = self.factors * torch.exp(-self.log_variance.detach())
        return dict(zip(self.names, values.tolist(), strict=True))
