"""Bounded robust relative least squares: how models are fitted to measured networks.

Minimise `sum_i rho((x_i . c - y_i) / y_i)` over `c >= lower`. Relative, because a millisecond matters more for a
network of two than for one of three hundred; bounded, because a layer never makes a network faster, which also keeps a
search from exploiting a negative coefficient. `rho` is Huber's loss: square up to `tolerance`, linear beyond, so that a
few rows that no choice of coefficients explains do not spoil the others.

Example: networks of 1, 2, 3 and 4 GMAC take 2, 4, 6 and, wrongly, 4 ms. With the tolerance 0.1 the fit is 1.87 ms per
GMAC: the last row pulls, but no harder than a row that is off by 10 %. Without it, all errors squared, it is 1.43.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TOLERANCE = 0.1
"""The published figures of one network differ by about so much between the two official pages of the Edge TPU."""
ROUNDS = 30


def bounded_relative_fit(
    features: Array,
    measured: Array,
    lower: Array,
    tolerance: float = TOLERANCE,
    toward: Array | None = None,
    strength: float = 0.0,
) -> tuple[Array, float]:
    """Coefficients (p,), and the mean loss without what draws them.

    Reweights exact non-negative least squares (Lawson and Hanson).

    Args:
        features: float64 (n, p).
        measured: float64 (n,), > 0.
        lower: float64 (p,), smallest allowed coefficients.
        tolerance: Relative error from which on the loss is linear; `inf` gives plain least squares.
        toward: float64 (p,), > 0: what coefficients are drawn to, where rows are too few to tell.
        strength: Weight of `sum_j (c_j / toward_j - 1)^2` against the mean loss over rows.

    Raises:
        ValueError: A measured value is not positive.
    """
    from scipy.optimize import nnls  # a quarter of a second, and only fits need it

    if len(measured) == 0 or not np.all(measured > 0):
        raise ValueError("measured values must be there and positive: the fit is relative to them")
    relative = features / measured[:, None]
    norm = np.sqrt((relative**2).sum(0))  # columns differ by orders of magnitude
    norm[norm == 0] = 1.0
    scaled, target = relative / norm, 1.0 - relative @ lower
    drawn, aims = np.empty((0, len(lower))), np.empty(0)
    if toward is not None and strength > 0:
        pull = np.sqrt(strength * len(measured))
        drawn, aims = np.diag(pull / (toward * norm)), pull * (1.0 - lower / toward)
    weights = np.ones(len(measured))
    for _ in range(ROUNDS):
        solution = nnls(np.vstack([scaled * weights[:, None], drawn]), np.concatenate([target * weights, aims]))[0]
        errors = np.abs(scaled @ solution - target)
        updated = np.sqrt(np.minimum(1.0, tolerance / np.maximum(errors, 1e-12)))
        if (np.abs(updated - weights) <= 1e-6 + 1e-5 * weights).all():
            break
        weights = updated
    loss = errors**2 - np.maximum(errors - tolerance, 0.0) ** 2
    return lower + solution / norm, float(loss.mean())
