"""Convolution, batch norm and activation: the unit all blocks are made of, and the two blocks that are nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import nn

from ednas_nni.compat.nas import MutableBatchNorm2d, MutableConv2d
from ednas_nni.nn.blocks.base import Block, Slot, number
from ednas_nni.nn.elementwise import Activation, Add, Channels


class ConvNorm(nn.Module):
    """k x k convolution without bias, batch norm, optional activation; "same" padding for odd k.

    Channels may be integers or NNI expressions: all layers with weights are NNI's `Mutable*` layers. `groups` equal to
    `inputs` makes it depthwise.
    """

    def __init__(
        self,
        inputs: Channels,
        outputs: Channels,
        kernel: int = 1,
        stride: int = 1,
        groups: Channels = 1,
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
    """k x k depthwise convolution (odd k, with the stride), then 1 x 1: each with batch norm and activation."""

    def __init__(
        self,
        inputs: Channels,
        outputs: Channels,
        kernel: int = 3,
        activation: str = "relu6",
        dilation: int = 1,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.depthwise = ConvNorm(inputs, inputs, kernel, stride, inputs, activation, dilation)
        self.pointwise = ConvNorm(inputs, outputs, activation=activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return self.pointwise(self.depthwise(x))


class _Residual(nn.Module):
    """A body whose input is added to its output."""

    def __init__(self, body: nn.Module, channels: Channels) -> None:
        super().__init__()
        self.body = body
        self.add = Add(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.add(x, self.body(x))


@dataclass(frozen=True)
class Convolution(Block):
    """One ordinary k x k convolution: `conv_k3`.

    MACs per output pixel: `k^2 * inputs * outputs`.

    Attributes:
        kernel: Odd kernel size.
    """

    kernel: Annotated[int, number("k", (1, 3, 5, 7))]

    shares_weights: ClassVar[bool] = True

    def build(self, slot: Slot) -> nn.Module:
        """As `Block.build`."""
        body = ConvNorm(slot.inputs, slot.outputs, self.kernel, slot.stride, activation=slot.activation)
        return _Residual(body, slot.outputs) if slot.residual else body


@dataclass(frozen=True)
class SeparableConvolution(Block):
    """A k x k depthwise convolution, then a 1 x 1: `separable_k3`.

    MACs per output pixel: `inputs * (k^2 + outputs)`.

    Attributes:
        kernel: Odd kernel size of the depthwise convolution.
    """

    kernel: Annotated[int, number("k", (3, 5, 7))]

    shares_weights: ClassVar[bool] = True

    def build(self, slot: Slot) -> nn.Module:
        """As `Block.build`."""
        body = Separable(slot.inputs, slot.outputs, self.kernel, slot.activation, stride=slot.stride)
        return _Residual(body, slot.outputs) if slot.residual else body
