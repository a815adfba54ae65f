"""What an invalid pixel is, and means that leave it out."""

from __future__ import annotations

import torch
from torch import Tensor


def valid_depth(target: Tensor) -> Tensor:
    """Pixels that carry a depth.

    Args:
        target: Depth (...), any unit; 0, negative, NaN and infinite values mean "not measured".

    Returns:
        Boolean mask of the same shape.
    """
    return (target > 0) & torch.isfinite(target)


def valid_normals(target: Tensor) -> Tensor:
    """Pixels that carry a surface normal.

    Args:
        target: Unit vectors (N, 3, H, W); the zero vector (or a NaN or an infinity) means "not known".

    Returns:
        Boolean mask (N, 1, H, W): true where the vector is longer than one half. A sum of components is no
        substitute: it is zero for valid normals such as (1, -1, 0) / sqrt(2).
    """
    square = target.square().sum(dim=1, keepdim=True)
    return (square > 0.25) & torch.isfinite(square)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the pixels of a mask; zero, with a zero gradient, over an empty one.

    Args:
        values: Any shape. Must be finite outside the mask too if a gradient is wanted: replace bad inputs
            *before* the arithmetic, because the derivative of `where` multiplies a NaN by zero.
        mask: Boolean, same shape.

    Returns:
        Scalar.
    """
    total = torch.where(mask, values, torch.zeros_like(values)).sum()
    return total / mask.sum().clamp(min=1)


def wide(values: Tensor) -> Tensor:
    """At least float32: sums over a million pixels overflow half precision and lose all digits in bfloat16."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
