"""A block that EDNAS does not have: strip convolutions, blended by learned weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn

from ednas_nni.compat.nas import MutableConv2d
from ednas_nni.nn.blocks.base import Block, Slot, number
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.elementwise import Add, Channels, Elementwise


class Blend(Elementwise):
    """A layer type of our own: w[0] a + w[1] b, with w = softmax(v) learned.

    It tells its `channels` (`Elementwise` keeps them, also while they are still searched) and, by `kind`, what it does
    on a device. That is all that is needed to price it: there is no formula here.
    """

    kind = "add"

    def __init__(self, channels: Channels) -> None:
        super().__init__(channels)
        self.values = nn.Parameter(torch.zeros(2))

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Blend two features (N, channels, H, W)."""
        weights = torch.softmax(self.values, 0)
        return a * weights[0] + b * weights[1]


class StripConvolution(nn.Module):
    """A k x k field from a k x 1 and a 1 x k depthwise convolution (as in SegNeXt, arXiv 2209.08575), and a 1 x 1.

    Args:
        slot: Where it stands; its channels are numbers, or expressions of choices.
        kernel: Odd length of the strips.
    """

    def __init__(self, slot: Slot, kernel: int) -> None:
        super().__init__()
        inputs, half = slot.inputs, kernel // 2
        strips = {"stride": slot.stride, "groups": inputs, "bias": False}
        self.column = MutableConv2d(inputs, inputs, (kernel, 1), padding=(half, 0), **strips)
        self.row = MutableConv2d(inputs, inputs, (1, kernel), padding=(0, half), **strips)
        self.blend = Blend(inputs)
        self.project = ConvNorm(inputs, slot.outputs, activation=slot.activation)
        self.add = Add(slot.outputs) if slot.residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = self.project(self.blend(self.column(x), self.row(x)))
        return y if self.add is None else self.add(x, y)


@dataclass(frozen=True)
class Strip(Block):
    """The plug-in: `strip_k7`, `strip_k11`, `strip_k21`.

    Attributes:
        kernel: Odd length of the strips.
    """

    kernel: Annotated[int, number("k", (7, 11, 21))]

    def build(self, slot: Slot) -> nn.Module:
        """A module for one place in a network."""
        return StripConvolution(slot, self.kernel)
