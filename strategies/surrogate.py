"""A Gaussian process over architectures, and the expected growth of the front when costs are known exactly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from ednas_nni.strategy.problem import Problem, Sample

# Candidates for the kernel; the marginal likelihood chooses. Few, since a search has tens of trials.
LENGTHS = (0.25, 0.6, 1.5)
SHARES = (0.15, 0.4, 0.7)
NOISES = (0.05, 0.15, 0.4)
REFIT_EVERY = 8  # beyond this many results the kernel is chosen anew only now and then
FEW = 40


class Surrogate:
    """Predicts a measured objective from the active choices and the logarithms of the costs.

    Kernel: share * exp(-|log costs|^2 / 2) + (1 - share) * exp(-(1 - overlap) / length), overlap being the cosine
    between the one-hot codes of the active labels; plus noise. Inputs and outputs are standardised.

    Args:
        problem: For domains and costs.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._codes = {
            (d.label, value): position
            for position, (d, value) in enumerate((d, v) for d in problem.domains.dimensions for v in d.values)
        }
        self._kernel: tuple[float, float, float] | None = None
        self._fitted_at = 0

    def fit(self, samples: Sequence[Sample], values: Sequence[float]) -> None:
        """Take in all results.

        Args:
            samples: n >= 2 canonical samples.
            values: n values of the objective, larger is better.
        """
        self._one_hot, raw = self._one_hots(samples), self._log_costs(samples)
        self._centre, self._scale = raw.mean(0), raw.std(0) + 1e-9
        self._costs = (raw - self._centre) / self._scale
        targets = np.asarray(values, dtype=np.float64)
        self._mean, self._spread = float(targets.mean()), float(targets.std()) or 1.0
        self._targets = (targets - self._mean) / self._spread
        if self._kernel is None or len(targets) <= FEW or len(targets) - self._fitted_at >= REFIT_EVERY:
            self._fitted_at = len(targets)
            self._kernel = max(itertools.product(LENGTHS, SHARES, NOISES), key=self._likelihood)
        length, share, noise = self._kernel
        gram = self._covariance(self._one_hot, self._costs, length, share) + noise * np.eye(len(targets))
        self._inverse = np.linalg.inv(gram)
        self._weights = self._inverse @ self._targets

    def predict(self, samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (m,), (m,) of the noise-free objective, in its own unit."""
        length, share, _ = self._kernel or (1.0, 0.5, 0.1)
        costs = (self._log_costs(samples) - self._centre) / self._scale
        cross = self._covariance(self._one_hots(samples), costs, length, share)
        mean = cross @ self._weights
        variance = 1.0 - np.einsum("ij,jk,ik->i", cross, self._inverse, cross)
        return self._mean + self._spread * mean, self._spread * np.sqrt(np.maximum(variance, 1e-9))

    def _one_hots(self, samples: Sequence[Sample]) -> np.ndarray:
        matrix = np.zeros((len(samples), len(self._codes)))
        for row, sample in zip(matrix, samples, strict=True):
            for item in self._problem.domains.active(sample).items():
                row[self._codes[item]] = 1.0
        return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)

    def _log_costs(self, samples: Sequence[Sample]) -> np.ndarray:
        return np.log(np.maximum(self._problem.canonical_costs(samples), 1e-12))

    def _covariance(self, one_hot: np.ndarray, costs: np.ndarray, length: float, share: float) -> np.ndarray:
        by_choice = np.exp(-(1.0 - one_hot @ self._one_hot.T) / length)
        squared = ((costs[:, None, :] - self._costs[None, :, :]) ** 2).sum(-1)
        return share * np.exp(-squared / (2.0 * max(1, costs.shape[1]))) + (1.0 - share) * by_choice

    def _likelihood(self, kernel: tuple[float, float, float]) -> float:
        length, share, noise = kernel
        gram = self._covariance(self._one_hot, self._costs, length, share) + noise * np.eye(len(self._targets))
        factor = np.linalg.cholesky(gram)
        solved = np.linalg.solve(factor, self._targets)
        return float(-0.5 * solved @ solved - np.log(np.diag(factor)).sum())


def expected_gain(
    mean: np.ndarray, spread: np.ndarray, cost: np.ndarray, known: np.ndarray, known_cost: np.ndarray, limit: float
) -> np.ndarray:
    """Expected growth of the hypervolume of quality (maximised) against one cost (minimised).

    The cost of a candidate is known before it is trained, so the expectation is over quality alone and exact: the
    best known quality is a step function of the cost, and each step to the right of the candidate contributes its width
    times the expected improvement over its height.

    Args:
        mean: (m,) predicted quality.
        spread: (m,) its standard deviation.
        cost: (m,) cost of the candidates.
        known: (n,) quality of what is known.
        known_cost: (n,) its cost.
        limit: Cost of the reference point; costs beyond count nothing.

    Returns:
        (m,) expected gain in quality times cost.
    """
    order = np.argsort(known_cost, kind="stable")
    edges = np.minimum(known_cost[order], limit)
    heights = np.maximum.accumulate(known[order])
    floor = min(float(known.min()), float((mean - spread).min()))  # the front's quality below the cheapest known
    heights = np.concatenate([[floor], heights])
    left, right = np.concatenate([[-np.inf], edges]), np.concatenate([edges, [limit]])
    width = np.maximum(0.0, right[None, :] - np.maximum(left[None, :], cost[:, None]))
    lead = (mean[:, None] - heights[None, :]) / spread[:, None]
    density = np.exp(-0.5 * lead**2) / math.sqrt(2.0 * math.pi)
    below = 0.5 * (1.0 + _erf(lead / math.sqrt(2.0)))
    return (width * spread[:, None] * (lead * below + density)).sum(1)


_erf = np.vectorize(math.erf, otypes=[float])
