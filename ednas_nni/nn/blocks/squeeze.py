"""Squeeze-and-excitation: each channel is weighted by what the whole image shows."""

from __future__ import annotations

import torch
from torch import nn

from ednas_nni.compat.nas import MutableConv2d
from ednas_nni.nn.elementwise import Activation, Channels, GlobalPool, Scale


class SqueezeExcite(nn.Module):
    """Global mean, 1 x 1 to `inner`, ReLU, 1 x 1 back, hard sigmoid, product (arXiv 1709.01507; MobileNetV3's form).

    Devices that work on 8-bit tiles wait for the global mean, so spaces for them leave it out (MobileDets,
    arXiv 2004.14525).
    """

    def __init__(self, channels: Channels, inner: Channels) -> None:
        super().__init__()
        self.pool = GlobalPool(channels)
        self.reduce = MutableConv2d(channels, inner, 1)
        self.activation = Activation(inner, "relu")
        self.expand = MutableConv2d(inner, channels, 1)
        self.gate = Activation(channels, "hsigmoid")
        self.scale = Scale(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weight x (N, channels, H, W)."""
        factor = self.gate(self.expand(self.activation(self.reduce(self.pool(x)))))
        return self.scale(x, factor)
