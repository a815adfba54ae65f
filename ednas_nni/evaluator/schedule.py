"""Optimiser and learning-rate schedule of a short trial."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn


def warmup_cosine(step: int, steps: int, warmup: float, last: float = 0.01) -> float:
    """Factor on the learning rate: linear warm-up, then half a cosine down to `last`.

    Args:
        step: Steps taken so far, 0 to `steps`.
        steps: Steps of the whole training.
        warmup: Share of the steps spent on warming up, in [0, 1).
        last: Factor at the end; nearly zero, so that the last weights are the ones to score.

    Returns:
        Factor in (0, 1].

    Source: Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017 (one
    period).
    """
    ramp = round(steps * warmup)
    if step < ramp:
        return (step + 1) / ramp
    progress = min(1.0, (step - ramp) / max(1, steps - ramp))
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * progress))


def parameter_groups(modules: Iterable[nn.Module], weight_decay: float) -> list[dict]:
    """Weights of convolutions decay; biases, normalisation factors and loss weights do not."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def adamw(groups: list[dict], learning_rate: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov, Hutter, ICLR 2019) without empty groups, which torch refuses."""
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate)
