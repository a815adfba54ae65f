"""The profile of a corrected device, `kind: calibrated`: what `ednas calibrate` writes and a study names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ednas_nni.calibration.correction import Calibration, Correction, Form
from ednas_nni.calibration.measurements import Measurements, PricedTerms
from ednas_nni.cost.profiles import SUFFIXES, NotNegative, Number, Profile, Text

EXAMPLE = "`ednas calibrate` writes whole profiles"


class MeasuredRange(BaseModel):
    """What the correction was fitted to.

    Attributes:
        rows: Measured architectures.
        error_before: Mean relative error of the model as it was, 0.1 = 10 %.
        error_held_out: Mean relative error of the corrected one, on rows that it had not seen.
        smallest: Smallest measured cost.
        largest: Largest measured cost.
        at: Image size and space.
        terms: Largest value of each term among the measured architectures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    error_before: Number
    error_held_out: Number
    smallest: Number
    largest: Number
    at: str
    terms: dict[str, Number]


class Probe(BaseModel):
    """One measured architecture as the base priced it, features and cost: notices when the base changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: dict[str, Number]
    cost: Number


class CalibratedProfile(Profile):
    """What a calibration leaves behind.

    Attributes:
        base: Name of the corrected device, or an absolute path of its profile.
        cost: The corrected column of the base.
        form: Form of the correction.
        scales: Term of the base -> its factor.
        offset: Added to the sum, in the cost's unit.
        upper_ratio: The upper 90 % bound over the corrected cost; None where there were too few rows.
        measured: What it was fitted to.
        probe: One of the measured architectures.
    """

    kind: Literal["calibrated"] = "calibrated"
    base: Text
    cost: Text
    form: Form
    scales: Annotated[dict[str, NotNegative], Field(min_length=1)]
    offset: Number
    upper_ratio: Annotated[Number, Field(ge=1)] | None
    measured: MeasuredRange
    probe: Probe

    @model_validator(mode="after")
    def _same_terms(self) -> CalibratedProfile:
        if set(self.measured.terms) != set(self.scales):
            raise ValueError("measured: terms: must be those of `scales`")
        return self

    @property
    def correction(self) -> Correction:
        """How the base's terms are added up, in the order of `scales`."""
        return Correction(self.form, np.array(list(self.scales.values()), float), self.offset)

    @property
    def fingerprint(self) -> str:
        """Eight hex digits over the whole profile: two calibrations never pass for one another."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()[:8]


def calibrated_profile(
    name: str, base: str, cost: tuple[str, str], rows: Measurements, terms: PricedTerms, result: Calibration, at: str
) -> CalibratedProfile:
    """The profile of a calibration of one cost (and its unit) of the device or profile `base`.

    `at` is size and space of the measured architectures, for the note.
    """
    column, unit = cost
    scales = map(float, result.correction.scales)
    return CalibratedProfile(
        name=name,
        title=f"{name}, {rows.values.min():.4g} to {rows.values.max():.4g} {unit} measured",
        base=str(Path(base).expanduser()) if base.endswith(SUFFIXES) else base,
        cost=column,
        form=result.correction.form,
        scales=dict(zip(terms.names, scales, strict=True)),
        offset=float(result.correction.offset),
        upper_ratio=result.upper_ratio,
        measured=MeasuredRange(
            rows=len(rows.values),
            error_before=result.before.mape,
            error_held_out=result.after.mape,
            smallest=float(rows.values.min()),
            largest=float(rows.values.max()),
            at=at,
            terms=dict(zip(terms.names, map(float, terms.matrix.max(axis=0)), strict=True)),
        ),
        probe=Probe(features=terms.probe, cost=float(terms.matrix[0].sum())),
    )
