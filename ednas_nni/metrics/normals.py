"""Surface-normal metrics."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ednas_nni.losses.masked import valid_normals
from ednas_nni.metrics.spec import MetricSpec

SPECS = (
    MetricSpec("mean_deg", "deg", "min"),
    MetricSpec("median_deg", "deg", "min"),
    MetricSpec("within_11_25", "1", "max"),
    MetricSpec("within_22_5", "1", "max"),
    MetricSpec("within_30", "1", "max"),
)
_BINS_PER_DEGREE = 100


class NormalsMeter:
    """Angles between predicted and true surface normals, protocol `standard`.

    Over all valid pixels of the split: `mean_deg`, `median_deg` and the shares of pixels with an angle below 11.25,
    22.5 and 30 degrees. The median comes from a histogram of 0.01 degree (error at most 0.005 degrees), so memory does
    not grow with the split. Predictions may have any length but zero, which has no direction. Angles use
    atan2(|p x g|, p . g): the arc cosine of a float32 is off by up to 0.02 degrees near 0.
    """

    def __init__(self) -> None:
        self._pixels = 0
        self._sums = torch.zeros(4, dtype=torch.float64)
        self._histogram = torch.zeros(180 * _BINS_PER_DEGREE + 1, dtype=torch.int64)
        self._unusable = 0

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            prediction: Directions (N, 3, H, W).
            target: Unit vectors (N, 3, H, W); the zero vector = invalid.
        """
        mask = valid_normals(target)[:, 0]
        guess, truth = _select(prediction, mask), _select(target, mask)
        length = guess.square().sum(dim=0)
        # The arc tangent of infinities is an innocent 45 degrees, so lengths are checked, not angles.
        if not bool((length.isfinite() & (length > 0)).all()):
            self._unusable += 1
            return
        angle = _angle_deg(guess, truth)
        within = [(angle < limit).double().sum() for limit in (11.25, 22.5, 30.0)]
        self._sums += torch.stack([angle.double().sum(), *within]).cpu()
        bins = (angle * _BINS_PER_DEGREE).long().clamp_(0, len(self._histogram) - 1)
        self._histogram += torch.bincount(bins, minlength=len(self._histogram)).cpu()
        self._pixels += angle.numel()

    def compute(self) -> dict[str, float]:
        """The metrics of `SPECS`, or NaN (see the package's two rules)."""
        if self._unusable or not self._pixels:
            return {spec.name: math.nan for spec in SPECS}
        mean, *within = (self._sums / self._pixels).tolist()
        return dict(zip((spec.name for spec in SPECS), (mean, self._median(), *within), strict=True))

    def _median(self) -> float:
        """Centre of the histogram's median bin in degrees (for an even count, of the two middle ones)."""
        cumulative = self._histogram.cumsum(0)
        middle = torch.tensor([(self._pixels + 1) // 2, self._pixels // 2 + 1])
        return (float(torch.searchsorted(cumulative, middle).double().mean()) + 0.5) / _BINS_PER_DEGREE


def _select(vectors: Tensor, mask: Tensor) -> Tensor:
    """Vectors (N, 3, H, W) at the true pixels of a mask (N, H, W), float32 (3, n)."""
    return vectors.movedim(1, 0).float()[:, mask]


def _angle_deg(a: Tensor, b: Tensor) -> Tensor:
    """Angle between vectors (3, n), in degrees; the lengths do not matter."""
    # Not `norm(dim=0)`, which is thirty times slower over a strided dimension.
    sine = torch.linalg.cross(a, b, dim=0).square().sum(dim=0).sqrt()
    return torch.rad2deg(torch.atan2(sine, (a * b).sum(dim=0)))
