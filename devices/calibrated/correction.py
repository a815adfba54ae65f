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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ednas_nni.errors import EdnasError

Array = NDArray[np.float64]

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
TOLERANCE = 0.1
"""The published figures of one network differ by about so much between the two official pages of the Edge TPU."""
ROUNDS = 30

Choice = tuple[Form, float]
"""A form and the strength of its ridge."""


@dataclass(frozen=True)
class Correction:
    """`corrected = sum_t scales_t * term_t + offset`, and at least `LEAST` of the sum.

    The scales, float64 (terms,), are >= 0; the offset, in the cost's unit, may be negative.
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

    `mape` is the mean and `worst` the largest absolute relative error, 0.1 = 10 %; `tau` is Kendall's tau-b between
    predicted and measured, NaN where all are equal.
    """

    mape: float
    worst: float
    tau: float


@dataclass(frozen=True)
class Calibration:
    """A correction, fitted to all rows, and what it is worth: errors of the model before, and after on held-out rows.

    Attributes:
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
        EdnasError: Too few rows, or measurements that are all the same.
    """
    from scipy.stats import wilcoxon  # slow to import

    n = len(measured)
    if n < FEWEST:
        raise EdnasError(
            f"{n} measured architectures are too few to correct a model: {FEWEST} are the fewest that could show an "
            "improvement, 10 or more are advised. `ednas calibrate DEVICE --propose 10` says which to measure next"
        )
    if np.ptp(measured) == 0:
        raise EdnasError(
            f"all {n} measured architectures cost the same, {measured[0]:g}: corrected by that, no choice of a search "
            "would cost anything. Check the file; `ednas calibrate DEVICE --propose 10` says which would differ"
        )
    held_out = _held_out(choose, terms, measured, FOLDS)
    before = terms.sum(axis=1)
    gains = np.abs(before / measured - 1) - np.abs(held_out / measured - 1)
    gains = gains[np.abs(gains) > 1e-9]
    return Calibration(
        fit(choose(terms, measured), terms, measured),
        errors(before, measured),
        errors(held_out, measured),
        held_out,
        float(wilcoxon(gains, alternative="greater").pvalue) if len(gains) else 1.0,
        upper_ratio(measured / np.maximum(held_out, 1e-12)),
    )


def choose(terms: Array, measured: Array) -> Choice:
    """The form with the smallest held-out error; a simpler one where the difference is small."""
    # Forms that so many rows allow, simplest first. An inner fit has one fold fewer; the limits allow for it.
    forms: list[Choice] = [("scale", 0.0)]
    if len(measured) >= NEEDED["scale and offset"] - 1:
        forms.append(("scale and offset", 0.0))
    if len(measured) >= NEEDED["terms"] - 1 and terms.shape[1] > 1:
        forms += [("terms", strength) for strength in STRENGTHS]
    best, lowest = forms[0], math.inf
    for form in forms:
        error = errors(_held_out(lambda *rest, form=form: form, terms, measured, INNER), measured).mape
        if error < lowest * (SIMPLER if math.isfinite(lowest) else 1.0):
            best, lowest = form, error
    return best


def fit(form: Choice, terms: Array, measured: Array) -> Correction:
    """Fit one form (name, and strength of the ridge for `terms`): see `bounded_relative_fit`.

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


def _held_out(form: Callable[[Array, Array], Choice], terms: Array, measured: Array, most: int) -> Array:
    """Predictions (n,) of rows by what was fitted, in the form that was chosen, without them.

    Leaves one out; in `most` folds for more rows than twice that. Strided, so that they do not follow a sorted file.
    """
    every, predicted = np.arange(len(measured)), np.empty(len(measured))
    folds = len(every) if len(every) <= 2 * most else most
    for i in range(folds):
        others = np.setdiff1d(every, every[i::folds])
        chosen = form(terms[others], measured[others])
        predicted[i::folds] = fit(chosen, terms[others], measured[others])(terms[i::folds])
    return predicted


def bounded_relative_fit(
    features: Array,
    measured: Array,
    lower: Array,
    tolerance: float = TOLERANCE,
    toward: Array | None = None,
    strength: float = 0.0,
) -> tuple[Array, float]:
    """Bounded robust relative least squares: coefficients (p,), and the mean loss without what draws them.

    Minimises `sum_i rho((x_i . c - y_i) / y_i)` over `c >= lower`, by reweighted exact non-negative least squares
    (Lawson and Hanson). Relative, because a millisecond matters more for a network of two than for one of three
    hundred; bounded, because a layer never makes a network faster, which also keeps a search from exploiting a negative
    coefficient. `rho` is Huber's loss, so that a few rows that no coefficients explain do not spoil the others.

    Example: networks of 1, 2, 3 and 4 GMAC take 2, 4, 6 and, wrongly, 4 ms. With the tolerance 0.1 the fit is 1.87 ms
    per GMAC: the last row pulls, but no harder than one that is off by 10 %. All errors squared, it is 1.43.

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
