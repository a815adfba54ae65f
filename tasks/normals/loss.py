"""Surface-normal losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ednas_nni.tasks.masked import masked_mean, valid_normals, wide


def cosine(prediction: Tensor, target: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Mean of 1 - cos(angle), in [0, 2], over valid pixels; 0 with zero gradient when no pixel is valid.

    Predictions (N, 3, H, W) have any length; targets are unit vectors, of which zero ones are invalid. `epsilon`, added
    to the squared length of the prediction, bounds the gradient by 1 / sqrt(epsilon) at a vanishing output, where the
    direction is undefined.
    """
    mask, prediction, target = _select(prediction, target)
    length = (prediction.square().sum(dim=1, keepdim=True) + epsilon).sqrt()
    return masked_mean(1 - (prediction * target).sum(dim=1, keepdim=True) / length, mask)


def angular(prediction: Tensor, target: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Mean angle in radians, in [0, pi], over valid pixels; 0 with zero gradient when no pixel is valid.

    atan2(|p x g|, p . g), whose slope stays finite where the arc cosine's does not (at 0 and pi). Prediction and target
    are as of `cosine`. `epsilon`, added under the root of |p x g|^2, bounds the gradient by sqrt(2 / epsilon), needed
    at a vanishing output, and lets it go to zero within about sqrt(epsilon) / |p| radians of 0 and pi.
    """
    mask, prediction, target = _select(prediction, target)
    sine = (torch.linalg.cross(prediction, target, dim=1).square().sum(dim=1, keepdim=True) + epsilon).sqrt()
    return masked_mean(torch.atan2(sine, (prediction * target).sum(dim=1, keepdim=True)), mask)


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"cosine": cosine, "angular": angular}
"""By the name that a study writes."""


def _select(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mask, and both inputs with invalid pixels replaced by zero vectors."""
    mask = valid_normals(target)
    prediction = wide(prediction)
    zeros = torch.zeros_like(prediction)
    return mask, torch.where(mask, prediction, zeros), torch.where(mask, target.to(prediction.dtype), zeros)
