"""What all spaces of dense prediction share: images of any size, a head for each task at the image's size."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ednas_nni.compat.nas import ModelSpace
from ednas_nni.errors import DataError, StudyError, did_you_mean
from ednas_nni.nn.capabilities import Capabilities
from ednas_nni.nn.elementwise import freeze_channels
from ednas_nni.nn.heads import TaskHead
from ednas_nni.nn.sizes import Entry
from ednas_nni.space.domains import Sample

_TASK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class DenseSpace(Capabilities, ModelSpace):
    """Base of model spaces whose networks predict each task at the image's size.

    A subclass takes plain data only, calls `super().__init__()`, then `begin`, and constructs `heads` and what stands
    before them.

    Attributes:
        heads: Task -> module with a `TaskHead` in it.
        entry: Where the image is shrunk; None = nowhere.
    """

    heads: nn.ModuleDict
    entry: Entry | None

    def begin(self, tasks: Mapping[str, int]) -> None:
        """Check tasks and their output channels and take them.

        Raises:
            StudyError: They are wrong.
        """
        check_tasks(tasks)
        self.tasks = tuple(tasks)
        self.entry = None

    def predict(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Task to raw output (N, C, H, W) of images (N, 3, H, W) whose height and width the stride divides."""
        raise NotImplementedError

    @property
    def resolution(self) -> float:
        """As `Capabilities.resolution`."""
        return 1 if self.entry is None else self.entry.share

    def freeze(self, sample: Sample) -> nn.Module:
        """The network of a sample as NNI makes it."""
        network = super().freeze(sample)
        freeze_channels(network, sample)
        return network

    def forward(self, image: torch.Tensor, shrunk: bool = False) -> dict[str, torch.Tensor]:
        """Task to raw output (N, C, H, W), of images (N, 3, H, W).

        Where H or W is no multiple of `stride`, zeros stand below and to the right up to the next one, and what is
        predicted there is cut off: 720 rows are computed as 736.

        Args:
            image: In [0, 1].
            shrunk: Whether the image has the network's resolution already; the outputs have then that of the image
                which was shrunk.

        Raises:
            DataError: The image has another shape.
        """
        check_image(image.shape, self.stride)
        height, width = image.shape[2:]
        if self.entry is not None and shrunk:
            height, width = (round(side / self.resolution) for side in (height, width))
        elif self.entry is not None:
            image = self.entry(image)
        below, right = (-side % self.stride for side in image.shape[2:])
        if not (below or right):
            return self.predict(image)
        outputs = self.predict(nn.functional.pad(image, (0, right, 0, below)))
        return {task: output[..., :height, :width] for task, output in outputs.items()}

    def set_output_bias(self, task: str, values: torch.Tensor) -> None:
        """Set the bias (C,) of a task's prediction, for example to class log-frequencies or the mean log-depth."""
        if task not in self.tasks:
            raise StudyError(f"The network has no task {task!r}.{did_you_mean(task, self.tasks)}")
        for module in self.heads[task].modules():
            if isinstance(module, TaskHead):
                module.set_output_bias(values)


def check_tasks(tasks: object) -> None:
    """Check the `tasks` argument of a space."""
    if not isinstance(tasks, Mapping) or not tasks:
        raise StudyError(
            f"tasks = {tasks!r}: a space needs at least one task, as a mapping from name to output channels, for "
            "example {'segmentation': 13, 'depth': 1}."
        )
    for name, channels in tasks.items():
        if not isinstance(name, str) or not _TASK_NAME.fullmatch(name) or name in dir(nn.ModuleDict):
            raise StudyError(
                f"tasks: {name!r} is not usable as a name; take a letter, then letters, digits and underscores "
                "(and no name of a method of torch's modules)."
            )
        if type(channels) is not int or not 1 <= channels <= 4096:
            raise StudyError(
                f"tasks: {name} = {channels!r}; the output channels of a task are a whole number from 1 to 4096."
            )


def check_image(shape: Sequence[int], stride: int) -> None:
    """Check the shape of a batch of images."""
    if len(shape) != 4 or shape[1] != 3 or any(n < stride for n in shape[2:]):
        raise DataError(
            f"The network takes images (N, 3, H, W) with height and width of at least {stride}, not {tuple(shape)}."
        )
