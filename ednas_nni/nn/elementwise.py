"""Operations without weights that still cost time on a device, as modules so that the cost table can see them.

Each knows its `channels`: an integer, or in a space with searched widths NNI's expression for it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from nni.mutable import ensure_frozen
from nni.nas.space import current_model
from torch import nn


class Elementwise(nn.Module):
    """Base of the operations that touch every element once.

    Args:
        channels: Channels of the output, an integer or an NNI expression.
    """

    def __init__(self, channels: Any) -> None:
        super().__init__()
        sample = current_model()
        self.channels = channels if sample is None else ensure_frozen(channels, sample=sample)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"channels={self.channels}"


class Activation(Elementwise):
    """ReLU6: min(max(x, 0), 6), shapes unchanged. It quantises to 8 bits without a searched range."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply to x of any shape."""
        return F.relu6(x)


class Add(Elementwise):
    """Sum of two tensors of the same shape (residuals, fusion)."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Add a and b, both (N, channels, H, W)."""
        return a + b


class Resize(Elementwise):
    """Bilinear enlargement by a whole factor, half-pixel centres (`align_corners=False`).

    Args:
        channels: As `Elementwise`.
        scale: Factor for height and width, at least 1.
    """

    def __init__(self, channels: Any, scale: int) -> None:
        super().__init__(channels)
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Enlarge x (N, channels, H, W) to (N, channels, scale H, scale W)."""
        return F.interpolate(x, scale_factor=float(self.scale), mode="bilinear", align_corners=False)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"channels={self.channels}, scale={self.scale}"
