"""Surface-normal loss."""

from __future__ import annotations

import torch
from torch import Tensor

from ednas_nni.losses.masked import masked_mean, valid_normals


def cosine(prediction: Tensor, target: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Mean of 1 - cos(angle) between predicted and true normals over valid pixels.

    Args:
        prediction: Directions (N, 3, H, W) of any length.
        target: Unit vectors (N, 3, H, W); the zero vector = invalid.
        epsilon: Added to the squared length of the prediction. It bounds the gradient by 1 / sqrt(epsilon) at
            a vanishing output, where the direction is undefined.

    Returns:
        Scalar in [0, 2]; 0 with zero gradient when no pixel is valid.
    """
    mask = valid_normals(target)
    zeros = torch.zeros_like(prediction)
    prediction = torch.where(mask, prediction, zeros)
    target = torch.where(mask, target.to(prediction.dtype), zeros)
    length = (prediction.square().sum(dim=1, keepdim=True) + epsilon).sqrt()
    return masked_mean(1 - (prediction * target).sum(dim=1, keepdim=True) / length, mask)
