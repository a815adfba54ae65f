"""What an invalid pixel is, and means that leave it out."""

from __future__ import annotations

import torch
from torch import Tensor


def valid_depth(target: Tensor) -> Tensor:
    """Pixels that carry a depth, in any unit; 0, negative, NaN and infinite values mean "not measured"."""
    return (target > 0) & torch.isfinite(target)


def valid_normals(target: Tensor) -> Tensor:
    """Pixels (N, 1, H, W) that carry a surface normal: where the vector (N, 3, H, W) is longer than one half.

    The zero vector (or a NaN or an infinity) means "not known". A sum of components is no substitute: it is zero for
    valid normals such as (1, -1, 0) / sqrt(2).
    """
    square = target.square().sum(dim=1, keepdim=True)
    return (square > 0.25) & torch.isfinite(square)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the pixels of a mask of the same shape; zero, with a zero gradient, over an empty one.

    Values must be finite outside the mask too if a gradient is wanted: replace bad inputs *before* the arithmetic,
    because the derivative of `where` multiplies a NaN by zero.
    """
    total = torch.where(mask, values, torch.zeros_like(values)).sum()
    return total / mask.sum().clamp(min=1)


def wide(values: Tensor) -> Tensor:
    """At least float32: sums over a million pixels overflow half precision and lose all digits in bfloat16."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
