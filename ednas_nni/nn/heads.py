"""Heads: from the fused feature to one task's output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from ednas_nni.compat.nas import MutableConv2d
from ednas_nni.errors import StudyError
from ednas_nni.nn.choice import layer_choice
from ednas_nni.nn.conv import ConvNorm, Separable
from ednas_nni.nn.elementwise import Resize
from ednas_nni.nn.ibn import IBN


def _conv(inputs: Any, channels: Any, activation: str) -> nn.Module:
    return ConvNorm(inputs, channels, 3, activation=activation)


def _separable(inputs: Any, channels: Any, activation: str) -> nn.Module:
    return Separable(inputs, channels, activation=activation)


def _ibn(inputs: Any, channels: Any, activation: str) -> nn.Module:
    return IBN(inputs, channels, 3, 4, activation=activation)


KINDS: dict[str, Callable[[Any, Any, str], nn.Module]] = {"conv": _conv, "separable": _separable, "ibn": _ibn}
"""What a head has before its prediction: a full 3 x 3 convolution, a separable one, or an inverted bottleneck."""


class Head(nn.Module):
    """One block of `KINDS`, a 1 x 1 prediction with bias, bilinear enlargement to the input's resolution.

    The enlargement comes last, on the task's few channels: as late and as cheap as it can be. It is a `Resize`, so
    that cost tables see it.

    Args:
        inputs: Channels of the fused feature.
        outputs: Channels of the task.
        channels: Inner channels.
        scale: Stride of the fused feature.
        kind: A key of `KINDS`.
        activation: Name of the activation.
    """

    def __init__(
        self, inputs: Any, outputs: int, channels: Any, scale: int, kind: str = "separable", activation: str = "relu6"
    ) -> None:
        super().__init__()
        self.features = KINDS[kind](inputs, channels, activation)
        self.predict = MutableConv2d(channels, outputs, 1, bias=True)
        self.resize = Resize(outputs, scale)
        # Training starts at the output bias. Over 150 steps this beat a deviation of 0.1; all other layers keep torch's
        # own start: He's by fan-out gained nothing, and residual branches that start at zero lost quality.
        nn.init.normal_(self.predict.weight, std=0.01)
        nn.init.zeros_(self.predict.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, inputs, H, W) to (N, outputs, scale H, scale W)."""
        return self.resize(self.predict(self.features(x)))

    def set_output_bias(self, values: torch.Tensor) -> None:
        """Start from a known answer: the output is `values` wherever the features say nothing.

        Args:
            values: Finite, shape (outputs,).

        Raises:
            StudyError: Another shape, or values that are not finite.
        """
        bias = self.predict.bias
        values = torch.as_tensor(values, dtype=bias.dtype, device=bias.device)
        if values.shape != bias.shape or not bool(torch.isfinite(values).all()):
            raise StudyError(
                f"The output bias must be {bias.numel()} finite values, not {values.tolist()} of shape "
                f"{tuple(values.shape)}."
            )
        with torch.no_grad():
            bias.copy_(values)


def head_choice(
    kinds: Sequence[str],
    inputs: Any,
    outputs: int,
    channels: Any,
    scale: int,
    label: str,
    activation: str = "relu6",
) -> nn.Module:
    """A searched head.

    Args:
        kinds: Keys of `KINDS`; a single one is no choice and gets no label.
        inputs: As `Head`.
        outputs: As `Head`.
        channels: As `Head`.
        scale: As `Head`.
        label: Label of the choice in samples.
        activation: Name of the activation.
    """
    candidates = {kind: partial(Head, inputs, outputs, channels, scale, kind, activation) for kind in kinds}
    return layer_choice(candidates, label) if len(candidates) > 1 else next(iter(candidates.values()))()
