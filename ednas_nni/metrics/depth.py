"""Depth metrics."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ednas_nni.losses.masked import valid_depth
from ednas_nni.metrics.spec import MetricSpec

SPECS = (
    MetricSpec("abs_error_m", "m", "min"),
    MetricSpec("rel_error", "1", "min"),
    MetricSpec("rmse_m", "m", "min"),
    MetricSpec("delta1", "1", "max"),
    MetricSpec("delta2", "1", "max"),
    MetricSpec("delta3", "1", "max"),
)


class DepthMeter:
    """Errors of metric depth, protocol `standard`: means over all valid pixels of the split.

    `abs_error_m` = mean |p - g|, `rel_error` = mean |p - g| / g, `rmse_m` = sqrt(mean (p - g)^2), `delta<k>`
    = share of pixels with max(p / g, g / p) < 1.25^k; a prediction of zero or less is outside every
    threshold. No scale is fitted and no depth is capped. Pixels whose label is 0 or not finite are left out.
    """

    def __init__(self) -> None:
        self._pixels = 0
        self._sums = torch.zeros(6, dtype=torch.float64)

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            prediction: Depth in metres (N, 1, H, W).
            target: Depth in metres (N, 1, H, W); 0 or non-finite = invalid.
        """
        mask = valid_depth(target)
        guess, truth = prediction[mask].double(), target[mask].double()
        error = (guess - truth).abs()
        ratio = torch.where(guess > 0, torch.maximum(guess / truth, truth / guess), math.inf)
        within = [(ratio < 1.25**k).double().sum() for k in (1, 2, 3)]
        # A NaN prediction makes `error` and with it `broken` NaN, which then spreads into every sum.
        broken = error.sum() * 0
        sums = [error.sum(), (error / truth).sum(), error.square().sum(), *within]
        self._sums += (torch.stack(sums) + broken).cpu()
        self._pixels += truth.numel()

    def compute(self) -> dict[str, float]:
        """The metrics of `SPECS`, or NaN (see the package's two rules)."""
        if not self._pixels:
            return {spec.name: math.nan for spec in SPECS}
        values = (self._sums / self._pixels).tolist()
        values[2] = math.sqrt(values[2])
        return dict(zip((spec.name for spec in SPECS), values, strict=True))
