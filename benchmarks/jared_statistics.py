"""Statistics of benchmarks/jared.py: how accurate and how noisy runs with two losses are, with intervals."""

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


def noise_reduction(control: np.ndarray, treated: np.ndarray, draws: int = 4000, seed: int = 0) -> Estimate:
    """1 - std(treated) / std(control) between the checkpoints of a run, in percent, with a bootstrap over seeds.

    Args:
        control: (seeds, checkpoints) of one metric.
        treated: (seeds, checkpoints).
        draws: Bootstrap samples. Runs are drawn with replacement, in each arm apart, because runs differ in noise by
            more than an F interval (which takes their variances for equal) allows.
        seed: Seed of the bootstrap.
    """
    low, high = (np.array([detrended_variance(run) for run in arm]) for arm in (treated, control))
    rng = np.random.default_rng(seed)
    picked = rng.integers(len(low), size=(draws, len(low))), rng.integers(len(high), size=(draws, len(high)))
    ratios = np.sqrt(low[picked[0]].mean(1) / high[picked[1]].mean(1))
    ends = np.percentile(100 * (1 - ratios), (2.5, 97.5))
    return Estimate(float(100 * (1 - np.sqrt(low.mean() / high.mean()))), float(ends[0]), float(ends[1]))


def spread_reduction(control: np.ndarray, treated: np.ndarray) -> Estimate:
    """1 - std(treated) / std(control) across seeds, in percent, with the F interval of normal samples.

    Args:
        control: (seeds,).
        treated: (seeds,).
    """
    ratio = treated.var(ddof=1) / control.var(ddof=1)
    degrees = len(treated) - 1, len(control) - 1
    low, high = ratio / stats.f.ppf(0.975, *degrees), ratio / stats.f.ppf(0.025, *degrees)
    return Estimate(*(float(100 * (1 - np.sqrt(r))) for r in (ratio, high, low)))
