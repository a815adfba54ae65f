"""Exponential moving average of a network's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AveragedWeights:
    """Averages all floating-point parameters and buffers of a network (batch-norm statistics included).

    After n updates min(decay, (1 + n) / (10 + n)) of the average survives one more, so that early weights are soon
    forgotten.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.updates = 0
        self._tensors = _floating(model)
        self._average = [tensor.detach().clone() for tensor in self._tensors]

    @torch.no_grad()
    def update(self) -> None:
        """Take the network's present weights in."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self._average, self._tensors, 1 - decay)
        self.updates += 1

    @property
    def tensors(self) -> list[Tensor]:
        """The averages, in the network's order."""
        return self._average

    @torch.no_grad()
    def take_over(self, tensors: list[Tensor], updates: int) -> None:
        """Go on from averages that were kept."""
        for average, tensor in zip(self._average, tensors, strict=True):
            average.copy_(tensor)
        self.updates = updates

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the network's weights and the average in place; a second call undoes the first."""
        for tensor, average in zip(self._tensors, self._average, strict=True):
            present = tensor.clone()
            tensor.copy_(average)
            average.copy_(present)


def _floating(model: nn.Module) -> list[Tensor]:
    state = [*model.parameters(), *model.buffers()]
    return [tensor.data for tensor in state if tensor.is_floating_point()]
