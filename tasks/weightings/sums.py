"""Weightings that sum the losses: constant, learned and dynamic factors, and the geometric mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.tasks.base import Task
from ednas_nni.tasks.weighting.base import Weighting

FLOOR = 1e-4
"""Smallest loss that enters a geometric mean."""


class Fixed(Weighting):
    """Weighted sum with constant weights.

    Args:
        tasks: The study's tasks.
        weights: Task name -> weight of its loss; a task without one gets 1.

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


class DWA(Weighting):
    """Weights K softmax(r / T) of K tasks; r is a task's mean loss of the last window over that of the one before.

    Published for epochs; a trial is a single one, so windows of steps take their place. In the first two windows all
    weights are 1. Of two tasks, one whose loss fell to half (r = 0.5) and one that stands still (r = 1), T = 2 weighs
    the first with 0.88 and the second with 1.12.

    Source: Liu, Johns, Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019, arXiv 1803.10704, equation
    7.

    Args:
        tasks: The study's tasks.
        temperature: T, above 0; larger makes weights more alike.
        window: Steps of a window, at least 1.

    Raises:
        StudyError: An option is not such a number.
    """

    sums: Tensor
    before: Tensor

    def __init__(self, tasks: Sequence[Task], temperature: float = 2.0, window: int = 25):
        super().__init__(tasks)
        if not (isinstance(temperature, int | float) and math.isfinite(temperature) and temperature > 0):
            raise StudyError(f"weighting dwa: temperature is {temperature!r}; it must be above 0.")
        if not isinstance(window, int) or isinstance(window, bool) or window < 1:
            raise StudyError(f"weighting dwa: window is {window!r}; it must be a whole number of steps, at least 1.")
        self.temperature, self.window = float(temperature), window
        self.register_buffer("sums", torch.zeros(len(self.names)))
        self.register_buffer("before", torch.full((len(self.names),), torch.nan))
        # As a plain number: reading one back from a device would make the host wait in every step.
        self.steps = 0

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Weighted sum; in training the losses also enter the window."""
        stacked = self.stacked(losses)
        total = (stacked * self.values).sum()
        if self.training:
            self._take_in(stacked.detach())
        return total

    def get_extra_state(self) -> int:
        """Steps so far, as part of the state."""
        return self.steps

    def set_extra_state(self, state: int) -> None:
        """Take the steps over."""
        self.steps = int(state)

    @torch.no_grad()
    def _take_in(self, losses: Tensor) -> None:
        self.sums += losses
        self.steps += 1
        if self.steps % self.window:
            return
        mean = self.sums / self.window
        ratio = mean / self.before  # not finite: the first window, or a task without a label in the one before
        ratio = torch.where(ratio.isfinite(), ratio, 1.0)
        # Not in place: the backward pass of this step still needs the weights that it was computed with.
        self.values = len(self.names) * torch.softmax(ratio / self.temperature, 0)
        self.before.copy_(mean)
        self.sums.zero_()


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
