"""Heads: from the fused feature to one task's output."""

from __future__ import annotations

from typing import Any

import torch
from nni.nas.nn.pytorch import MutableConv2d
from torch import nn

from ednas_nni.errors import StudyError
from ednas_nni.nn.conv import Separable
from ednas_nni.nn.elementwise import Resize


class Head(nn.Module):
    """A light head: separable 3 x 3, a 1 x 1 prediction with bias, bilinear enlargement to the input's resolution.

    Args:
        inputs: Channels of the fused feature.
        outputs: Channels of the task.
        channels: Inner channels.
        scale: Stride of the fused feature.
    """

    def __init__(self, inputs: Any, outputs: int, channels: Any, scale: int) -> None:
        super().__init__()
        self.features = Separable(inputs, channels)
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
