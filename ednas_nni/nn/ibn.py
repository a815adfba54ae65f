"""The inverted bottleneck (IBN)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ednas_nni.nn.conv import ConvNorm
from ednas_nni.nn.elementwise import Add
from ednas_nni.nn.squeeze import SqueezeExcite


class IBN(nn.Module):
    """Inverted bottleneck: 1 x 1 expansion, k x k depthwise, linear 1 x 1 projection (MobileNetV2, arXiv 1801.04381).

    With squeeze-and-excitation behind the depthwise convolution it is EfficientNet's MBConv (arXiv 1905.11946).

    MACs per output pixel: `e * inputs * (stride^2 * inputs + k^2 + outputs)`; without expansion (e = 1) the first
    convolution is left out.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Odd kernel size of the depthwise convolution.
        expansion: Factor e of the inner width.
        stride: 1 or 2.
        residual: Whether the input is added. The block's position in its stage decides that, never a comparison of
            widths, which may be searched.
        squeeze: Whether squeeze-and-excitation follows the depthwise convolution; its inner width is a quarter of
            `inputs`.
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
        self.expand = ConvNorm(inputs, inner, activation=activation) if expansion > 1 else None
        self.depthwise = ConvNorm(inner, inner, kernel, stride, groups=inner, activation=activation)
        self.squeeze = SqueezeExcite(inner, inputs // 4) if squeeze else None
        self.project = ConvNorm(inner, outputs, activation=None)
        self.add = Add(outputs) if residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = x if self.expand is None else self.expand(x)
        y = self.depthwise(y)
        y = self.project(y if self.squeeze is None else self.squeeze(y))
        return y if self.add is None else self.add(x, y)
