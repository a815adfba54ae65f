"""Fusion: features of all strides become one at the finest stride."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from ednas_nni.compat.nas import MutableConv2d
from ednas_nni.nn.blocks.conv import ConvNorm, Separable
from ednas_nni.nn.choice import choice_or_only
from ednas_nni.nn.elementwise import Add, Channels, Concat, GlobalPool, MaxPool, Resize, WeightedSum


class FPN(nn.Module):
    """A light feature pyramid (Lin et al., arXiv 1612.03144): lateral 1 x 1, top-down sum, one separable convolution.

    Only the finest level is kept, since dense predictions need nothing else. `inputs` are the channels of the features,
    finest first; each has half the resolution of the one before.
    """

    def __init__(self, inputs: Sequence[Channels], channels: Channels, activation: str = "relu6") -> None:
        super().__init__()
        self.laterals = nn.ModuleList(ConvNorm(c, channels, activation=None) for c in inputs)
        self.resizes = nn.ModuleList(Resize(channels, 2) for _ in inputs[1:])
        self.adds = nn.ModuleList(Add(channels) for _ in inputs[1:])
        self.smooth = Separable(channels, channels, activation=activation)

    def forward(self, *features: torch.Tensor) -> torch.Tensor:
        """Map features (N, inputs[i], H / 2^i, W / 2^i), finest first, to (N, channels, H, W)."""
        levels = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        y = levels.pop()
        for resize, add in zip(self.resizes, self.adds, strict=True):
            y = add(levels.pop(), resize(y))
        return self.smooth(y)


class PyramidNode(nn.Module):
    """A node of a `BiFPN`: weighted sum of features of one resolution, then a separable convolution."""

    def __init__(self, inputs: int, channels: Channels, activation: str) -> None:
        super().__init__()
        self.sum = WeightedSum(channels, inputs)
        self.smooth = Separable(channels, channels, activation=activation)

    def forward(self, *x: torch.Tensor) -> torch.Tensor:
        """Fuse tensors (N, channels, H, W)."""
        return self.smooth(self.sum(*x))


class BiFPN(nn.Module):
    """A weighted bidirectional pyramid (EfficientDet, arXiv 1911.09070): down, up, and down again to the finest level.

    One layer of the published pyramid (top-down, then bottom-up with an edge from each input) and the top-down half
    of a second one: a dense prediction reads the finest level alone, so the second bottom-up half would be dead.
    """

    def __init__(self, inputs: Sequence[Channels], channels: Channels, activation: str = "relu6") -> None:
        super().__init__()
        steps = range(len(inputs) - 1)
        self.laterals = nn.ModuleList(ConvNorm(c, channels, activation=None) for c in inputs)
        self.ups = nn.ModuleList(Resize(channels, 2) for _ in steps)
        self.down_nodes = nn.ModuleList(PyramidNode(2, channels, activation) for _ in steps)
        self.pools = nn.ModuleList(MaxPool(channels) for _ in steps)
        # The coarsest level has no top-down node of its own, hence one input less.
        self.up_nodes = nn.ModuleList(PyramidNode(3 if i + 2 < len(inputs) else 2, channels, activation) for i in steps)
        self.last_ups = nn.ModuleList(Resize(channels, 2) for _ in steps)
        self.last_nodes = nn.ModuleList(PyramidNode(2, channels, activation) for _ in steps)

    def forward(self, *features: torch.Tensor) -> torch.Tensor:
        """Map features (N, inputs[i], H / 2^i, W / 2^i), finest first, to (N, channels, H, W)."""
        given = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        steps = range(len(given) - 1)
        inner = list(given)
        for i in reversed(steps):
            inner[i] = self.down_nodes[i](given[i], self.ups[i](inner[i + 1]))
        outer = list(inner)
        for i in steps:
            below = self.pools[i](outer[i])
            here = (given[i + 1], inner[i + 1]) if i + 1 < len(steps) else (given[i + 1],)
            outer[i + 1] = self.up_nodes[i](*here, below)
        y = outer[-1]
        for i in reversed(steps):
            y = self.last_nodes[i](outer[i], self.last_ups[i](y))
        return y


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling on the coarsest feature, joined with the finest (DeepLabV3+, arXiv 1802.02611).

    Branches: 1 x 1, separable 3 x 3 at dilations 2, 4 and 6 (the published 6, 12, 18 are for stride 16 and larger
    images; at stride 32 they would look past the border), and the global mean. The mean's branch has no batch norm,
    which a batch of one could not train, and is added after the projection: the same as concatenating it before.
    """

    DILATIONS = (2, 4, 6)

    def __init__(self, inputs: Sequence[Channels], channels: Channels, activation: str = "relu6") -> None:
        super().__init__()
        coarse = inputs[-1]
        self.branches = nn.ModuleList(
            [
                ConvNorm(coarse, channels, activation=activation),
                *(Separable(coarse, channels, activation=activation, dilation=d) for d in self.DILATIONS),
            ]
        )
        self.concat = Concat(channels * len(self.branches))
        self.project = ConvNorm(channels * len(self.branches), channels, activation=activation)
        self.pool = GlobalPool(coarse)
        self.context = MutableConv2d(coarse, channels, 1)
        self.add_context = Add(channels)
        self.resize = Resize(channels, 2 ** (len(inputs) - 1))
        self.lateral = ConvNorm(inputs[0], channels, activation=None)
        self.add = Add(channels)
        self.smooth = Separable(channels, channels, activation=activation)

    def forward(self, *features: torch.Tensor) -> torch.Tensor:
        """Map features (N, inputs[i], H / 2^i, W / 2^i), finest first, to (N, channels, H, W)."""
        coarse = features[-1]
        y = self.project(self.concat(*(branch(coarse) for branch in self.branches)))
        y = self.add_context(y, self.context(self.pool(coarse)))
        return self.smooth(self.add(self.lateral(features[0]), self.resize(y)))


FUSIONS: dict[str, type[nn.Module]] = {"fpn": FPN, "bifpn": BiFPN, "aspp": ASPP}


def fusion_choice(
    kinds: Sequence[str], inputs: Sequence[Channels], channels: Channels, label: str, activation: str = "relu6"
) -> nn.Module:
    """A searched fusion among keys of `FUSIONS`; a single one is not a choice and gets no label."""
    return choice_or_only({kind: partial(FUSIONS[kind], inputs, channels, activation) for kind in kinds}, label)
