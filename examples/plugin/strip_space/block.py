"""A block that EDNAS does not have: strip convolutions, blended by learned weights."""

from __future__ import annotations

from typing import Any

import torch
from nni.nas.nn.pytorch import MutableConv2d
from torch import nn

from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.elementwise import Add, Elementwise


class Blend(Elementwise):
    """A layer type of our own: w[0] a + w[1] b, with w = softmax(v) learned.

    It tells its `channels` (`Elementwise` keeps them, also while they are still searched) and, by `kind`, what it does
    on a device. That is all that is needed to price it: there is no formula here.
    """

    kind = "add"

    def __init__(self, channels: Any) -> None:
        super().__init__(channels)
        self.values = nn.Parameter(torch.zeros(2))

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Blend two features (N, channels, H, W)."""
        weights = torch.softmax(self.values, 0)
        return a * weights[0] + b * weights[1]


class StripBlock(nn.Module):
    """A k x k field from a k x 1 and a 1 x k depthwise convolution (as in SegNeXt, arXiv 2209.08575), and a 1 x 1.

    Args:
        inputs: Input channels, a number or an expression of choices.
        outputs: Output channels, likewise.
        kernel: Odd length of the strips.
        residual: Whether the input is added.
    """

    def __init__(self, inputs: Any, outputs: Any, kernel: int, residual: bool) -> None:
        super().__init__()
        half = kernel // 2
        self.column = MutableConv2d(inputs, inputs, (kernel, 1), padding=(half, 0), groups=inputs, bias=False)
        self.row = MutableConv2d(inputs, inputs, (1, kernel), padding=(0, half), groups=inputs, bias=False)
        self.blend = Blend(inputs)
        self.project = ConvNorm(inputs, outputs, activation="hswish")
        self.add = Add(outputs) if residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W)."""
        y = self.project(self.blend(self.column(x), self.row(x)))
        return y if self.add is None else self.add(x, y)
