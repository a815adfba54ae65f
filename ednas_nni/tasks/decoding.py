"""From a network's raw output to a task's prediction, as a word that a file can carry and any host can follow.

An exported file leaves the last step to the host by default: accelerators lack ARG_MAX and EXP, and the step is cheap.
The file says which step it is; the same word makes the step part of the graph where a user asks for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Operation: TypeAlias = Literal["none", "argmax", "above_zero", "softplus", "normalize"]
Outputs: TypeAlias = Literal["raw", "classes", "full", "labels"]
"""`raw`: at the heads' resolution; `classes`: the same, but where a task picks a class its index for all scores;
`full`: enlarged to the image's size; `labels`: decoded, too."""


@dataclass(frozen=True)
class Decoding:
    """The last step of a task.

    Attributes:
        operation: `argmax`: index of the largest channel; `above_zero`: 1 where the only channel is positive, else 0;
            `softplus`: ln(1 + e^x); `normalize`: vector over the channels divided by its length; `none`: unchanged.
        factor: What the result is multiplied by.
        unit: Of the result; "" for classes and directions.
    """

    operation: Operation = "none"
    factor: float = 1.0
    unit: str = ""

    def __call__(self, output: Tensor) -> Tensor:
        """Decode raw outputs (N, C, H, W) by plain operations that every exporter knows.

        Returns:
            int64 (N, H, W) for `argmax` and `above_zero`, else float (N, C, H, W).
        """
        if self.operation == "argmax":
            return output.argmax(1)
        if self.operation == "above_zero":
            return (output[:, 0] > 0).long()
        if self.operation == "softplus":
            return functional.softplus(output) * self.factor
        if self.operation == "normalize":
            return output / torch.sqrt((output * output).sum(1, keepdim=True)).clamp_min(1e-12)
        return output


def picking(decodings: Mapping[str, Decoding]) -> frozenset[str]:
    """Tasks that pick one of several classes; a device may do so, too, and then gives an index for C scores."""
    return frozenset(task for task, decoding in decodings.items() if decoding.operation == "argmax")


def resized(output: Tensor, size: tuple[int, int]) -> Tensor:
    """Outputs (N, C, h, w) at another size, bilinear with half-pixel centres; classes (N, h, w) by the nearest."""
    if output.shape[-2:] == size:
        return output
    if output.is_floating_point():
        return functional.interpolate(output, size, mode="bilinear", align_corners=False)
    return functional.interpolate(output[:, None].double(), size, mode="nearest-exact")[:, 0].to(output.dtype)
