"""A number with its interval, and two of them: of arms paired by seed, and of scores about their line."""

from __future__ import annotations

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


def paired_change(control: np.ndarray, treated: np.ndarray) -> Estimate:
    """Mean of treated - control over seeds, in percent of the control's mean, with Student's t interval.

    Args:
        control: (seeds,), one value per seed.
        treated: (seeds,), the same seeds.
    """
    difference = (treated - control) / control.mean() * 100
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    reach = stats.t.ppf(0.975, len(difference) - 1) * error
    return Estimate(float(difference.mean()), float(difference.mean() - reach), float(difference.mean() + reach))


def detrended_variance(curve: np.ndarray) -> float:
    """Variance of a run's checkpoints about their straight line, over n - 2 degrees of freedom.

    Args:
        curve: (checkpoints,), one metric in the order of training.
    """
    step = np.arange(len(curve))
    residual = curve - np.polyval(np.polyfit(step, curve, 1), step)
    return float((residual**2).sum() / (len(curve) - 2))
