"""The block of docs/adding_a_block.md: half of its channels come from a cheap convolution of the other half."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn

from ednas_nni.nn.blocks.base import Block, Slot, flag, number
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.blocks.squeeze import SqueezeExcite
from ednas_nni.nn.elementwise import Add, Concat


class GhostConvolution(nn.Module):
    def __init__(self, slot: Slot, kernel: int, squeeze: bool) -> None:
        super().__init__()
        half = slot.outputs // 2
        self.primary = ConvNorm(slot.inputs, half, 3, slot.stride, activation=slot.activation)
        self.cheap = ConvNorm(half, half, kernel, groups=half, activation=slot.activation)
        self.concat = Concat(half * 2)
        self.squeeze = SqueezeExcite(slot.outputs, half) if squeeze else None
        self.add = Add(slot.outputs) if slot.residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.primary(x)
        y = self.concat(y, self.cheap(y))
        y = y if self.squeeze is None else self.squeeze(y)
        return y if self.add is None else self.add(x, y)


@dataclass(frozen=True)
class Ghost(Block):
    """Half of the channels by an ordinary convolution, half by a cheap one: `ghost_k3`, `ghost_k5_se`."""

    kernel: Annotated[int, number("k", (3, 5))]
    squeeze: Annotated[bool, flag("se")] = False

    def build(self, slot: Slot) -> nn.Module:
        return GhostConvolution(slot, self.kernel, self.squeeze)
