"""A weighting of your own, with the check that a test of yours runs: each loss is divided by its running mean."""

import torch

from ednas_nni.tasks.weighting.base import Weighting
from ednas_nni.testing.weightings import check_weighting


class Relative(Weighting):
    """Each loss over its own running mean.

    Args:
        tasks: The study's tasks.
        decay: Share of the mean that a step leaves, from 0 to 1.
    """

    def __init__(self, tasks, decay: float = 0.9):
        super().__init__(tasks)
        self.decay = decay
        self.register_buffer("means", torch.full((len(tasks),), torch.nan))

    def forward(self, losses):
        stacked = self.stacked(losses)
        if self.training:
            means = self.means.where(self.means.isfinite(), stacked.detach())
            self.means = self.decay * means + (1 - self.decay) * stacked.detach()
            self.values = 1 / self.means.clamp(min=1e-3)
        return (stacked * self.values).sum()


check_weighting(Relative, decay=0.5)  # the contract, for a test of yours
