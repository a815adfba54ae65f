"""Convolution, batch norm and activation: the unit all blocks are made of."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ednas_nni.compat.nas import MutableBatchNorm2d, MutableConv2d
from ednas_nni.nn.elementwise import Activation


class ConvNorm(nn.Module):
    """k x k convolution without bias, batch norm, optional activation; "same" padding for odd k.

    Channels may be integers or NNI expressions: all layers with weights are NNI's `Mutable*` layers.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Odd kernel size.
        stride: 1 or 2.
        groups: Groups of the convolution; equal to `inputs` for a depthwise one.
        activation: Name of the activation that follows, or None.
        dilation: Distance of the kernel's taps.
    """

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        kernel: int = 1,
        stride: int = 1,
        groups: Any = 1,
        activation: str | None = "relu6",
        dilation: int = 1,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = MutableConv2d(
            inputs, outputs, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, bias=False
        )
        self.norm = MutableBatchNorm2d(outputs)
        self.activation = Activation(outputs, activation) if activation is not None else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        x = self.norm(self.conv(x))
        return x if self.activation is None else self.activation(x)


class Separable(nn.Module):
    """k x k depthwise convolution, then 1 x 1: each with batch norm and activation.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Odd kernel size of the depthwise part.
        activation: Name of the activation after each.
        dilation: Of the depthwise part.
    """

    def __init__(
        self, inputs: Any, outputs: Any, kernel: int = 3, activation: str = "relu6", dilation: int = 1
    ) -> None:
        super().__init__()
        self.depthwise = ConvNorm(inputs, inputs, kernel, groups=inputs, activation=activation, dilation=dilation)
        self.pointwise = ConvNorm(inputs, outputs, activation=activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W)."""
        return self.pointwise(self.depthwise(x))
