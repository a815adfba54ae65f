"""Optimiser, learning-rate schedule and averaged weights of a short trial."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def warmup_cooldown(step: int, steps: int, warmup: float, cooldown: float, last: float = 0.01) -> float:
    """Factor, in (0, 1], on the learning rate: linear warm-up, constant, then half a cosine down to `last`.

    `warmup` in [0, 1) and `cooldown`, from 0 (never) to 1 - warmup, are shares of the steps. With the longest cool-down
    there is no constant part: the usual warm-up and cosine. `last` is nearly zero, so that the last weights are the
    ones to score.

    Source: the cosine is that of Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017
    (one period); constant with a cool-down as in Haegele et al., "Scaling Laws and Compute-Optimal Training Beyond
    Fixed Training Durations", NeurIPS 2024, arXiv 2405.18392.
    """
    ramp = round(steps * warmup)
    if step < ramp:
        return (step + 1) / ramp
    start = max(ramp, steps - round(steps * cooldown))
    if step < start:
        return 1.0
    progress = min(1.0, (step - start) / max(1, steps - start))
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * progress)) if start < steps else 1.0


def parameter_groups(
    modules: Iterable[nn.Module], weight_decay: float, rates: Mapping[nn.Parameter, float] | None = None
) -> list[dict[str, Any]]:
    """Weights of convolutions decay; biases, normalisation factors and loss weights do not.

    `rates` are learning rates of single parameters, where they differ from the optimiser's.
    """
    groups: dict[tuple[float | None, bool], list[nn.Parameter]] = {}
    for parameter in (p for module in modules for p in module.parameters() if p.requires_grad):
        groups.setdefault(((rates or {}).get(parameter), parameter.ndim <= 1), []).append(parameter)
    return [
        {"params": groups[rate, flat], "weight_decay": 0.0 if flat else weight_decay, **({"lr": rate} if rate else {})}
        for rate, flat in sorted(groups, key=lambda group: (group[0] is not None, group[1]))
    ]


def adamw(groups: list[dict[str, Any]], learning_rate: float, fused: bool = True) -> torch.optim.AdamW:
    """AdamW (Loshchilov, Hutter, ICLR 2019).

    `fused`, one kernel for all weights: small networks have hundreds, whose separate updates take a tenth of a step. It
    would unscale gradients itself, after they were clipped, so not with scaled losses (float16).
    """
    return torch.optim.AdamW(groups, lr=learning_rate, fused=fused)


class AveragedWeights:
    """Averages all floating-point parameters and buffers of a network (batch-norm statistics included).

    After n updates min(decay, (1 + n) / (10 + n)) of the average survives one more, so that early weights are soon
    forgotten.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.updates = 0
        state = (*model.parameters(), *model.buffers())
        self._tensors = [tensor.data for tensor in state if tensor.is_floating_point()]
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
