"""The fused inverted bottleneck (Fused-IBN)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ednas_nni.nn.conv import ConvNorm
from ednas_nni.nn.elementwise import Add
from ednas_nni.nn.squeeze import SqueezeExcite


class FusedIBN(nn.Module):
    """Fused inverted bottleneck: full k x k expansion, linear 1 x 1 projection.

    More arithmetic than `IBN`, yet often faster on matrix units such as an Edge TPU's, because depthwise convolutions
    leave those idle (EfficientNet-EdgeTPU; MobileDets, arXiv 2004.14525). MACs per output pixel:
    `e * inputs * (k^2 * inputs + outputs)`.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Odd kernel size of the full convolution.
        expansion: Factor e of the inner width.
        stride: 1 or 2.
        residual: As `IBN`.
        squeeze: As `IBN`, behind the full convolution.
        activation: Name of the activation.
    """

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        kernel: int,
        expansion: int,
        stride: int = 1,
        residual: bool = False,
        squeeze: bool = False,
        activation: str = "relu6",
    ) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = ConvNorm(inputs, inner, kernel, stride, activation=activation)
        self.squeeze = SqueezeExcite(inner, inputs // 4) if squeeze else None
        self.project = ConvNorm(inner, outputs, activation=None)
        self.add = Add(outputs) if residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = self.expand(x)
        y = self.project(y if self.squeeze is None else self.squeeze(y))
        return y if self.add is None else self.add(x, y)
