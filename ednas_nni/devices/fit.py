"""Fitting a latency model to a table of measured networks.

Relative least squares with bounded coefficients: minimise ``sum_i rho((x_i . c - y_i) / y_i)`` over ``c >= lower``.
Relative, because a millisecond matters more for a network of two than for one of three hundred; bounded, because a
layer never makes a network faster, which also keeps a search from exploiting a negative coefficient. ``rho`` is Huber's
loss: square up to ``tolerance``, linear beyond, so that a few rows that no choice of coefficients explains do not
spoil the others. A threshold of the features (an on-chip memory) is chosen by the same loss, from the rows of each fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 0.1
"""The published figures of one network differ by about so much between the two official pages."""
ROUNDS = 30

Design = Callable[[float], np.ndarray]
"""Threshold -> feature matrix, float64 (n, p)."""


@dataclass(frozen=True)
class Model:
    """A fitted model.

    Attributes:
        threshold: Chosen threshold.
        coefficients: float64 (p,), each at least its bound.
        loss: Mean loss over the fitted rows.
    """

    threshold: float
    coefficients: np.ndarray
    loss: float


def bounded_relative_fit(
    features: np.ndarray,
    measured: np.ndarray,
    lower: np.ndarray,
    tolerance: float = TOLERANCE,
    toward: np.ndarray | None = None,
    strength: float = 0.0,
) -> tuple[np.ndarray, float]:
    """Bounded robust relative least squares, by reweighting exact non-negative least squares (Lawson and Hanson).

    Args:
        features: float64 (n, p).
        measured: float64 (n,), > 0.
        lower: float64 (p,), smallest allowed coefficients.
        tolerance: Relative error from which on the loss is linear; ``inf`` gives plain least squares.
        toward: float64 (p,), > 0: what coefficients are drawn to, where rows are too few to tell.
        strength: Weight of ``sum_j (c_j / toward_j - 1)^2`` against the mean loss over rows.

    Returns:
        Coefficients (p,) and the mean loss, without what draws them.

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


def fit(
    design: Design,
    measured: np.ndarray,
    lower: np.ndarray,
    thresholds: Sequence[float],
    rows: np.ndarray | None = None,
    tolerance: float = TOLERANCE,
) -> Model:
    """Choose the threshold and the coefficients.

    Args:
        design: Features of all rows, for a threshold.
        measured: float64 (n,), > 0.
        lower: float64 (p,).
        thresholds: Candidates; the first of equals is taken.
        rows: Indices of the rows to fit, with repeats for a bootstrap; all by default.
        tolerance: As for ``bounded_relative_fit``.

    Raises:
        ValueError: There is no threshold, or a measured value is not positive.
    """
    rows = np.arange(len(measured)) if rows is None else rows
    best: Model | None = None
    for threshold in thresholds:
        coefficients, loss = bounded_relative_fit(design(threshold)[rows], measured[rows], lower, tolerance)
        if best is None or loss < best.loss - 1e-12:
            best = Model(float(threshold), coefficients, loss)
    if best is None:
        raise ValueError("thresholds: at least one is needed")
    return best


def leave_one_out(
    design: Design,
    measured: np.ndarray,
    lower: np.ndarray,
    thresholds: Sequence[float],
    tolerance: float = TOLERANCE,
) -> tuple[np.ndarray, tuple[Model, ...]]:
    """Predict each row from a fit without it; its threshold is chosen without it as well.

    Returns:
        Predictions (n,) and the models that made them.
    """
    predictions, models = np.empty(len(measured)), []
    for row in range(len(measured)):
        others = np.flatnonzero(np.arange(len(measured)) != row)
        model = fit(design, measured, lower, thresholds, others, tolerance)
        predictions[row] = design(model.threshold)[row] @ model.coefficients
        models.append(model)
    return predictions, tuple(models)


@dataclass(frozen=True)
class Ensemble:
    """Models of resampled rows.

    Attributes:
        thresholds: float64 (m,).
        coefficients: float64 (m, p).
        ratios: float64 (m,), measured / predicted of rows that a prediction had not seen, spread evenly over members.
    """

    thresholds: np.ndarray
    coefficients: np.ndarray
    ratios: np.ndarray


def bootstrap(
    design: Design,
    measured: np.ndarray,
    lower: np.ndarray,
    thresholds: Sequence[float],
    members: int,
    seed: int = 0,
    strata: Sequence[str] | None = None,
) -> Ensemble:
    """Refit on rows drawn with replacement, and keep how far the unseen rows lay from their prediction.

    A member's prediction times its ratio is a draw of what the device would show: coefficients and remaining error
    both vary (the jackknife+ after bootstrap of Kim, Xu and Barber, NeurIPS 2020, with relative errors).

    Args:
        design: As for ``fit``.
        measured: As for ``fit``.
        lower: As for ``fit``.
        thresholds: As for ``fit``.
        members: How many refits.
        seed: Seed of the draws.
        strata: Group of each row; each group keeps its size in every draw.
    """
    rng, n = np.random.default_rng(seed), len(measured)
    groups = [np.flatnonzero(np.array(strata) == name) for name in sorted(set(strata))] if strata else [np.arange(n)]
    models, drawn = [], np.zeros((members, n), bool)
    for member in range(members):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        drawn[member, rows] = True
        models.append(fit(design, measured, lower, thresholds, rows))
    predictions = np.array([design(model.threshold) @ model.coefficients for model in models])
    unseen = np.ma.array(predictions, mask=drawn)
    ratios = measured / np.ma.median(unseen, axis=0).filled(np.nan)
    ratios = np.where(np.isfinite(ratios), ratios, 1.0)
    spread = rng.permutation(np.resize(rng.permutation(n), members))
    return Ensemble(
        np.array([model.threshold for model in models]),
        np.array([model.coefficients for model in models]),
        ratios[spread],
    )
