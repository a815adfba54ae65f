"""Inverted bottlenecks: `ibn_k3_e6`, `ibn_k5_e3_se`, and the fused ones, `fused_k3_e6`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import nn

from ednas_nni.nn.blocks.base import Block, Slot, flag, number
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.blocks.squeeze import SqueezeExcite
from ednas_nni.nn.elementwise import Add


class IBN(nn.Module):
    """Inverted bottleneck: 1 x 1 expansion, k x k depthwise, linear 1 x 1 projection (MobileNetV2, arXiv 1801.04381).

    With squeeze-and-excitation in front of the projection it is EfficientNet's MBConv (arXiv 1905.11946). Fused, one
    full k x k convolution expands and filters: more arithmetic, yet often faster on matrix units such as an Edge TPU's,
    because depthwise convolutions leave those idle (EfficientNet-EdgeTPU; MobileDets, arXiv 2004.14525).

    MACs per output pixel: `e * inputs * (stride^2 * inputs + k^2 + outputs)`, without expansion (e = 1) the first
    convolution is left out; fused `e * inputs * (k^2 * inputs + outputs)`.

    Args:
        slot: Where it stands.
        kernel: Odd kernel size of the depthwise or full convolution.
        expansion: Factor e of the inner width.
        squeeze: Squeeze-and-excitation in front of the projection.
        fused: Whether one full convolution stands for expansion and depthwise convolution.
    """

    def __init__(self, slot: Slot, kernel: int, expansion: int, squeeze: bool = False, fused: bool = False) -> None:
        super().__init__()
        inner, activation = slot.inputs * expansion, slot.activation
        full = (kernel, slot.stride) if fused else (1, 1)
        self.expand = ConvNorm(slot.inputs, inner, *full, activation=activation) if fused or expansion > 1 else None
        self.depthwise = None if fused else ConvNorm(inner, inner, kernel, slot.stride, inner, activation)
        self.squeeze = SqueezeExcite(inner, slot.inputs // 4) if squeeze else None
        self.project = ConvNorm(inner, slot.outputs, activation=None)
        self.add = Add(slot.outputs) if slot.residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = x
        for part in (self.expand, self.depthwise, self.squeeze, self.project):
            y = y if part is None else part(y)
        return y if self.add is None else self.add(x, y)


@dataclass(frozen=True)
class InvertedBottleneck(Block):
    """Inverted bottleneck, MobileNetV2's block: `ibn_k3_e6`.

    Attributes:
        kernel: Odd kernel size.
        expansion: Factor of the inner width.
        squeeze: Squeeze-and-excitation in front of the projection.
    """

    shares_weights: ClassVar[bool] = True
    fused: ClassVar[bool] = False

    kernel: Annotated[int, number("k", (3, 5, 7))]
    expansion: Annotated[int, number("e", range(1, 10))]
    squeeze: Annotated[bool, flag("se")] = False

    def build(self, slot: Slot) -> nn.Module:
        """As `Block.build`."""
        return IBN(slot, self.kernel, self.expansion, self.squeeze, self.fused)


@dataclass(frozen=True)
class FusedBottleneck(InvertedBottleneck):
    """Fused inverted bottleneck: `fused_k3_e6`."""

    fused: ClassVar[bool] = True
