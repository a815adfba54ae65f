"""Heads: from the fused feature to one task's output."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import nn

from ednas_nni.compat.nas import MutableConv2d
from ednas_nni.errors import StudyError
from ednas_nni.nn.blocks.base import Block, Slot
from ednas_nni.nn.blocks.bottleneck import InvertedBottleneck
from ednas_nni.nn.blocks.conv import Convolution, SeparableConvolution
from ednas_nni.nn.elementwise import Channels, Factor, LargestClass, Resize

HEADS: dict[str, Block] = {
    "conv": Convolution(kernel=3),
    "separable": SeparableConvolution(kernel=3),
    "ibn": InvertedBottleneck(kernel=3, expansion=4),
}
"""What a head has before its prediction: a full 3 x 3 convolution, a separable one, or an inverted bottleneck."""


answered: ContextVar[frozenset[str]] = ContextVar("answered", default=frozenset())
"""Tasks of the `answering_classes` that one is inside of."""


@contextmanager
def answering_classes(tasks: Collection[str]) -> Iterator[None]:
    """Networks as they run on a device that is asked for the classes of these tasks: an index for C scores.

    Whatever looks at a network or a space inside (costs, blocks, exported graphs) sees what the device then does.
    """
    before = answered.set(frozenset(tasks))
    try:
        yield
    finally:
        answered.reset(before)


class TaskHead(nn.Module):
    """Base of what ends in the prediction of one task.

    Attributes:
        predict: The layer whose bias is added to every output.
    """

    predict: nn.Conv2d

    def end(self, task: str, outputs: int, scale: Factor) -> None:
        """Construct what comes behind the prediction: enlargement to the image's size, or the class and then that."""
        self.task = task
        self.resize = Resize(outputs, scale)
        if outputs > 1:
            self.largest = LargestClass(outputs)
            self.repeat = Resize(1, scale, classes=True)

    def answer(self, scores: torch.Tensor) -> torch.Tensor:
        """What the network gives for predictions (N, C, h, w): (N, C, H, W), or classes (N, 1, H, W)."""
        return self.repeat(self.largest(scores)) if self.task in answered.get() else self.resize(scores)

    def set_output_bias(self, values: torch.Tensor) -> None:
        """Start from a known answer: the output is `values`, shape (outputs,), where the features say nothing.

        Raises:
            StudyError: Another shape, or values that are not finite.
        """
        bias = self.predict.bias
        assert bias is not None, "predictions have one"
        values = torch.as_tensor(values, dtype=bias.dtype, device=bias.device)
        if values.shape != bias.shape or not bool(torch.isfinite(values).all()):
            raise StudyError(
                f"The output bias must be {bias.numel()} finite values, not {values.tolist()} of shape "
                f"{tuple(values.shape)}."
            )
        with torch.no_grad():
            bias.copy_(values)


def start_small(layer: nn.Conv2d) -> nn.Conv2d:
    """Let a prediction start at its output bias, 0.

    Over 150 steps this beat a deviation of 0.1; all other layers keep torch's own start: He's by fan-out gained
    nothing, and residual branches that start at zero lost quality.
    """
    nn.init.normal_(layer.weight, std=0.01)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Head(TaskHead):
    """One block of `HEADS`, a 1 x 1 prediction with bias, bilinear enlargement to the image's size, by `scale`.

    The enlargement comes last, on the task's few channels: as late and as cheap as it can be. It is a `Resize`, so that
    cost tables see it.
    """

    def __init__(
        self,
        inputs: Channels,
        outputs: int,
        channels: Channels,
        scale: Factor,
        kind: str = "separable",
        activation: str = "relu6",
        task: str = "",
    ) -> None:
        super().__init__()
        self.features = HEADS[kind].build(Slot(inputs, channels, activation=activation))
        self.predict = start_small(MutableConv2d(channels, outputs, 1, bias=True))
        self.end(task, outputs, scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, scale H, scale W)."""
        return self.answer(self.predict(self.features(x)))
