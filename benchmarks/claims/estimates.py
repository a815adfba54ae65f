"""A number with its interval, of arms paired by seed; scatter of scores about their line; Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: The estimate.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def mean_of(values: np.ndarray) -> tuple[Estimate, float]:
    """Mean of (seeds,) with Student's t interval, and the p value of a mean of 0; equal values are sure."""
    error, middle = stats.sem(values), float(values.mean())
    reach = float(stats.t.ppf(0.975, len(values) - 1) * error)
    p = float(stats.ttest_1samp(values, 0).pvalue) if error > 0 else float(middle == 0)
    return Estimate(middle, middle - reach, middle + reach), p


def paired_change(control: np.ndarray, treated: np.ndarray) -> Estimate:
    """Mean of treated - control over seeds, in percent of the control's mean, with Student's t interval.

    Args:
        control: (seeds,), one value per seed.
        treated: (seeds,), the same seeds.
    """
    return mean_of((treated - control) / control.mean() * 100)[0]


def detrended_variance(curve: np.ndarray) -> float:
    """Variance of a run's checkpoints about their straight line, over n - 2 degrees of freedom.

    Args:
        curve: (checkpoints,), one metric in the order of training.
    """
    step = np.arange(len(curve))
    residual = curve - np.polyval(np.polyfit(step, curve, 1), step)
    return float((residual**2).sum() / (len(curve) - 2))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values: the smallest times their number, the next times one less, never falling."""
    order, adjusted, largest = np.argsort(p), [0.0] * len(p), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = largest
    return adjusted
