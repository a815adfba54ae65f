"""Rank agreement within groups, its bootstrap interval, and the ceiling that noise sets. NumPy only.

Kendall's tau is a mean over pairs, so one set of pair weights serves everything here: pairs within groups, resampled
architectures, means over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 4000


@dataclass(frozen=True)
class RankEstimate:
    """A value with its 95 % interval, from resampled architectures."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


def estimate(values: np.ndarray) -> RankEstimate:
    """Of resampled values, of which the first is that of everyone once."""
    return RankEstimate(float(values[0]), *interval(values[1:]))


def agreement(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each pair contributes to Kendall's tau-b of x, (n,) or (seeds, n), and y, (n,).

    Returns:
        Three (n, n), means over seeds: agreement in -1..1, and whether x and y are not tied, 0..1.
    """
    sx = np.sign(np.atleast_2d(x)[:, :, None] - np.atleast_2d(x)[:, None, :])
    sy = np.sign(y[:, None] - y[None, :])
    return (sx * sy).mean(axis=0), (sx**2).mean(axis=0), sy**2


def tau(parts: tuple[np.ndarray, np.ndarray, np.ndarray], pairs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Kendall's tau-b (resamples,) over the pairs, bool (n, n), that count; NaN where no pair is left.

    `parts` are those of `agreement`, `weights` (resamples, n) how often each architecture was drawn. A pair of an
    architecture with itself says nothing and never counts, or resampling would draw the value towards zero.
    """
    both, in_x, in_y = (np.einsum("bi,ij,bj->b", weights, part * pairs, weights, optimize=True) for part in parts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return both / np.sqrt(in_x * in_y)


def resampled(groups: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """Bootstrap weights (resamples + 1, n), drawn within each group; the first row counts everyone once.

    Of groups, int (n,), negative ones are left out.
    """
    rng = np.random.default_rng(seed)
    weights = np.zeros((resamples + 1, len(groups)))
    weights[0, groups >= 0] = 1
    for group in np.unique(groups[groups >= 0]):
        members = np.flatnonzero(groups == group)
        drawn = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=resamples)
        weights[1:, members] = drawn
    return weights


def same_group(groups: np.ndarray) -> np.ndarray:
    """Pairs, bool (n, n), of two architectures of one group; negative groups belong to none."""
    return (groups[:, None] == groups[None, :]) & (groups >= 0)[:, None]


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of resampled values, (low, high); NaN are left out where there is anything else."""
    numbers = values[~np.isnan(values)]
    if not len(numbers):
        return math.nan, math.nan
    tail = (1 - level) / 2 * 100
    low, high = np.percentile(numbers, [tail, 100 - tail])
    return float(low), float(high)


def noise(values: np.ndarray) -> float:
    """Standard deviation of repeated trainings, pooled over architectures.

    What a seed does to all architectures alike is no noise of an order, and is left out: the residuals of a two-way
    table without interaction, with (seeds - 1)(n - 1) degrees of freedom.
    """
    seeds, n = values.shape
    alone = values - values.mean(axis=0)  # then by seed, in this order: exact repetitions give exactly 0
    alone -= alone.mean(axis=1, keepdims=True)
    return float(np.sqrt((alone**2).sum() / ((seeds - 1) * (n - 1))))


def reliability(values: np.ndarray, groups: np.ndarray, averaged: int) -> float:
    """Share of the variance within groups that is not noise, 0..1, of means over `averaged` trainings.

    Of values (seeds, n), at least two seeds; negative groups are left out.
    """
    grouped = groups >= 0
    inside = [values[:, groups == group] for group in np.unique(groups[grouped])]
    freedom = sum(part.shape[1] - 1 for part in inside)
    of_means = sum(part.mean(axis=0).var(ddof=1) * (part.shape[1] - 1) for part in inside) / freedom
    random = noise(values[:, grouped]) ** 2
    real = max(0.0, of_means - random / len(values))
    return real / (real + random / averaged) if real > 0 else 0.0


def ceiling(reliabilities: Sequence[float]) -> float:
    """The tau between two measurements of the same true order, given the reliability of each.

    Attenuation (Spearman, "The proof and measurement of association between two things", 1904) and, for normal
    values, tau = 2/pi asin(r) (Greiner, 1909).
    """
    return 2 / math.pi * math.asin(math.sqrt(math.prod(reliabilities)))
