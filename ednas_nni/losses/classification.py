"""Per-pixel classification loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, target: Tensor, ignore_index: int = 255) -> Tensor:
    """Mean negative log likelihood over labelled pixels.

    Args:
        logits: (N, C, H, W).
        target: Class indices (N, H, W), int64 in [0, C); `ignore_index` = unlabelled.
        ignore_index: The label that is left out.

    Returns:
        Scalar in nats; 0 with zero gradient when no pixel is labelled (torch's own mean would be NaN).
    """
    total = functional.cross_entropy(logits, target, ignore_index=ignore_index, reduction="sum")
    return total / (target != ignore_index).sum().clamp(min=1)
