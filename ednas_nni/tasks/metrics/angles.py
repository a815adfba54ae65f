"""Angles of a whole split: mean, median and shares below limits."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ednas_nni.tasks.metrics.totals import Totals

LIMITS_DEG = (11.25, 22.5, 30.0)
_BINS_PER_DEGREE = 100
_BINS = 180 * _BINS_PER_DEGREE + 1


class Angles:
    """Accumulates angles in degrees.

    The median is that of all angles as float32, up to `exact_pixels` pixels (valid or not, 256 MiB by
    default). A larger split is counted in a histogram of 0.01 degree, so that memory does not grow with it;
    its median is off by at most 0.005 degrees.

    Args:
        inclusive: Whether an angle equal to a limit lies within it.
        exact_pixels: How many pixels are kept for an exact median.
    """

    def __init__(self, inclusive: bool = False, exact_pixels: int = 1 << 26) -> None:
        self._inclusive = inclusive
        self._exact_pixels = exact_pixels
        self._totals = Totals()
        self._kept: list[Tensor] = []
        self._pixels = 0
        self._histogram: Tensor | None = None

    def add(self, angle: Tensor, valid: Tensor) -> None:
        """Add angles in [0, 180]; both tensors have the same shape, what is not valid may be anything."""
        kept = torch.where(valid, angle, math.nan)  # which lies within no limit
        within = [kept <= limit if self._inclusive else kept < limit for limit in LIMITS_DEG]
        total = torch.where(valid, angle, 0.0).sum(dtype=torch.float64)
        self._totals.add(total, *(inside.sum() for inside in within), valid.sum())
        self._pixels += angle.numel()
        self._kept.append(kept.float().flatten())
        if self._pixels > self._exact_pixels:
            self._count_kept()

    def mean(self) -> float:
        """Mean angle in degrees; NaN without a valid pixel."""
        return self._share(0)

    def within(self) -> tuple[float, float, float]:
        """Shares of pixels, in [0, 1], whose angle lies within 11.25, 22.5 and 30 degrees."""
        return self._share(1), self._share(2), self._share(3)

    def median(self) -> float:
        """Median angle in degrees (mean of the two middle ones of an even count); NaN without a valid pixel."""
        count = int(self._totals.list(5)[4])
        if not count:
            return math.nan
        middle = [(count - 1) // 2, count // 2]
        if self._histogram is None:
            values = torch.cat(self._kept).cpu().numpy()
            values = np.partition(values[~np.isnan(values)], middle)
            return float(values[middle].mean(dtype=np.float64))
        ranks = torch.tensor(middle) + 1
        bins = torch.searchsorted(self._histogram[:_BINS].cpu().cumsum(0), ranks)
        return (float(bins.double().mean()) + 0.5) / _BINS_PER_DEGREE

    def _share(self, index: int) -> float:
        totals = self._totals.list(5)
        return totals[index] / totals[4] if totals[4] else math.nan

    def _count_kept(self) -> None:
        """Move the kept angles into the histogram, whose last bin holds what is not valid."""
        angles = torch.cat(self._kept)
        bins = (angles * _BINS_PER_DEGREE).nan_to_num(_BINS).long().clamp(0, _BINS)
        counts = torch.zeros(_BINS + 1, dtype=torch.int64, device=bins.device)
        counts.scatter_add_(0, bins, torch.ones_like(bins))
        self._histogram = counts if self._histogram is None else self._histogram + counts
        self._kept.clear()
