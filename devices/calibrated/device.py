"""A device whose model was corrected by measurements, and its profile: what `ednas calibrate` writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from devices.calibrated.correction import Calibration, Correction, Form
from devices.calibrated.measurements import Measurements, PricedTerms
from ednas_nni.cost.device import AdditiveDevice, CostColumn, FeatureDevice, LowerBound, PartsDevice, Values
from ednas_nni.cost.features import SpaceFeatures
from ednas_nni.cost.profiles import (
    SUFFIXES,
    FindDevice,
    NotNegative,
    Number,
    Profile,
    ReadsProfiles,
    Text,
    read_profile,
)
from ednas_nni.cost.records import LayerRecord
from ednas_nni.errors import PluginError, did_you_mean

if TYPE_CHECKING:  # NNI is not needed to price samples
    from ednas_nni.compat.nas import ModelSpace

EXAMPLE = "`ednas calibrate` writes whole profiles"
UPPER_SUFFIX = "_upper90"
BEYOND = 1.001
"""Figures of a profile are rounded; the measured rows themselves are no extrapolation."""


class MeasuredRange(BaseModel):
    """What the correction was fitted to: so many rows, of costs from `smallest` to `largest`.

    Attributes:
        error_before: Mean relative error of the model as it was, 0.1 = 10 %; `error_held_out` of the corrected one.
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
        base: Name of the corrected device, or an absolute path of its profile; `cost` is its corrected column.
        machine: Of a base that measures: whose figures are corrected.
        scales: Term of the base -> its factor.
        offset: Added to the sum, in the cost's unit.
        upper_ratio: The upper 90 % bound over the corrected cost; None where there were too few rows.
    """

    kind: Literal["calibrated"] = "calibrated"
    base: Text
    machine: str = ""
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
        said = self.model_dump(exclude=None if self.machine else {"machine"})
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


def calibrated_profile(
    name: str, base: str, cost: tuple[str, str], rows: Measurements, terms: PricedTerms, result: Calibration, at: str,
    machine: str = "",
) -> CalibratedProfile:  # fmt: skip
    """The profile of a calibration of one cost (and its unit) of the device or profile `base`.

    `at` is size and space of the measured architectures, for the note; `machine` as the base's `measured_on`.
    """
    column, unit = cost
    scales = map(float, result.correction.scales)
    return CalibratedProfile(
        name=name,
        title=f"{name}, {rows.values.min():.4g} to {rows.values.max():.4g} {unit} measured",
        base=str(Path(base).expanduser()) if base.endswith(SUFFIXES) else base,
        machine=machine,
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


Base = TypeVar("Base", bound=FeatureDevice)


class Calibrated(FeatureDevice, ReadsProfiles, Generic[Base]):
    """A device corrected by your measurements, by the path of the profile that `ednas calibrate` writes.

    One column is corrected; the others, and the features, are those of its base. It is of the kind of its base, so `of`
    makes it.

    Raises:
        PluginError: The base has other columns or terms than when it was calibrated, or prices differently.
    """

    profile_kind = "calibrated"

    def __init__(self, profile: CalibratedProfile, base: Base) -> None:
        self.profile, self.base, self.name = profile, base, profile.name
        self.correction = profile.correction
        self.maxima, self.dtype, self.cuts_graph = base.maxima, base.dtype, base.cuts_graph
        self.columns = _columns(profile, base)
        self._check_base()

    @classmethod
    def from_profile(cls, data: Mapping[str, object], source: str, find: FindDevice) -> FeatureDevice:
        """As `ReadsProfiles.from_profile`."""
        profile = read_profile(CalibratedProfile, data, source, EXAMPLE)
        return cls.of(profile, find(profile.base))

    @staticmethod
    def of(profile: CalibratedProfile, base: object) -> CalibratedAdditive | CalibratedParts:
        """The corrected device, of the same kind as its base.

        Raises:
            PluginError: The base has no features whose costs could be corrected, or has changed.
        """
        if isinstance(base, AdditiveDevice):
            return CalibratedAdditive(profile, base)
        if isinstance(base, PartsDevice):
            return CalibratedParts(profile, base)
        raise PluginError(f"device {profile.name!r}: the costs of its base {profile.base!r} cannot be corrected")

    def unmapped(self, layer: LayerRecord) -> str:
        """As its base."""
        return self.base.unmapped(layer)

    def costs(self, totals: Mapping[str, Values]) -> dict[str, Values]:
        """The base's costs, with the corrected one and, where it has one, its upper bound."""
        costs, cost = self.base.costs(totals), self.profile.cost
        costs[cost] = self.correction(self._matrix(totals))
        if self.profile.upper_ratio is not None:
            costs[cost + UPPER_SUFFIX] = costs[cost] * self.profile.upper_ratio
        return {column.name: costs[column.name] for column in self.columns}

    def terms(self, column: str, totals: Mapping[str, Values]) -> dict[str, Values] | None:
        """The corrected terms and the offset; None where the base's are unknown, or the offset is negative."""
        if column != self.profile.cost:
            return self.base.terms(column, totals)
        offset = self.correction.offset
        if offset < 0:
            return None
        matrix = self._matrix(totals) * self.correction.scales
        terms = {name: matrix[:, i] for i, name in enumerate(self.profile.scales)}
        return terms | ({"offset": np.full(len(matrix), offset)} if offset else {})

    def lower_bound(self, column: str) -> LowerBound | None:
        """The base's, times the smallest factor; exact where all factors are one."""
        if column == self.profile.cost + UPPER_SUFFIX:
            return None  # the base's column of that name is another bound
        bound = self.base.lower_bound(column)
        if bound is None or column != self.profile.cost:
            return bound
        factor = float(self.correction.scales.min())
        weights = {name: factor * weight for name, weight in bound.weights.items()}
        return LowerBound(weights, factor * bound.constant + self.correction.offset)

    def extrapolated(self, totals: Mapping[str, Values]) -> NDArray[np.bool_]:
        """Where a network costs less or more, or has more of any term, than every measured one; bool (n,)."""
        matrix, measured = self._matrix(totals), self.profile.measured
        largest = np.array([measured.terms[name] for name in self.profile.scales])
        cost = self.correction(matrix)
        outside = (cost * BEYOND < measured.smallest) | (cost > measured.largest * BEYOND)
        return outside | (matrix > largest * BEYOND).any(axis=1)

    def _matrix(self, totals: Mapping[str, Values]) -> Values:
        """The base's terms, float64 (n, terms)."""
        terms = self.base.terms_or_whole(self.profile.cost, totals)
        return np.stack([terms[name] for name in self.profile.scales], axis=1)

    def _check_base(self) -> None:
        profile = self.profile
        if profile.machine not in ("", here := self.base.measured_on):
            raise PluginError(
                f"device {profile.name!r}: corrects what {profile.base!r} measured on {profile.machine}; this is "
                f"{here or 'another kind of device'}. Price and search there, or calibrate a device that is modelled, "
                "such as edge_tpu or a roofline"
            )
        totals = {name: np.array([value]) for name, value in profile.probe.features.items()}
        try:
            terms = {name: float(v[0]) for name, v in self.base.terms_or_whole(profile.cost, totals).items()}
        except KeyError as error:
            now = f"wants a feature {error} that the calibration has not seen"
        else:
            if set(terms) == set(profile.scales) and np.isclose(sum(terms.values()), profile.probe.cost, rtol=1e-4):
                return
            now = f"prices the calibrated network at {sum(terms.values()):.6g}"
        raise PluginError(
            f"device {profile.name!r}: its base {profile.base!r} has changed since the calibration: it {now}; then it "
            f"was {profile.probe.cost:.6g}. Run `ednas calibrate` again with the same measurements"
        )


