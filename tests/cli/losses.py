"""A loss as users write one."""

from __future__ import annotations

import torch
from torch import Tensor


def huber(prediction: Tensor, target: Tensor) -> Tensor:
    valid = target > 0
    return torch.nn.functional.huber_loss(prediction[valid], target[valid])


def focal(logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    labelled = target != ignore_index
    log_likelihood = -torch.nn.functional.cross_entropy(logits, target, ignore_index=ignore_index, reduction="none")
    return -((1 - log_likelihood.exp()) ** 2 * log_likelihood)[labelled].mean()


def blind_to_unlabelled(logits: Tensor, target: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(logits, target, ignore_index=-1)


class Focal(torch.nn.Module):
    """A module, as losses often are."""

    def forward(self, logits: Tensor, target: Tensor, ignore_index: int) -> Tensor:
        return focal(logits, target, ignore_index)


focal_module = Focal()
