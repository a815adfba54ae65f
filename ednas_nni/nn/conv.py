"""Convolution, batch norm and activation: the unit all blocks are made of."""

from __future__ import annotations

from typing import Any

import torch
from nni.nas.nn.pytorch import MutableBatchNorm2d, MutableConv2d
from torch import nn

from ednas_nni.nn.elementwise import Activation


class ConvNorm(nn.Module):
    """k x k convolution without bias, batch norm, optional ReLU6; "same" padding for odd k.

    Channels may be integers or NNI expressions: all layers with weights are NNI's `Mutable*` layers.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Odd kernel size.
        stride: 1 or 2.
        groups: Groups of the convolution; equal to `inputs` for a depthwise one.
        activate: Whether ReLU6 follows.
    """

    def __init__(
        self, inputs: Any, outputs: Any, kernel: int = 1, stride: int = 1, groups: Any = 1, activate: bool = True
    ) -> None:
        super().__init__()
        self.conv = MutableConv2d(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.norm = MutableBatchNorm2d(outputs)
        self.activation = Activation(outputs) if activate else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        x = self.norm(self.conv(x))
        return x if self.activation is None else self.activation(x)


class Separable(nn.Module):
    """k x k depthwise convolution, then 1 x 1: each with batch norm and ReLU6.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Odd kernel size of the depthwise part.
    """

    def __init__(self, inputs: Any, outputs: Any, kernel: int = 3) -> None:
        super().__init__()
        self.depthwise = ConvNorm(inputs, inputs, kernel, groups=inputs)
        self.pointwise = ConvNorm(inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W)."""
        return self.pointwise(self.depthwise(x))
