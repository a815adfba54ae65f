"""Dynamic weight average: tasks that learn more slowly than before weigh more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ednas_nni.errors import StudyError
from ednas_nni.tasks.base import Task
from ednas_nni.tasks.weighting.base import Weighting


class DWA(Weighting):
    """Weights K softmax(r / T) of K tasks; r is a task's mean loss of the last window over that of the one before.

    Published for epochs; a trial is a single one, so windows of steps take their place. In the first two windows all
    weights are 1. Of two tasks, one whose loss fell to half (r = 0.5) and one that stands still (r = 1), T = 2 weighs
    the first with 0.88 and the second with 1.12.

    Source: Liu, Johns, Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019, arXiv 1803.10704, equation
    7.

    Args:
        tasks: The study's tasks.
        temperature: T, above 0; larger makes the weights more alike.
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
        ratio = mean / self.before.clamp(min=1e-12)
        weights = len(self.names) * torch.softmax(ratio / self.temperature, 0)
        # Not in place: the backward pass of this step still needs the weights that it was computed with.
        self.values = torch.where(ratio.isfinite().all(), weights, torch.ones_like(weights))
        self.before.copy_(mean)
        self.sums.zero_()
