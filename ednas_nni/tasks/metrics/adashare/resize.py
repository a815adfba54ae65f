"""AdaShare brings predictions to the labels' size without interpolation."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def to_label_size(prediction: Tensor, target: Tensor) -> Tensor:
    """Repeat pixels of a prediction (N, C, h, w) until it is as large as a target (..., H, W).

    `nearest` is torch's default mode and the one that AdaShare uses. It commutes with the arg max, so class
    indices may be resized in place of logits.
    """
    size = target.shape[-2:]
    return prediction if prediction.shape[-2:] == size else functional.interpolate(prediction, size=tuple(size))
