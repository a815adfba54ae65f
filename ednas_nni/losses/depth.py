"""Depth losses."""

from __future__ import annotations

import torch
from torch import Tensor

from ednas_nni.losses.masked import masked_mean, valid_depth


def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error over valid pixels.

    Args:
        prediction: Depth (N, 1, H, W), in the target's unit.
        target: Depth (N, 1, H, W); 0 or non-finite = invalid.

    Returns:
        Scalar in the target's unit; 0 with zero gradient when no pixel is valid.
    """
    mask, prediction, target = _select(prediction, target)
    return masked_mean((prediction - target).abs(), mask)


def jared(prediction: Tensor, target: Tensor, relative_scale: float = 3.0, floor: float = 0.1) -> Tensor:
    """Joint absolute-relative depth loss, normalised: (|p - g| + relative_scale |p - g| / max(g, floor)) / 2.

    The name and the purpose (steer absolute and relative error together, because the absolute error alone is
    ruled by far pixels and the relative error alone by near ones) are those of JAReD in Vu et al., "Toward
    Edge-Efficient Dense Predictions with Synergistic Multi-Task Neural Architecture Search", WACV 2023,
    arXiv 2210.01384. This exact weighting is ours: the halves keep the weight of depth against the other
    tasks what it is with `l1`, and the floor bounds the gradient at tiny labels.

    Args:
        prediction: Depth (N, 1, H, W), in the target's unit.
        target: Depth (N, 1, H, W); 0 or non-finite = invalid.
        relative_scale: Weight of the relative error, in the target's unit. About the ratio of absolute to
            relative error of a plain L1 model makes both halves equally large: 3.0 m for `rooms`.
        floor: Smallest denominator, in the target's unit; smaller labels are divided by it instead.

    Returns:
        Scalar in the target's unit, averaged over valid pixels; 0 with zero gradient when none is valid.
    """
    mask, prediction, target = _select(prediction, target)
    weight = 0.5 + 0.5 * relative_scale / target.clamp(min=floor)
    return masked_mean((prediction - target).abs() * weight, mask)


def _select(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mask, and both inputs with invalid pixels replaced by 1 so that no NaN enters the arithmetic."""
    mask = valid_depth(target)
    ones = torch.ones_like(prediction)
    return mask, torch.where(mask, prediction, ones), torch.where(mask, target.to(prediction.dtype), ones)
