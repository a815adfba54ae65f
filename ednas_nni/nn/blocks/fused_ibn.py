"""The fused inverted bottleneck (Fused-IBN): `fused_k3_e6`, `fused_k5_e3_se`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import nn

from ednas_nni.nn.blocks.base import Block, Slot, flag, number
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.blocks.squeeze import SqueezeExcite
from ednas_nni.nn.elementwise import Add


class FusedIBN(nn.Module):
    """Fused inverted bottleneck: full k x k expansion, linear 1 x 1 projection.

    More arithmetic than `IBN`, yet often faster on matrix units such as an Edge TPU's, because depthwise convolutions
    leave those idle (EfficientNet-EdgeTPU; MobileDets, arXiv 2004.14525). MACs per output pixel:
    `e * inputs * (k^2 * inputs + outputs)`.

    Args:
        slot: Where it stands.
        kernel: Odd kernel size of the full convolution.
        expansion: Factor e of the inner width.
        squeeze: As `IBN`, behind the full convolution.
    """

    def __init__(self, slot: Slot, kernel: int, expansion: int, squeeze: bool = False) -> None:
        super().__init__()
        inner = slot.inputs * expansion
        self.expand = ConvNorm(slot.inputs, inner, kernel, slot.stride, activation=slot.activation)
        self.squeeze = SqueezeExcite(inner, slot.inputs // 4) if squeeze else None
        self.project = ConvNorm(inner, slot.outputs, activation=None)
        self.add = Add(slot.outputs) if slot.residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = self.expand(x)
        y = self.project(y if self.squeeze is None else self.squeeze(y))
        return y if self.add is None else self.add(x, y)


@dataclass(frozen=True)
class FusedBottleneck(Block):
    """Fused inverted bottleneck: `fused_k3_e6`.

    Attributes:
        kernel: Odd kernel size of the full convolution.
        expansion: Factor of the inner width.
        squeeze: Whether squeeze-and-excitation follows the full convolution.
    """

    kernel: Annotated[int, number("k", (3, 5, 7))]
    expansion: Annotated[int, number("e", range(1, 10))]
    squeeze: Annotated[bool, flag("se")] = False

    shares_weights: ClassVar[bool] = True

    def build(self, slot: Slot) -> nn.Module:
        """As `Block.build`."""
        return FusedIBN(slot, self.kernel, self.expansion, self.squeeze)
