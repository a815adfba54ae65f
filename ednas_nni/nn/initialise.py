"""Starting weights suited to short training."""

from __future__ import annotations

from torch import nn

from ednas_nni.nn.fused_ibn import FusedIBN
from ednas_nni.nn.heads import Head
from ednas_nni.nn.ibn import IBN


def initialise(network: nn.Module, zero_residuals: bool = False, output_std: float = 0.01) -> None:
    """Draw all weights of a space or network anew from torch's global generator.

    Convolutions: He et al., arXiv 1502.01852, normal by fan-out. Batch norms: scale 1, shift 0. Predictions: normal
    with a small deviation, so that training starts at the output bias.

    Args:
        network: Is changed in place.
        zero_residuals: Start residual branches at zero (Goyal et al., arXiv 1706.02677).
        output_std: Standard deviation of the prediction's weights.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, Head):
            nn.init.normal_(module.predict.weight, std=output_std)
        elif zero_residuals and isinstance(module, (IBN, FusedIBN)) and module.add is not None:
            nn.init.zeros_(module.project.norm.weight)
