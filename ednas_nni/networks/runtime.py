"""What computes a network's outputs: torch here, the runtimes of exported files in the exporters."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Outputs = Literal["raw", "labels"]
"""What a runtime gives for a task: the network's raw output, at any resolution, or what the task predicts from it.

In the place of a raw output there may be classes, whole numbers (N, h, w): the device has decoded already."""


class Runtime(Protocol):
    """A network in some form that can be run, on images of `size` (height, width); `outputs` is what it gives."""

    size: tuple[int, int]
    outputs: Outputs

    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.generic]]:
        """Compute all tasks of images float32 (N, 3, H, W) of `size`, in [0, 1]; the file's layout and type are made.

        Of each task, with "raw" float32 (N, C, h, w), where h and w may be smaller than H and W by a whole factor; with
        "labels" as `Task.predict` gives it, (N, H, W) or (N, C, H, W).
        """
        ...


class TorchRuntime:
    """The module itself (see `Network.module`), as `Runtime`."""

    outputs: Outputs = "raw"

    def __init__(self, module: nn.Module, size: tuple[int, int]) -> None:
        self.module = module
        self.size = size

    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.generic]]:
        """As `Runtime.run`, on the device that the module lies on, in evaluation mode."""
        parameter, training = next(self.module.parameters()), self.module.training
        with torch.no_grad():
            outputs = self.module.eval()(torch.from_numpy(images).to(parameter.device, parameter.dtype))
        self.module.train(training)
        return {task: output.float().cpu().numpy() for task, output in outputs.items()}
