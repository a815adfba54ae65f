"""The multi-task template: one shared encoder and fusion, one head per task."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from nni.nas.nn.pytorch import ModelSpace
from torch import nn

from ednas_nni.errors import DataError, StudyError, did_you_mean
from ednas_nni.nn.conv import ConvNorm
from ednas_nni.nn.fusion import FPN
from ednas_nni.nn.heads import Head
from ednas_nni.nn.stage import stage

_TASK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class StageSpec:
    """One stage of the encoder.

    Attributes:
        channels: Output channels.
        depth: Least and greatest number of blocks.
        ops: Names of each block's candidates.
    """

    channels: int
    depth: tuple[int, int]
    ops: tuple[str, ...]


@dataclass(frozen=True)
class TemplateSpec:
    """All fixed numbers of a multi-task space.

    Attributes:
        stem: Channels of the stem, a 3 x 3 convolution of stride 2.
        stages: Encoder stages; each halves the resolution, so stage i ends at stride 2^(i + 2).
        fusion: Channels of the fused feature.
        head: Inner channels of each head.
    """

    stem: int
    stages: tuple[StageSpec, ...]
    fusion: int
    head: int


class MultiTaskSpace(ModelSpace):
    """A model space of hard-shared multi-task networks for dense prediction.

    image -> stem (stride 2) -> stages (strides 4, 8, ...) -> fusion (stride 4) -> one head per task -> input
    resolution. A subclass gives the numbers: its constructor takes plain data only, calls `super().__init__()`
    and then `assemble`.
    """

    stride: int
    tasks: tuple[str, ...]

    def assemble(self, tasks: Mapping[str, int], spec: TemplateSpec) -> None:
        """Construct all modules.

        Args:
            tasks: Task name to output channels.
            spec: The fixed numbers.
        """
        check_tasks(tasks)
        self.tasks = tuple(tasks)
        self.stride = 2 ** (len(spec.stages) + 1)
        self.stem = ConvNorm(3, spec.stem, 3, stride=2)
        widths = [spec.stem, *(s.channels for s in spec.stages)]
        self.stages = nn.ModuleList(
            stage(f"stage{i + 1}", s.ops, widths[i], widths[i + 1], 2, s.depth) for i, s in enumerate(spec.stages)
        )
        self.fusion = FPN(widths[1:], spec.fusion)
        self.heads = nn.ModuleDict({task: Head(spec.fusion, n, spec.head, scale=4) for task, n in tasks.items()})

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Predict all tasks.

        Args:
            image: float, (N, 3, H, W), H and W divisible by `stride`.

        Returns:
            Task to raw output (N, C, H, W) at the input's resolution.

        Raises:
            DataError: The image has another shape.
        """
        check_image(image.shape, self.stride)
        x = self.stem(image)
        features = []
        for part in self.stages:
            x = part(x)
            features.append(x)
        fused = self.fusion(*features)
        return {task: head(fused) for task, head in self.heads.items()}

    def set_output_bias(self, task: str, values: torch.Tensor) -> None:
        """Set the bias of a task's prediction, for example to class log-frequencies or the mean log-depth.

        Args:
            task: One of `tasks`.
            values: Finite, shape (C,).

        Raises:
            StudyError: The task is unknown, or the values have another shape or are not finite.
        """
        if task not in self.tasks:
            raise StudyError(f"The network has no task {task!r}.{did_you_mean(task, self.tasks)}")
        for module in self.heads[task].modules():
            if isinstance(module, Head):
                module.set_output_bias(values)


def check_tasks(tasks: Any) -> None:
    """Check the `tasks` argument of a space.

    Raises:
        StudyError: It is not a non-empty mapping from names (letters, digits, underscores) to whole channel numbers.
    """
    if not isinstance(tasks, Mapping) or not tasks:
        raise StudyError(
            f"tasks = {tasks!r}: a space needs at least one task, as a mapping from name to output channels, for "
            "example {'segmentation': 13, 'depth': 1}."
        )
    for name, channels in tasks.items():
        if not isinstance(name, str) or not _TASK_NAME.fullmatch(name) or hasattr(nn.ModuleDict, name):
            raise StudyError(
                f"tasks: {name!r} is not usable as a name; take a letter, then letters, digits and underscores "
                "(and no name of a method of torch's modules)."
            )
        if type(channels) is not int or not 1 <= channels <= 4096:
            raise StudyError(
                f"tasks: {name} = {channels!r}; the output channels of a task are a whole number from 1 to 4096."
            )


def check_image(shape: Sequence[int], stride: int) -> None:
    """Check the shape of a batch of images.

    Raises:
        DataError: It is not (N, 3, H, W) with H and W positive multiples of `stride`.
    """
    if len(shape) != 4 or shape[1] != 3 or any(n < stride or n % stride for n in shape[2:]):
        raise DataError(
            f"The network takes images (N, 3, H, W) with height and width divisible by {stride}, not {tuple(shape)}. "
            "Crop or pad the image, or choose another train_size or deploy_size."
        )
