"""Per-pixel classification losses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni.tasks.losses.masked import masked_mean, wide


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


def balanced_binary(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Binary cross entropy in which the rare class counts as much as the frequent one, batch by batch.

    Each pixel is weighted by the share of the other class (Xie, Tu, "Holistically-Nested Edge Detection", ICCV 2015,
    arXiv 1504.06375, equation 2).

    Args:
        logits: (N, 1, H, W).
        target: The same shape, 0 or 1.
        mask: The same shape; False = unlabelled.

    Returns:
        Scalar in nats; 0 with zero gradient when no pixel is labelled.
    """
    logits = wide(logits)
    truth = torch.where(mask, target, 0).to(logits.dtype)
    positive = truth.sum() / mask.sum().clamp(min=1)
    weight = torch.where(truth > 0, 1 - positive, positive)
    # A batch of a single class would weigh nothing at all.
    weight = torch.where((positive > 0) & (positive < 1), weight, torch.ones_like(weight))
    loss = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return masked_mean(loss * weight, mask)
