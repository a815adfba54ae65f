"""Depth metrics of protocol `standard`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ednas_nni.errors import DataError, did_you_mean
from ednas_nni.tasks.masked import valid_depth
from ednas_nni.tasks.meters import Totals, no_values
from ednas_nni.tasks.protocols import MetricSpec

UNIT_SUFFIX = {"m": "_m", "1/m": "_per_m", "px": "_px", "1": ""}
"""Depth unit -> ending of the names of the errors in that unit. "1" is normalised disparity."""

TINY = torch.finfo(torch.float32).tiny
"""Smallest prediction after clamping, in any unit."""


def specs(unit: str = "m") -> tuple[MetricSpec, ...]:
    """The metrics of a depth unit: `abs_error<suffix>` (primary), `rel_error`, `rmse<suffix>`, `delta1` to `delta3`."""
    suffix, printed = unit_suffix(unit), unit if unit != "1" else ""
    return (
        MetricSpec(f"abs_error{suffix}", printed, "min"),
        MetricSpec("rel_error", "1", "min"),
        MetricSpec(f"rmse{suffix}", printed, "min", in_delta_t=False),
        MetricSpec("delta1", "1", "max"),
        MetricSpec("delta2", "1", "max"),
        MetricSpec("delta3", "1", "max"),
    )


def unit_suffix(unit: str) -> str:
    """Ending of the names of errors in a depth unit.

    Raises:
        DataError: The unit is unknown.
    """
    if unit not in UNIT_SUFFIX:
        raise DataError(f"depth_unit is {unit!r}.{did_you_mean(unit, UNIT_SUFFIX)}")
    return UNIT_SUFFIX[unit]


class DepthMeter:
    """Errors of depth, inverse depth or disparity, protocol `standard`: means over all valid pixels of the split.

    `abs_error` = mean |p - g|, `rel_error` = mean |p - g| / g, `rmse` = sqrt(mean (p - g)^2), `delta<k>` = share
    of pixels with max(p / g, g / p) < 1.25^k. Errors are in the unit of the labels, and their names say which.

    Predictions are clamped into [1.2e-38, `maximum`] first, since no such depth exists outside; a prediction of
    zero or less is outside every delta threshold, whatever the label. No scale is fitted and no label is
    changed. Pixels whose label is 0 or not finite are left out.

    Args:
        unit: Unit of predictions and labels, one of `UNIT_SUFFIX`.
        maximum: Largest depth that a label can have, in `unit`; None = not known, nothing is cut off above.
    """

    def __init__(self, unit: str = "m", maximum: float | None = None) -> None:
        self._names = tuple(spec.name for spec in specs(unit))
        if maximum is not None and not (math.isfinite(maximum) and maximum > 0):
            raise DataError(f"depth_max is {maximum!r}; it must be a positive number in {unit!r}, or None")
        self._maximum = maximum
        self._totals = Totals()

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add depth and labels (N, 1, H, W), in the meter's unit; a label of 0 or non-finite is invalid."""
        target = target.as_subclass(Tensor)
        valid = valid_depth(target)
        # Sums over all pixels with ones outside the mask: picking pixels out would make the host wait.
        truth = torch.where(valid, target.double(), 1.0)
        raw = torch.where(valid, prediction.double(), 1.0)
        guess = raw.clamp(TINY, self._maximum)
        error = torch.where(valid, (guess - truth).abs(), 0.0)
        ratio = torch.maximum(guess / truth, truth / guess)
        right = valid & (raw > 0)
        within = [(right & (ratio < 1.25**k)).sum() for k in (1, 2, 3)]
        sums = [error.sum(), (error / truth).sum(), error.square().sum(), *within]
        # Zero, or NaN if a prediction is infinite or not a number.
        self._totals.add(*sums, valid.sum(), (raw - raw).sum())

    def compute(self) -> dict[str, float]:
        """The metrics of `specs(unit)`, or NaN (see the two rules of `tasks.meters`)."""
        *sums, pixels, unusable = self._totals.list(8)
        if unusable or not pixels:
            return no_values(self._names)
        values = [total / pixels for total in sums]
        values[2] = math.sqrt(values[2])
        return dict(zip(self._names, values, strict=True))
