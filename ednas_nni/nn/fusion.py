"""Fusion: features of all strides become one at the finest stride."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ednas_nni.nn.conv import ConvNorm, Separable
from ednas_nni.nn.elementwise import Add, Resize


class FPN(nn.Module):
    """A light feature pyramid (Lin et al., arXiv 1612.03144): lateral 1 x 1, top-down sum, one separable convolution.

    Only the finest level is kept, since dense predictions need nothing else.

    Args:
        inputs: Channels of the features, finest first; each has half the resolution of the one before.
        channels: Channels of the result.
    """

    def __init__(self, inputs: Sequence[Any], channels: Any) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(ConvNorm(c, channels, activate=False) for c in inputs)
        self.resizes = nn.ModuleList(Resize(channels, 2) for _ in inputs[1:])
        self.adds = nn.ModuleList(Add(channels) for _ in inputs[1:])
        self.smooth = Separable(channels, channels)

    def forward(self, *features: torch.Tensor) -> torch.Tensor:
        """Map features (N, inputs[i], H / 2^i, W / 2^i), finest first, to (N, channels, H, W)."""
        levels = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        y = levels.pop()
        for resize, add in zip(self.resizes, self.adds, strict=True):
            y = add(levels.pop(), resize(y))
        return self.smooth(y)
