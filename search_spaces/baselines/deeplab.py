"""DeepLab on a ResNet, encoder and heads of AdaShare's comparison; the networks that share all of it, or nothing.

The encoder is ResNet-18 or -34 (arXiv 1512.03385) whose last two stages are dilated instead of strided, so that
features have stride 8. Each head is DeepLabV2's "ASPP-L" (arXiv 1606.00915): four dilated branches whose predictions
are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from ednas_nni.compat.nas import MutableConv2d
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.elementwise import Activation, Add, Channels, MaxPool
from ednas_nni.nn.heads import TaskHead, start_small
from search_spaces.baselines.base import WIDTHS, EarlierNetwork, Widths

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Layers of the published network -> residual blocks of its stages."""
CHANNELS, STRIDES, DILATIONS = (64, 128, 256, 512), (1, 2, 1, 1), (1, 1, 2, 4)
"""Of the stages; the stem before them has stride 4."""
STRIDE = 8
RATES = (6, 12, 18, 24)
"""Dilations of the head's branches."""


class Residual(nn.Module):
    """Two 3 x 3 convolutions whose result is added to a shortcut."""

    def __init__(self, inputs: Channels, outputs: Channels, stride: int, dilation: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 3, stride, activation="relu", dilation=dilation)
        self.second = ConvNorm(outputs, outputs, 3, activation=None, dilation=dilation)
        self.add = Add(outputs)
        self.activation = Activation(outputs, "relu")

    def forward(self, x: torch.Tensor, shortcut: torch.Tensor) -> torch.Tensor:
        """Map x (N, inputs, H, W) to the shape of the shortcut, (N, outputs, H / stride, W / stride)."""
        return self.activation(self.add(self.second(self.first(x)), shortcut))


class Stage(nn.Module):
    """Stage number `i`, from 0: its first block changes channels and stride, and has then a shortcut of its own."""

    def __init__(self, i: int, blocks: int, widths: Sequence[Channels]) -> None:
        super().__init__()
        inputs, outputs = widths[max(0, i - 1)], widths[i]
        self.shortcut = ConvNorm(inputs, outputs, 1, STRIDES[i], activation=None) if i else None
        change = Residual(inputs, outputs, STRIDES[i], DILATIONS[i])
        self.blocks = nn.ModuleList([change, *(Residual(outputs, outputs, 1, DILATIONS[i]) for _ in range(blocks - 1))])

    def around_last(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the last block reads, and what it gives: the next stage's input."""
        *before, last = self.blocks
        for i, block in enumerate(before):
            x = block(x, x if i or self.shortcut is None else self.shortcut(x))
        return x, last(x, x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map features to the next stage's."""
        return self.around_last(x)[1]


class ResNet(nn.Module):
    """Images (N, 3, H, W) to features (N, widths[-1], H / 8, W / 8)."""

    def __init__(self, layers: int, widths: Sequence[Channels]) -> None:
        super().__init__()
        self.stem = ConvNorm(3, widths[0], 7, 2, activation="relu")
        self.pool = MaxPool(widths[0])
        self.stages = nn.ModuleList(Stage(i, blocks, widths) for i, blocks in enumerate(BLOCKS[layers]))

    def begin(self, image: torch.Tensor) -> torch.Tensor:
        """Features of stride 4, before the stages."""
        return self.pool(self.stem(image))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """See the class."""
        x = self.begin(image)
        for stage in self.stages:
            x = stage(x)
        return x


class Branch(nn.Module):
    """One branch of an `AsppHead`: dilated 3 x 3, 1 x 1, prediction; convolutions with biases, without batch norm."""

    def __init__(self, inputs: Channels, outputs: int, channels: Channels, dilation: int) -> None:
        super().__init__()
        self.look = MutableConv2d(inputs, channels, 3, padding=dilation, dilation=dilation)
        self.first = Activation(channels, "relu")
        self.mix = MutableConv2d(channels, channels, 1)
        self.second = Activation(channels, "relu")
        self.predict: nn.Conv2d = start_small(MutableConv2d(channels, outputs, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W)."""
        return self.predict(self.second(self.mix(self.first(self.look(x)))))


class AsppHead(TaskHead):
    """The sum of what branches of several dilations predict, enlarged to the image's size."""

    def __init__(self, inputs: Channels, outputs: int, channels: Channels, rates: Sequence[int], task: str) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Branch(inputs, outputs, channels, rate) for rate in rates)
        self.adds = nn.ModuleList(Add(outputs) for _ in rates[1:])
        self.end(task, outputs, STRIDE)

    @property
    def predict(self) -> nn.Conv2d:  # type: ignore[override]
        """That of the first branch; the others' biases start at zero."""
        first = self.branches[0]
        assert isinstance(first, Branch)
        return first.predict

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, 8 H, 8 W)."""
        first, *others = (branch(x) for branch in self.branches)
        for add, other in zip(self.adds, others, strict=True):
            first = add(first, other)
        return self.answer(first)


class DeepLab(EarlierNetwork):
    """Base of the networks on a DeepLab-ResNet.

    Args:
        tasks: Task name to output channels.
        widths: Factors of all channels.
        layers: Of the ResNet.
        head_channels: Of a head's branches at width 1; AdaShare's 1024 cost more than the encoder, 256 as DeepLabV3's.
        rates: Dilations of a head's branches, for images of 321 pixels and more.

    Raises:
        StudyError: An argument is wrong.
    """

    stride = STRIDE

    def __init__(
        self,
        tasks: Mapping[str, int],
        widths: Widths = WIDTHS,
        layers: Literal[18, 34] = 18,
        head_channels: Annotated[int, Field(ge=8, le=2048)] = 1024,
        rates: Sequence[Annotated[int, Field(ge=1, le=64)]] = RATES,
    ) -> None:
        super().__init__()
        self.settle(tasks, widths)
        self.features = [self.channels(n) for n in CHANNELS]
        self.construct(layers)
        inner, last = self.channels(head_channels), self.features[-1]
        self.heads = nn.ModuleDict({task: AsppHead(last, n, inner, rates, task) for task, n in tasks.items()})

    def construct(self, layers: int) -> None:
        """Make what stands before the heads."""
        raise NotImplementedError

    def encoded(self, image: torch.Tensor) -> Sequence[torch.Tensor]:
        """What the head of each task reads."""
        raise NotImplementedError

    def predict(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """As `DenseSpace.predict`."""
        return {task: self.heads[task](x) for task, x in zip(self.tasks, self.encoded(image), strict=True)}


class HardSharing(DeepLab):
    """One encoder for all tasks; with one task it is the single-task network."""

    def construct(self, layers: int) -> None:
        """As `DeepLab.construct`."""
        self.encoder = ResNet(layers, self.features)

    def encoded(self, image: torch.Tensor) -> Sequence[torch.Tensor]:
        """As `DeepLab.encoded`."""
        return [self.encoder(image)] * len(self.tasks)


class SeparateNetworks(DeepLab):
    """An encoder for each task: single-task networks, trained side by side."""

    def construct(self, layers: int) -> None:
        """As `DeepLab.construct`."""
        self.encoder = nn.ModuleDict({task: ResNet(layers, self.features) for task in self.tasks})

    def encoded(self, image: torch.Tensor) -> Sequence[torch.Tensor]:
        """As `DeepLab.encoded`."""
        return [network(image) for network in self.encoder.values()]
