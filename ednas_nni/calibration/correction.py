"""Correcting a device's model by a few measurements of the real device.

A correction is small on purpose, because measurements are few: one factor for the whole cost, a factor and an offset,
or one factor per term of the model, drawn to the common one (ridge). Which of them is chosen by held-out error; the
error that is reported comes from rows that neither the fit nor this choice has seen (nested cross-validation: Varma,
Simon, "Bias in error estimation when using cross-validation for model selection", BMC Bioinformatics 2006).

Example: a model says 4, 5, 6, 8 and 10 ms, the device takes 8, 10, 12, 16 and 20. Every row is predicted by the factor
that the four others give, 2 each time; held-out errors are 0 instead of 50 %, so the factor 2 is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ednas_nni.calibration.least_squares import Array, bounded_relative_fit
from ednas_nni.errors import EdnasError

FEWEST = 5
"""With fewer rows, no result would be significant: five that all improve have p = 0.031."""
Form = Literal["scale", "scale and offset", "terms"]
NEEDED: dict[Form, int] = {"scale": FEWEST, "scale and offset": 7, "terms": 8}
STRENGTHS = (0.1, 0.01, 0.001, 0.0001)
SIGNIFICANCE = 0.05
SIMPLER = 0.95
"""A less simple correction is taken where its held-out error is at most this share of the simpler one's."""
LEAST = 0.1
"""Smallest factor of a term, as a share of the common one, and what a negative offset leaves of a cost: nothing is
taken to be free, as a search would use it."""
NEAR = 0.9
"""The offset is placed at this share of the smallest modelled cost, so that corrected costs stay positive there."""
FOLDS, INNER = 10, 5
"""Folds of the reported error, and of the choice inside each; up to twice as many rows are left out one by one."""
UPPER = 0.9

Choice = tuple[Form, float]
"""A form and the strength of its ridge."""


@dataclass(frozen=True)
class Correction:
    """`corrected = sum_t scales_t * term_t + offset`, and at least `LEAST` of the sum.

    Attributes:
        form: How many numbers were fitted.
        scales: float64 (terms,), >= 0.
        offset: In the cost's unit; may be negative.
    """

    form: Form
    scales: Array
    offset: float = 0.0

    def __call__(self, terms: Array) -> Array:
        """Corrected costs of terms, float64 (n, terms) -> (n,), positive where the sum is."""
        scaled = terms @ self.scales
        return np.maximum(scaled + self.offset, LEAST * scaled)


@dataclass(frozen=True)
class Errors:
    """How far predictions lie from measurements.

    Attributes:
        mape: Mean absolute relative error, 0.1 = 10 %.
        worst: Largest absolute relative error.
        tau: Kendall's tau-b between predicted and measured; NaN where all are equal.
    """

    mape: float
    worst: float
    tau: float


@dataclass(frozen=True)
class Calibration:
    """A correction and what it is worth.

    Attributes:
        correction: Fitted to all rows.
        before: Errors of the model as it was.
        after: Errors on held-out rows.
        held_out: Predictions of rows that had no part in them, float64 (n,).
        p_value: One-sided Wilcoxon signed-rank test that held-out errors are smaller than before.
        upper_ratio: Of unseen networks, about 90 % need at most this many times the corrected cost (the conformal
            quantile of held-out ratios: Vovk, Gammerman, Shafer 2005); None for fewer than nine rows.
    """

    correction: Correction
    before: Errors
    after: Errors
    held_out: Array
    p_value: float
    upper_ratio: float | None

    @property
    def helps(self) -> bool:
        """Whether the measurements show that the correction is better than none."""
        return self.after.mape < self.before.mape and self.p_value <= SIGNIFICANCE


