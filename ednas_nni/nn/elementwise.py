"""Operations with few or no weights that still cost time on a device, as modules so that the cost table can see them.

Each knows its `channels`: an integer, or in a space with searched widths NNI's expression for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import nn

from ednas_nni.compat.nas import MutableExpression, current_model, ensure_frozen
from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.space.domains import Scalar

Channels: TypeAlias = "int | MutableExpression[int]"
"""A number of channels; in a space with searched widths, NNI's expression for it."""

Factor: TypeAlias = "int | float | MutableExpression[float]"
"""A factor between two sizes, or NNI's expression for it."""

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu6": F.relu6,
    "relu": F.relu,
    "hswish": F.hardswish,
    "hsigmoid": F.hardsigmoid,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
}


class Elementwise(nn.Module):
    """Base of the operations that touch every element once."""

    def __init__(self, channels: Channels) -> None:
        super().__init__()
        self.channels = channels
        sample = current_model()
        if sample is not None:
            self.settle(sample)

    def settle(self, sample: Mapping[str, Scalar]) -> None:
        """Let what is searched be the sample's."""
        self.channels = ensure_frozen(self.channels, sample=dict(sample))

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"channels={self.channels}"


def freeze_channels(network: nn.Module, sample: Mapping[str, Scalar]) -> None:
    """Settle, in place, the widths that a network made by NNI's `freeze` still holds as expressions.

    NNI freezes its own layers. These are not NNI's: one-shot strategies reject mutable modules that they do not know,
    and an operation without weights has nothing for them to mix.
    """
    for module in network.modules():
        if isinstance(module, Elementwise):
            module.settle(sample)


class Activation(Elementwise):
    """A fixed non-linearity of `ACTIVATIONS`, shapes unchanged.

    "relu6", min(max(x, 0), 6), quantises to 8 bits without a searched range.

    Raises:
        StudyError: The function is unknown.
    """

    def __init__(self, channels: Channels, function: str = "relu6") -> None:
        super().__init__(channels)
        if function not in ACTIVATIONS:
            raise StudyError(f"activation is {function!r}.{did_you_mean(function, ACTIVATIONS)}")
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply to x of any shape."""
        return ACTIVATIONS[self.function](x)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"channels={self.channels}, {self.function}"


class Add(Elementwise):
    """Sum of two tensors (residuals, fusion); the second may be one value per channel."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Add b, (N, channels, H, W) or (N, channels, 1, 1), to a, (N, channels, H, W)."""
        return a + b


class Scale(Elementwise):
    """Product with one factor per channel (squeeze-and-excitation). On a device it costs what an addition costs."""

    kind = "multiply"

    def forward(self, x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        """Multiply x (N, channels, H, W) by a factor (N, channels, 1, 1), or one of x's shape."""
        return x * factor


class WeightedSum(Elementwise):
    """Sum with learned weights w = relu(v), fast normalised: sum w_i x_i / (sum w_i + 1e-4).

    Source: Tan, Pang, Le, "EfficientDet", CVPR 2020, arXiv 1911.09070, section 3.3.
    """

    kind = "add"

    def __init__(self, channels: Channels, inputs: int) -> None:
        super().__init__(channels)
        self.values = nn.Parameter(torch.ones(inputs))

    def forward(self, *x: torch.Tensor) -> torch.Tensor:
        """Sum tensors of one shape (N, channels, H, W)."""
        weights = F.relu(self.values)
        weights = weights / (weights.sum() + 1e-4)
        total = x[0] * weights[0]
        for i in range(1, len(x)):
            total = total + x[i] * weights[i]
        return total


class GlobalPool(Elementwise):
    """Mean over all positions: (N, channels, H, W) to (N, channels, 1, 1)."""

    kind = "pool"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Average x over height and width."""
        return x.mean((2, 3), keepdim=True)


class MaxPool(Elementwise):
    """Largest of 3 x 3 positions at stride 2: halves the resolution of an even height and width."""

    kind = "pool"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) to (N, channels, H / 2, W / 2)."""
        return F.max_pool2d(x, 3, stride=2, padding=1)


class Concat(Elementwise):
    """Channels of several tensors one after the other; `channels` is their sum."""

    def forward(self, *x: torch.Tensor) -> torch.Tensor:
        """Join tensors (N, C_i, H, W) to (N, sum of C_i, H, W)."""
        return torch.cat(x, 1)


class LargestClass(Elementwise):
    """Index of the largest of so many scores at each position: one byte where that can hold it."""

    kind = "argmax"

    def __init__(self, scores: int) -> None:
        super().__init__(1)
        self.scores = scores

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map scores (N, C, H, W) to classes (N, 1, H, W), uint8, or int32 of more than 256."""
        return x.argmax(1, keepdim=True).to(torch.uint8 if self.scores <= 256 else torch.int32)


class Resize(Elementwise):
    """Enlargement by a factor >= 1, half-pixel centres: bilinear (`align_corners=False`), or of classes by repeating.

    The factor may be an expression of choices that decide sizes, see `ednas_nni.nn.sizes`.
    """

    def __init__(self, channels: Channels, scale: Factor, classes: bool = False) -> None:
        self.scale = scale
        self.classes = classes
        super().__init__(channels)

    def settle(self, sample: Mapping[str, Scalar]) -> None:
        """As `Elementwise.settle`."""
        super().settle(sample)
        self.scale = ensure_frozen(self.scale, sample=dict(sample))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Enlarge x (N, channels, H, W) to (N, channels, scale H, scale W)."""
        scale = float(ensure_frozen(self.scale, strict=False))
        end = [round(side * scale) for side in x.shape[2:]]
        if self.classes:
            return F.interpolate(x, end, mode="nearest-exact")
        if scale.is_integer():
            return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
        return F.interpolate(x, end, mode="bilinear", align_corners=False)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"channels={self.channels}, scale={self.scale}"
