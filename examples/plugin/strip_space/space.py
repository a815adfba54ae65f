"""The space: which blocks there are, how many, how wide."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import nni
import torch
from nni.nas.nn.pytorch import ModelSpace, Repeat
from torch import nn

from ednas_nni.nn.blocks.base import Slot, operation
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.choice import layer_choice
from ednas_nni.nn.elementwise import freeze_channels
from ednas_nni.nn.heads import Head
from ednas_nni.nn.template import check_image, check_tasks
from strip_space.block import StripBlock


class StripSpace(ModelSpace):
    """image -> two convolutions of stride 2 -> 1 to 3 blocks -> one head per task -> input resolution.

    Blocks are strip convolutions or EDNAS' own inverted bottleneck. Arguments are plain data: trials get them as JSON.

    Args:
        tasks: Task name to output channels.
        channels: Channels of the stem.
    """

    stride = 4

    def __init__(self, tasks: Mapping[str, int] | None = None, channels: int = 16) -> None:
        super().__init__()
        tasks = {"segmentation": 13, "depth": 1, "normals": 3} if tasks is None else tasks
        check_tasks(tasks)
        self.tasks = tuple(tasks)
        width = nni.choice("width", [24, 32, 48])
        self.stem = nn.Sequential(ConvNorm(3, channels, 3, stride=2), ConvNorm(channels, width, 3, stride=2))
        self.blocks = Repeat(lambda i: _block(width, f"block{i + 1}_op"), (1, 3), label="depth")
        self.heads = nn.ModuleDict({task: Head(width, n, 24, self.stride) for task, n in tasks.items()})

    def freeze(self, sample: Mapping[str, Any]) -> nn.Module:
        """NNI settles its own layers; those of `elementwise` are settled here."""
        network = super().freeze(sample)
        freeze_channels(network, sample)
        return network

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (N, 3, H, W) to task -> (N, C, H, W)."""
        check_image(image.shape, self.stride)
        features = self.blocks(self.stem(image))
        return {task: head(features) for task, head in self.heads.items()}

    def set_output_bias(self, task: str, values: torch.Tensor) -> None:
        """Let a task start from a known answer."""
        self.heads[task].set_output_bias(values)


def _block(width: Any, label: str) -> nn.Module:
    return layer_choice(
        {
            "strip_k7": partial(StripBlock, width, width, 7, True),
            "strip_k11": partial(StripBlock, width, width, 11, True),
            "ibn_k3_e3": partial(operation("ibn_k3_e3").build, Slot(width, width, residual=True)),
        },
        label,
    )