def calibrate(terms: Array, measured: Array) -> Calibration:
    """Choose and fit a correction of terms (n, terms) >= 0 to measured costs (n,) > 0, one row per architecture.

    A model that does not tell what its cost is made of has one term.

    Raises:
        EdnasError: Too few rows.
    """
    n = len(measured)
    if n < FEWEST:
        raise EdnasError(
            f"{n} measured architectures are too few to correct a model: {FEWEST} are the fewest that could show an "
            "improvement, 10 or more are advised. `ednas calibrate DEVICE --propose 10` says which to measure next"
        )
    held_out = np.empty(n)
    for rows in _folds(n, FOLDS):
        others = np.setdiff1d(np.arange(n), rows)
        held_out[rows] = fit(choose(terms[others], measured[others]), terms[others], measured[others])(terms[rows])
    before = terms.sum(axis=1)
    return Calibration(
        fit(choose(terms, measured), terms, measured),
        errors(before, measured),
        errors(held_out, measured),
        held_out,
        _improvement(np.abs(before / measured - 1) - np.abs(held_out / measured - 1)),
        upper_ratio(measured / np.maximum(held_out, 1e-12)),
    )


def choose(terms: Array, measured: Array) -> Choice:
    """The form with the smallest held-out error; a simpler one where the difference is small."""
    n = len(measured)
    best: Choice = ("scale", 0.0)
    lowest = math.inf
    for form in _forms(n, terms.shape[1]):
        predicted = np.empty(n)
        for rows in _folds(n, INNER):
            others = np.setdiff1d(np.arange(n), rows)
            predicted[rows] = fit(form, terms[others], measured[others])(terms[rows])
        error = errors(predicted, measured).mape
        if error < lowest * (SIMPLER if math.isfinite(lowest) else 1.0):
            best, lowest = form, error
    return best


def fit(form: Choice, terms: Array, measured: Array) -> Correction:
    """Fit one form (name, and strength of the ridge for `terms`): robust relative least squares, see `least_squares`.

    Terms are float64 (n, terms), measured costs float64 (n,), > 0.
    """
    name, strength = form
    whole = terms.sum(axis=1)
    (scale,), _ = bounded_relative_fit(whole[:, None], measured, np.zeros(1))
    common = np.full(terms.shape[1], scale)
    if name == "scale and offset":
        at = NEAR * whole.min()
        rows = np.stack([whole - at, np.full(len(whole), at)], axis=1)
        (slope, level), _ = bounded_relative_fit(rows, measured, np.zeros(2))
        return Correction(name, np.full(terms.shape[1], slope), float((level - slope) * at))
    if name == "terms":
        scales, _ = bounded_relative_fit(terms, measured, LEAST * common, toward=common, strength=strength)
        return Correction(name, np.where(terms.any(axis=0), scales, common))
    return Correction(name, common)


def errors(predicted: Array, measured: Array) -> Errors:
    """Errors of predictions, both float64 (n,)."""
    from scipy.stats import kendalltau

    relative = np.abs(predicted / measured - 1)
    still = np.ptp(predicted) == 0 or np.ptp(measured) == 0
    tau = math.nan if still else float(kendalltau(predicted, measured).statistic)
    return Errors(float(relative.mean()), float(relative.max()), tau)


def upper_ratio(ratios: Array) -> float | None:
    """The conformal 90 % quantile of measured / predicted of held-out rows, at least 1; None for too few."""
    rank = math.ceil(UPPER * (len(ratios) + 1))
    return max(1.0, float(np.sort(ratios)[rank - 1])) if rank <= len(ratios) else None


def _forms(n: int, terms: int) -> list[Choice]:
    """Forms that n rows allow, simplest first. The rows of an inner fit are one fold fewer; the limits allow for it."""
    forms: list[Choice] = [("scale", 0.0)]
    if n >= NEEDED["scale and offset"] - 1:
        forms.append(("scale and offset", 0.0))
    if n >= NEEDED["terms"] - 1 and terms > 1:
        forms += [("terms", strength) for strength in STRENGTHS]
    return forms


def _folds(n: int, most: int) -> list[NDArray[np.intp]]:
    """Leave one out; `most` folds for more rows than twice that. Strided, so that they do not follow a sorted file."""
    folds = n if n <= 2 * most else most
    return [np.arange(n)[i::folds] for i in range(folds)]


def _improvement(gains: Array) -> float:
    from scipy.stats import wilcoxon

    gains = gains[np.abs(gains) > 1e-9]
    return float(wilcoxon(gains, alternative="greater").pvalue) if len(gains) else 1.0
