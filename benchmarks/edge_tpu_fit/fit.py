"""Fitting a latency model to a table of measured networks, by robust relative least squares.

A threshold of the features (an on-chip memory) is chosen by the same loss, from the rows of each fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from devices.calibrated.correction import TOLERANCE, bounded_relative_fit

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
        tolerance: As for `bounded_relative_fit`.

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
        design: As for `fit`.
        measured: As for `fit`.
        lower: As for `fit`.
        thresholds: As for `fit`.
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
