"""The loss of edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni.tasks.masked import masked_mean, wide


def balanced_binary(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Binary cross entropy in which the rare class counts as much as the frequent one, batch by batch.

    Each pixel is weighted by the share of the other class (Xie, Tu, "Holistically-Nested Edge Detection", ICCV 2015,
    arXiv 1504.06375, equation 2). Logits, target (0 or 1) and mask (False = unlabelled) are (N, 1, H, W); the result is
    in nats, 0 with zero gradient when no pixel is labelled.
    """
    logits = wide(logits)
    truth = torch.where(mask, target, 0).to(logits.dtype)
    positive = truth.sum() / mask.sum().clamp(min=1)
    weight = torch.where(truth > 0, 1 - positive, positive)
    # A batch of a single class would weigh nothing at all.
    weight = torch.where((positive > 0) & (positive < 1), weight, torch.ones_like(weight))
    loss = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return masked_mean(loss * weight, mask)