class CalibratedAdditive(Calibrated[AdditiveDevice], AdditiveDevice):
    """A corrected device with features of layers."""

    def layer_features(self, layer: LayerRecord) -> Mapping[str, float]:
        """As `AdditiveDevice.layer_features`."""
        return self.base.layer_features(layer)


class CalibratedParts(Calibrated[PartsDevice], PartsDevice):
    """A corrected device with features of parts."""

    def space_features(self, space: ModelSpace, size: tuple[int, int]) -> SpaceFeatures:
        """As `PartsDevice.space_features`."""
        return self.base.space_features(space, size)


def _columns(profile: CalibratedProfile, base: FeatureDevice) -> tuple[CostColumn, ...]:
    columns = {column.name: column for column in base.columns}
    if profile.cost not in columns:
        raise PluginError(
            f"device {profile.name!r}: cost: base {profile.base!r} has no cost {profile.cost!r}."
            f"{did_you_mean(profile.cost, columns)}"
        )
    old, measured = columns[profile.cost], profile.measured
    upper = profile.cost + UPPER_SUFFIX if profile.upper_ratio is not None else ""
    note = (
        f"{profile.title}: {profile.base} corrected by {measured.rows} measured architectures "
        f"({profile.form}, {measured.at}); mean held-out error {100 * measured.error_held_out:.1f} %, "
        f"before {100 * measured.error_before:.1f} %; profile {profile.fingerprint}"
    )
    compared = f"{measured.smallest:.4g} to {measured.largest:.4g} {old.unit}, {measured.at}"
    corrected = CostColumn(
        profile.cost, old.unit, profile.name, "fitted", note, upper, measured.error_held_out, compared
    )
    bounds: tuple[CostColumn, ...] = ()
    if upper:
        note = f"upper 90 % bound of {profile.cost}: {profile.upper_ratio:.3f} times it, from held-out measurements"
        bounds = (replace(corrected, name=upper, note=note, upper=""),)
    others = [column for column in base.columns if column.name not in (profile.cost, old.upper)]
    return (corrected, *bounds, *(replace(column, device=profile.name) for column in others))
