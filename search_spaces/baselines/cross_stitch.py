"""Cross-stitch networks: an encoder for each task, whose features are mixed by learned factors after each stage.

Source: Misra, Shrivastava, Gupta, Hebert, "Cross-stitch Networks for Multi-task Learning", CVPR 2016, arXiv 1604.03539.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ednas_nni.compat.nas import MutableConv2d
from ednas_nni.nn.elementwise import Add, Channels
from search_spaces.baselines.deeplab import ResNet, SeparateNetworks

SAME = 0.9
"""Initial factor of a task's own feature; the other tasks share the rest (section 4.1 of the paper)."""


class Stitch(nn.Module):
    """What one task goes on with: a weighted sum of all tasks' features, with one factor a task and channel.

    A factor for each channel is a 1 x 1 depthwise convolution, which every device and file format has.
    """

    def __init__(self, channels: Channels, tasks: int, own: int) -> None:
        super().__init__()
        factors = [MutableConv2d(channels, channels, 1, groups=channels, bias=False) for _ in range(tasks)]
        for task, factor in enumerate(factors):
            nn.init.constant_(factor.weight, SAME if task == own else (1 - SAME) / (tasks - 1))
        self.factors = nn.ModuleList(factors)
        self.adds = nn.ModuleList(Add(channels) for _ in range(tasks - 1))

    def forward(self, *features: torch.Tensor) -> torch.Tensor:
        """Mix tensors (N, channels, H, W), one a task."""
        first, *others = (factor(x) for factor, x in zip(self.factors, features, strict=True))
        for add, other in zip(self.adds, others, strict=True):
            first = add(first, other)
        return first


class CrossStitch(SeparateNetworks):
    """A DeepLab-ResNet for each task with cross-stitch units after each stage."""

    def construct(self, layers: int) -> None:
        """As `DeepLab.construct`."""
        super().construct(layers)
        count = len(self.tasks)
        self.stitches = nn.ModuleList(
            nn.ModuleList(Stitch(channels, count, own) for own in range(count)) for channels in self.features
        )

    def encoded(self, image: torch.Tensor) -> Sequence[torch.Tensor]:
        """As `DeepLab.encoded`."""
        features, stages = [], []
        for network in self.encoder.values():
            assert isinstance(network, ResNet)
            features.append(network.begin(image))
            stages.append(network.stages)
        for *side_by_side, stitches in zip(*stages, self.stitches, strict=True):
            staged = [stage(x) for stage, x in zip(side_by_side, features, strict=True)]
            features = [stitch(*staged) for stitch in stitches.children()]
        return features
