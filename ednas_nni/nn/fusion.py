"""Fusion: features of all strides become one at the finest stride."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import nn

from ednas_nni.compat.nas import MutableConv2d
from ednas_nni.nn.blocks.conv import ConvNorm, Separable
from ednas_nni.nn.choice import choice_or_only
from ednas_nni.nn.elementwise import Add, Channels, Concat, GlobalPool, MaxPool, Resize, WeightedSum
from ednas_nni.nn.sizes import OUTPUT_STRIDE


class Fusion(nn.Module, ABC):
    """Base of the fusions: some of the encoder's features become one, at the finest of their strides.

    Args:
        inputs: Channels of all features, finest first; each has half the resolution of the one before.
        levels: Which of them are fused, neighbours; all by default.
        channels: Of the fused feature.
        activation: A key of `elementwise.ACTIVATIONS`.
        doubling: Whether larger enlargements than 2 are done in steps of 2.
    """

    shares_levels: ClassVar[bool] = False
    """Whether fusions of different levels share weights in a supernet: a parameter's name says which level it is of."""

    def __init__(
        self,
        inputs: Sequence[Channels],
        channels: Channels,
        activation: str = "relu6",
        levels: range | None = None,
        doubling: bool = False,
    ) -> None:
        super().__init__()
        self.levels = range(len(inputs)) if levels is None else levels
        self.construct([inputs[i] for i in self.levels], channels, activation, doubling)

    @abstractmethod
    def construct(self, inputs: Sequence[Channels], channels: Channels, activation: str, doubling: bool) -> None:
        """Make the modules, of the features that are fused."""

    @abstractmethod
    def fuse(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map features (N, inputs[i], H / 2^i, W / 2^i) of the levels, finest first, to (N, channels, H, W)."""

    def forward(self, *features: torch.Tensor) -> torch.Tensor:
        """Fuse the features of `levels`, given those of all levels."""
        return self.fuse(features[self.levels.start : self.levels.stop])

    def by_level(self, modules: Iterable[nn.Module]) -> nn.ModuleDict:
        """Modules named by level."""
        return nn.ModuleDict({str(i): module for i, module in zip(self.levels, modules, strict=False)})


class FPN(Fusion):
    """A light feature pyramid (Lin et al., arXiv 1612.03144): lateral 1 x 1, top-down sum, one separable convolution.

    Only the finest level is kept, since dense predictions need nothing else.
    """

    shares_levels: ClassVar[bool] = True

    def construct(self, inputs: Sequence[Channels], channels: Channels, activation: str, doubling: bool) -> None:
        """As `Fusion.construct`."""
        self.laterals = self.by_level(ConvNorm(c, channels, activation=None) for c in inputs)
        self.resizes = nn.ModuleList(Resize(channels, 2) for _ in inputs[1:])
        self.adds = nn.ModuleList(Add(channels) for _ in inputs[1:])
        self.smooth = Separable(channels, channels, activation=activation)

    def fuse(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """As `Fusion.fuse`."""
        levels = [lateral(x) for lateral, x in zip(self.laterals.values(), features, strict=True)]
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


class BiFPN(Fusion):
    """A weighted bidirectional pyramid (EfficientDet, arXiv 1911.09070): down, up, and down again to the finest level.

    One layer of the published pyramid (top-down, then bottom-up with an edge from each input) and the top-down half
    of a second one: a dense prediction reads the finest level alone, so the second bottom-up half would be dead.
    """

    def construct(self, inputs: Sequence[Channels], channels: Channels, activation: str, doubling: bool) -> None:
        """As `Fusion.construct`."""
        steps = range(len(inputs) - 1)
        self.laterals = nn.ModuleList(ConvNorm(c, channels, activation=None) for c in inputs)
        self.ups = nn.ModuleList(Resize(channels, 2) for _ in steps)
        self.down_nodes = nn.ModuleList(PyramidNode(2, channels, activation) for _ in steps)
        self.pools = nn.ModuleList(MaxPool(channels) for _ in steps)
        # The coarsest level has no top-down node of its own, hence one input less.
        self.up_nodes = nn.ModuleList(PyramidNode(3 if i + 2 < len(inputs) else 2, channels, activation) for i in steps)
        self.last_ups = nn.ModuleList(Resize(channels, 2) for _ in steps)
        self.last_nodes = nn.ModuleList(PyramidNode(2, channels, activation) for _ in steps)

    def fuse(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """As `Fusion.fuse`."""
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


class ASPP(Fusion):
    """Atrous spatial pyramid pooling on the coarsest feature, joined with the finest (DeepLabV3+, arXiv 1802.02611).

    Branches: 1 x 1, separable 3 x 3 at dilations 2, 4 and 6 (the published 6, 12, 18 are for stride 16 and larger
    images; at stride 32 they would look past the border), and the global mean. The mean's branch has no batch norm,
    which a batch of one could not train, and is added after the projection: the same as concatenating it before.
    """

    DILATIONS = (2, 4, 6)

    def construct(self, inputs: Sequence[Channels], channels: Channels, activation: str, doubling: bool) -> None:
        """As `Fusion.construct`."""
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
        octaves = len(inputs) - 1
        if doubling and octaves > 1:
            self.resize: nn.Module = nn.Sequential(*(Resize(channels, 2) for _ in range(octaves)))
        else:
            self.resize = Resize(channels, 2**octaves)
        self.lateral = ConvNorm(inputs[0], channels, activation=None)
        self.add = Add(channels)
        self.smooth = Separable(channels, channels, activation=activation)

    def fuse(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """As `Fusion.fuse`."""
        coarse = features[-1]
        y = self.project(self.concat(*(branch(coarse) for branch in self.branches)))
        y = self.add_context(y, self.context(self.pool(coarse)))
        return self.smooth(self.add(self.lateral(features[0]), self.resize(y)))


FUSIONS: dict[str, type[Fusion]] = {"fpn": FPN, "bifpn": BiFPN, "aspp": ASPP}
LEVELS = "fusion_levels"


def fusion_choice(
    kinds: Sequence[str],
    inputs: Sequence[Channels],
    channels: Channels,
    label: str,
    activation: str = "relu6",
    ends: Sequence[int] = (),
    strides: Sequence[int] = (4,),
    doubling: bool = False,
) -> nn.Module:
    """A searched fusion among keys of `FUSIONS`; what has a single value is not a choice and gets no label.

    Args:
        kinds: To choose from, under `label`.
        inputs: Channels of the features of strides 4, 8, ...
        channels: As `Fusion`.
        label: Of the kind.
        activation: As `Fusion`.
        ends: How many of the features are fused, counted from the finest, under the label `fusion_levels`; () = all.
        strides: Of the finest feature that is fused and so of the result, under the label `output_stride`.
        doubling: As `Fusion`.
    """

    def candidate(kind: str) -> nn.Module:
        def of(stride: int, end: int) -> nn.Module:
            return FUSIONS[kind](inputs, channels, activation, range(stride.bit_length() - 3, end), doubling)

        def ending(stride: int) -> nn.Module:
            made = {str(end): partial(of, stride, end) for end in ends or [len(inputs)]}
            return choice_or_only(made, LEVELS, _family(made, kind))

        made = {str(stride): partial(ending, stride) for stride in strides}
        return choice_or_only(made, OUTPUT_STRIDE, _family(made, kind))

    return choice_or_only({kind: partial(candidate, kind) for kind in kinds}, label)


def _family(candidates: Iterable[str], kind: str) -> dict[str, str]:
    return dict.fromkeys(candidates, "levels") if FUSIONS[kind].shares_levels else {}
