"""MTAN: one shared encoder, from which each task picks features by attention.

Source: Liu, Johns, Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019, arXiv 1803.10704, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.elementwise import Activation, Channels, Concat, MaxPool, Scale
from search_spaces.baselines.deeplab import STRIDES, DeepLab, ResNet, Stage


class Mask(nn.Module):
    """A task's attention to a shared feature, by two 1 x 1 convolutions and a sigmoid."""

    def __init__(self, inputs: Channels, channels: Channels) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, channels, activation="relu")
        self.second = ConvNorm(channels, channels, activation=None)
        self.sigmoid = Activation(channels, "sigmoid")
        self.scale = Scale(channels)

    def forward(self, seen: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Weight a feature (N, channels, H, W) by what is seen, (N, inputs, H, W)."""
        return self.scale(feature, self.sigmoid(self.second(self.first(seen))))


class Attention(nn.Module):
    """A mask for each task behind stage number `i`, from 0, of the encoder.

    It is computed from the input u of the stage's last block, joined with the task's features a of the stage before,
    and weights the block's output p:

        stage 0: a = mask(u) * p;   later: a = mask([u, f(a)]) * p, with a 3 x 3 convolution f that the tasks share
    """

    def __init__(self, tasks: int, i: int, widths: Sequence[Channels]) -> None:
        super().__init__()
        channels = widths[i]
        if i:
            self.onward = ConvNorm(widths[i - 1], channels, 3, activation="relu")
            self.pool = MaxPool(channels) if STRIDES[i] == 2 else nn.Identity()
            self.join = Concat(channels * 2)
        self.masks = nn.ModuleList(Mask(channels * 2 if i else channels, channels) for _ in range(tasks))

    def forward(self, u: torch.Tensor, p: torch.Tensor, *before: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The tasks' features, from those of the stage before (none at the first one)."""
        seen = [self.join(u, self.pool(self.onward(a))) for a in before] or [u] * len(self.masks)
        return tuple(mask(x, p) for mask, x in zip(self.masks, seen, strict=True))


class MtanSpace(DeepLab):
    """Soft attention of each task behind each stage of a shared DeepLab-ResNet."""

    def construct(self, layers: int) -> None:
        """As `DeepLab.construct`."""
        self.encoder = ResNet(layers, self.features)
        self.attention = nn.ModuleList(Attention(len(self.tasks), i, self.features) for i in range(len(self.features)))

    def encoded(self, image: torch.Tensor) -> Sequence[torch.Tensor]:
        """As `DeepLab.encoded`."""
        x, own = self.encoder.begin(image), ()
        for stage, attention in zip(self.encoder.stages, self.attention, strict=True):
            assert isinstance(stage, Stage)
            u, x = stage.around_last(x)
            own = attention(u, x, *own)
        return own
