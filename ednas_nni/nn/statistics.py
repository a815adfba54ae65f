"""Statistics of batch norms, of a network that has weights of another training."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


@torch.no_grad()
def recalibrate(
    network: nn.Module, images: Iterable[Tensor], forward: Callable[[Tensor], object] | None = None
) -> None:
    """Estimate the statistics of all batch norms; leaves the network in evaluation mode.

    While a supernet is trained, a batch norm sees outputs of many different layers before it, so its running statistics
    belong to no network at all. They are estimated anew for each: a few batches of training images, without gradients,
    and the plain mean of their statistics (Yu and Huang, ICCV 2019, arXiv 1903.05134, "post-statistics").

    Args:
        network: Changed in place; its weights are not.
        images: Batches (N, 3, H, W) in [0, 1] of the training split, N > 1.
        forward: Runs it, for a network whose parameters lie elsewhere; the network itself by default.
    """
    norms = [module for module in network.modules() if isinstance(module, _NormBase)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the plain mean over batches
    network.train()
    for image in images:
        (forward or network)(image.contiguous(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
