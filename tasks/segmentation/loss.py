"""The loss of segmentation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni.tasks.masked import wide


def cross_entropy(
    logits: Tensor, target: Tensor, ignore_index: int = 255, class_weights: Tensor | None = None
) -> Tensor:
    """Mean negative log likelihood over labelled pixels.

    Args:
        logits: (N, C, H, W).
        target: Class indices (N, H, W), int64 in [0, C); `ignore_index` = unlabelled.
        ignore_index: The label that is left out.
        class_weights: (C,), each >= 0. A pixel counts with the weight of its class, and the mean is over these
            weights, as in torch.

    Returns:
        Scalar in nats; 0 with zero gradient when no pixel is labelled (torch's own mean would be NaN).
    """
    logits = wide(logits)
    weights = None if class_weights is None else class_weights.to(logits)
    total = functional.cross_entropy(logits, target, weights, ignore_index=ignore_index, reduction="sum")
    labelled = target != ignore_index
    if weights is None:
        return total / labelled.sum().clamp(min=1)
    mass = torch.where(labelled, weights[torch.where(labelled, target, 0)], 0.0).sum()
    return total / torch.where(mass > 0, mass, 1.0)
