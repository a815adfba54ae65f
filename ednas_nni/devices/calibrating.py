"""From measured architectures to the profile of a corrected device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ednas_nni.cost.own_terms import terms_or_whole
from ednas_nni.cost.table import CostTable
from ednas_nni.devices.calibrated import CalibratedProfile
from ednas_nni.devices.calibration import Calibration
from ednas_nni.devices.measurements import Measurements
from ednas_nni.devices.named import SUFFIXES
from ednas_nni.space.domains import Sample


@dataclass(frozen=True)
class PricedTerms:
    """What a model's cost of some architectures is made of.

    Attributes:
        names: Terms.
        matrix: float64 (n, terms), in the cost's unit.
        probe: Features of the first architecture.
        extrapolated: Where the model had to go beyond what it was compared with, bool (n,); all False where it does not
            know such a range.
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    probe: dict[str, float]
    extrapolated: np.ndarray


def priced_terms(table: CostTable, cost: str, samples: Sequence[Sample]) -> PricedTerms:
    """Terms of a cost; the cost itself where its device tells none."""
    number, own = table.owner(cost)
    device, codes = table.devices[number], np.stack([table.domains.encode(sample) for sample in samples])
    totals = table.own_totals(number, table.totals(codes))
    found = terms_or_whole(device, own, totals)
    beyond = table.extrapolated(codes).get(device.name, np.zeros(len(samples), bool))
    probe = {name: float(values[0]) for name, values in totals.items()}
    return PricedTerms(tuple(found), np.stack(list(found.values()), axis=1), probe, beyond)


def calibrated_profile(
    name: str,
    base: str,
    table: CostTable,
    cost: str,
    found: Measurements,
    terms: PricedTerms,
    result: Calibration,
    at: str,
) -> CalibratedProfile:
    """The profile.

    Args:
        name: Name of the corrected device.
        base: Name of the corrected one, or the path of its profile.
        table: Whose first device that is.
        cost: The corrected column.
        found: The measurements.
        terms: Their terms.
        result: The calibration.
        at: Size and space of the measured architectures, for the note.
    """
    unit = table.columns[table.names.index(cost)].unit
    return CalibratedProfile(
        name,
        f"{name}, {found.values.min():.4g} to {found.values.max():.4g} {unit} measured",
        str(Path(base).expanduser()) if base.endswith(SUFFIXES) else base,
        cost,
        result.correction,
        terms.names,
        result.upper_ratio,
        {
            "rows": len(found.values),
            "error_before": result.before.mape,
            "error_held_out": result.after.mape,
            "smallest": float(found.values.min()),
            "largest": float(found.values.max()),
            "at": at,
            "terms": dict(zip(terms.names, map(float, terms.matrix.max(axis=0)), strict=True)),
        },
        {"features": terms.probe, "cost": float(terms.matrix[0].sum())},
    )
