"""Heads: from the fused feature to one task's output."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from ednas_nni.compat.nas import MutableConv2d
from ednas_nni.errors import StudyError
from ednas_nni.nn.blocks.base import Block, Slot
from ednas_nni.nn.blocks.bottleneck import InvertedBottleneck
from ednas_nni.nn.blocks.conv import Convolution, SeparableConvolution
from ednas_nni.nn.choice import choice_or_only
from ednas_nni.nn.elementwise import Channels, Factor, Resize

HEADS: dict[str, Block] = {
    "conv": Convolution(kernel=3),
    "separable": SeparableConvolution(kernel=3),
    "ibn": InvertedBottleneck(kernel=3, expansion=4),
}
"""What a head has before its prediction: a full 3 x 3 convolution, a separable one, or an inverted bottleneck."""


class TaskHead(nn.Module):
    """Base of what ends in the prediction of one task.

    Attributes:
        predict: The layer whose bias is added to every output.
    """

    predict: nn.Conv2d

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
    ) -> None:
        super().__init__()
        self.features = HEADS[kind].build(Slot(inputs, channels, activation=activation))
        self.predict = start_small(MutableConv2d(channels, outputs, 1, bias=True))
        self.resize = Resize(outputs, scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, scale H, scale W)."""
        return self.resize(self.predict(self.features(x)))


def head_choice(
    kinds: Sequence[str],
    inputs: Channels,
    outputs: int,
    channels: Channels,
    scale: Factor,
    label: str,
    activation: str = "relu6",
) -> nn.Module:
    """A searched head among keys of `HEADS`; a single one is not a choice and gets no label."""
    candidates = {kind: partial(Head, inputs, outputs, channels, scale, kind, activation) for kind in kinds}
    return choice_or_only(candidates, label)
