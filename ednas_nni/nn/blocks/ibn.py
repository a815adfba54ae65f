"""The inverted bottleneck (IBN): `ibn_k3_e6`, `ibn_k5_e3_se`."""

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

    With squeeze-and-excitation behind the depthwise convolution it is EfficientNet's MBConv (arXiv 1905.11946).

    MACs per output pixel: `e * inputs * (stride^2 * inputs + k^2 + outputs)`; without expansion (e = 1) the first
    convolution is left out.

    Args:
        slot: Where it stands.
        kernel: Odd kernel size of the depthwise convolution.
        expansion: Factor e of the inner width.
        squeeze: Whether squeeze-and-excitation follows the depthwise convolution; its inner width is a quarter of
            the input channels.
    """

    def __init__(self, slot: Slot, kernel: int, expansion: int, squeeze: bool = False) -> None:
        super().__init__()
        inner, activation = slot.inputs * expansion, slot.activation
        self.expand = ConvNorm(slot.inputs, inner, activation=activation) if expansion > 1 else None
        self.depthwise = ConvNorm(inner, inner, kernel, slot.stride, groups=inner, activation=activation)
        self.squeeze = SqueezeExcite(inner, slot.inputs // 4) if squeeze else None
        self.project = ConvNorm(inner, slot.outputs, activation=None)
        self.add = Add(slot.outputs) if slot.residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = x if self.expand is None else self.expand(x)
        y = self.depthwise(y)
        y = self.project(y if self.squeeze is None else self.squeeze(y))
        return y if self.add is None else self.add(x, y)


@dataclass(frozen=True)
class InvertedBottleneck(Block):
    """Inverted bottleneck, MobileNetV2's block: `ibn_k3_e6`.

    Attributes:
        kernel: Odd kernel size of the depthwise convolution.
        expansion: Factor of the inner width.
        squeeze: Whether squeeze-and-excitation follows the depthwise convolution.
    """

    kernel: Annotated[int, number("k", (3, 5, 7))]
    expansion: Annotated[int, number("e", range(1, 10))]
    squeeze: Annotated[bool, flag("se")] = False

    shares_weights: ClassVar[bool] = True

    def build(self, slot: Slot) -> nn.Module:
        """As `Block.build`."""
        return IBN(slot, self.kernel, self.expansion, self.squeeze)
