"""Fitting a latency model to a table of measured networks.

Relative least squares with non-negative coefficients: minimise ``sum_i ((x_i . c - y_i) / y_i)^2`` over ``c >= 0``.
Relative, because a millisecond matters more for a network of two than for one of three hundred; non-negative,
because a layer never makes a network faster, which also keeps a search from exploiting a negative coefficient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    Attributes:
        coefficients: float64 (p,), all >= 0.
        errors: float64 (n,), relative residuals ``prediction / measured - 1`` of the rows that were fitted.
        held_out_errors: float64 (n,), the same for each row left out of its own fit.
    """

    coefficients: np.ndarray
    errors: np.ndarray
    held_out_errors: np.ndarray


def relative_nnls(features: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Non-negative relative least squares, exactly, by trying every set of non-zero coefficients.

    Args:
        features: float64 (n, p) with p <= 12.
        measured: float64 (n,), > 0.

    Returns:
        float64 (p,), all >= 0.

    Raises:
        ValueError: A measured value is not positive, or p is too large for the exact search.
    """
    n, p = features.shape
    if p > 12:
        raise ValueError(f"{p} coefficients are too many for the exact search over 2^p sets; at most 12")
    if n == 0 or not np.all(measured > 0):
        raise ValueError("measured values must be there and positive: the fit is relative to them")
    scaled = features / measured[:, None]
    # Columns differ by ten orders of magnitude (cycles against a constant 1).
    norm = np.sqrt((scaled**2).sum(0))
    norm[norm == 0] = 1.0
    scaled = scaled / norm
    best, best_loss = np.zeros(p), float(n)
    for size in range(1, p + 1):
        for chosen in combinations(range(p), size):
            solution = np.linalg.lstsq(scaled[:, chosen], np.ones(n), rcond=None)[0]
            if (solution < 0).any():
                continue
            loss = float(((scaled[:, chosen] @ solution - 1) ** 2).sum())
            if loss < best_loss - 1e-12:
                best, best_loss = np.zeros(p), loss
                best[list(chosen)] = solution
    return best / norm


def fit(features: np.ndarray, measured: Sequence[float]) -> Fit:
    """Fit with all rows, and once more without each row in turn (leave one out).

    Args:
        features: float64 (n, p), n >= 2.
        measured: (n,) positive values.
    """
    target = np.asarray(measured, float)
    coefficients = relative_nnls(features, target)
    held_out = np.empty(len(target))
    for row in range(len(target)):
        others = np.arange(len(target)) != row
        held_out[row] = features[row] @ relative_nnls(features[others], target[others]) / target[row] - 1
    return Fit(coefficients, features @ coefficients / target - 1, held_out)
