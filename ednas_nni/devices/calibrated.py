"""A device whose model was corrected by measurements: `ednas calibrate` writes its profile."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ednas_nni.cost.device import CostColumn, Device
from ednas_nni.cost.own_terms import terms_or_whole
from ednas_nni.devices.calibration import NEEDED, Correction
from ednas_nni.errors import PluginError, did_you_mean

UPPER_SUFFIX = "_upper90"
FIELDS = ("name", "kind", "title", "base", "cost", "form", "scales", "offset", "upper_ratio", "measured", "probe")
MEASURED = ("rows", "error_before", "error_held_out", "smallest", "largest", "at", "terms")
BEYOND = 1.001
"""Figures of a profile are rounded; the measured rows themselves are no extrapolation."""


@dataclass(frozen=True)
class CalibratedProfile:
    """What a calibration leaves behind.

    Attributes:
        name: Device name.
        title: Name for people.
        base: Name of the corrected device, or an absolute path of its profile.
        cost: The corrected column of the base.
        correction: How its terms are added up.
        terms: Their names.
        upper_ratio: The upper 90 % bound over the corrected cost; None where there were too few rows.
        measured: `MEASURED`: how many architectures (`rows`), mean relative errors `error_before` and `error_held_out`,
            `smallest` and `largest` measured cost, `at` what size and in what space, and the largest value of each of
            the base's `terms` among them.
        probe: Features of one measured architecture and the base's cost for it: notices when the base changes.
    """

    name: str
    title: str
    base: str
    cost: str
    correction: Correction
    terms: tuple[str, ...]
    upper_ratio: float | None
    measured: Mapping[str, Any]
    probe: Mapping[str, Any]


class Calibrated:
    """A device with one corrected column; the others, and the features, are those of its base.

    Args:
        profile: The profile.
        base: The device that it corrects.

    Raises:
        PluginError: The base has other columns or terms than when it was calibrated, or prices differently.
    """

    def __init__(self, profile: CalibratedProfile, base: Device) -> None:
        self.profile, self.base, self.name = profile, base, profile.name
        self.maxima = getattr(base, "maxima", frozenset())
        self.columns = _columns(profile, base)
        if hasattr(base, "space_features"):
            self.space_features = base.space_features
        self._check_base()

    def layer_features(self, layer: Any) -> dict[str, float]:
        """The base's features."""
        return self.base.layer_features(layer)

    def costs(self, totals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The base's costs, with the corrected one and, where it has one, its upper bound."""
        known, cost = self.base.costs(totals), self.profile.cost
        known[cost] = self.profile.correction(self._matrix(totals))
        if self.profile.upper_ratio is not None:
            known[cost + UPPER_SUFFIX] = known[cost] * self.profile.upper_ratio
        return {column.name: known[column.name] for column in self.columns}

    def terms(self, column: str, totals: dict[str, np.ndarray]) -> dict[str, np.ndarray] | None:
        """The corrected terms and the offset; None where the base does not tell, or the offset is negative."""
        correction = self.profile.correction
        if column != self.profile.cost:
            return self.base.terms(column, totals) if hasattr(self.base, "terms") else None
        if correction.offset < 0:
            return None
        matrix = self._matrix(totals) * correction.scales
        found = {name: matrix[:, i] for i, name in enumerate(self.profile.terms)}
        return found | ({"offset": np.full(len(matrix), correction.offset)} if correction.offset else {})

    def lower_bound(self, column: str) -> tuple[dict[str, float], float] | None:
        """The base's, times the smallest factor; exact where all factors are one."""
        found = self.base.lower_bound(column) if hasattr(self.base, "lower_bound") else None
        if found is None or column != self.profile.cost:
            return found if column in {c.name for c in self.columns} and not column.endswith(UPPER_SUFFIX) else None
        factor = float(self.profile.correction.scales.min())
        weights = {name: factor * weight for name, weight in found[0].items()}
        return weights, factor * found[1] + self.profile.correction.offset

    def extrapolated(self, totals: dict[str, np.ndarray]) -> np.ndarray:
        """Where a network costs less or more, or has more of any term, than every measured one; bool (n,)."""
        matrix, limits = self._matrix(totals), self.profile.measured
        largest = np.array([limits["terms"][name] for name in self.profile.terms])
        cost = self.profile.correction(matrix)
        outside = (cost * BEYOND < limits["smallest"]) | (cost > limits["largest"] * BEYOND)
        return outside | (matrix > largest * BEYOND).any(axis=1)

    def _matrix(self, totals: dict[str, np.ndarray]) -> np.ndarray:
        """The base's terms, float64 (n, terms)."""
        found = terms_or_whole(self.base, self.profile.cost, totals)
        return np.stack([found[name] for name in self.profile.terms], axis=1)

    def _check_base(self) -> None:
        profile = self.profile
        totals = {name: np.array([float(value)]) for name, value in profile.probe["features"].items()}
        try:
            found = terms_or_whole(self.base, profile.cost, totals)
        except KeyError as error:
            found, now = {}, f"wants a feature {error} that the calibration has not seen"
        else:
            now = f"prices the calibrated network at {sum(float(v[0]) for v in found.values()):.6g}"
        same = set(found) == set(profile.terms) and np.isclose(
            sum(float(v[0]) for v in found.values()), float(profile.probe["cost"]), rtol=1e-4
        )
        if not same:
            raise PluginError(
                f"device {profile.name!r}: its base {profile.base!r} has changed since the calibration: it {now}; then "
                f"it was {float(profile.probe['cost']):.6g}. Run `ednas calibrate` again with the same measurements"
            )


def _columns(profile: CalibratedProfile, base: Device) -> tuple[CostColumn, ...]:
    known = {column.name: column for column in base.columns}
    if profile.cost not in known:
        raise PluginError(
            f"device {profile.name!r}: cost: base {profile.base!r} has no cost {profile.cost!r}."
            f"{did_you_mean(profile.cost, known)}"
        )
    old, measured = known[profile.cost], profile.measured
    upper = profile.cost + UPPER_SUFFIX if profile.upper_ratio is not None else ""
    note = (
        f"{profile.title}: {profile.base} corrected by {measured['rows']} measured architectures "
        f"({profile.correction.form}, {measured['at']}); mean held-out error {100 * measured['error_held_out']:.1f} %, "
        f"before {100 * measured['error_before']:.1f} %; profile {fingerprint(profile)}"
    )
    found = [CostColumn(profile.cost, old.unit, profile.name, "fitted", note, upper)]
    if upper:
        told = f"upper 90 % bound of {profile.cost}: {profile.upper_ratio:.3f} times it, from held-out measurements"
        found.append(CostColumn(upper, old.unit, profile.name, "fitted", told))
    others = [column for column in base.columns if column.name not in (profile.cost, old.upper)]
    return (*found, *(replace(column, device=profile.name) for column in others))


def parse_calibrated(data: Mapping[str, Any], source: str) -> CalibratedProfile:
    """Check and freeze a profile.

    Args:
        data: The parsed YAML, of `kind: calibrated`.
        source: Its name for messages.

    Raises:
        PluginError: Names the field, its value and what is allowed.
    """
    for name in data:
        if name not in FIELDS:
            raise PluginError(f"{source}: {name!r} is unknown.{did_you_mean(name, FIELDS)}")
    missing = [name for name in FIELDS if name not in data]
    if missing:
        raise PluginError(f"{source}: {missing[0]} is missing. `ednas calibrate` writes whole profiles")
    name, scales, measured = data["name"], data["scales"], data["measured"]
    if not isinstance(name, str) or not name.isidentifier():
        raise PluginError(f"{source}: name: {name!r} is no name of letters, digits and _, such as my_phone")
    if data["form"] not in NEEDED:
        raise PluginError(f"{source}: form: {data['form']!r} is unknown.{did_you_mean(data['form'], NEEDED)}")
    if not isinstance(scales, dict) or not scales or not all(_number(value, 0) for value in scales.values()):
        raise PluginError(f"{source}: scales: {scales!r} is not a mapping from the base's terms to numbers >= 0")
    if not _number(data["offset"]):
        raise PluginError(f"{source}: offset: {data['offset']!r} is not a number")
    if data["upper_ratio"] is not None and not _number(data["upper_ratio"], 1):
        raise PluginError(f"{source}: upper_ratio: {data['upper_ratio']!r} is not a number >= 1, or null")
    if not isinstance(measured, dict) or set(measured) != set(MEASURED) or set(measured["terms"]) != set(scales):
        raise PluginError(f"{source}: measured: must have {', '.join(MEASURED)}, and `terms` those of `scales`")
    probe = data["probe"]
    if not isinstance(probe, dict) or set(probe) != {"features", "cost"}:
        raise PluginError(f"{source}: probe: must have features and cost")
    return CalibratedProfile(
        name,
        str(data["title"]),
        str(data["base"]),
        str(data["cost"]),
        Correction(data["form"], np.array(list(scales.values()), float), float(data["offset"])),
        tuple(scales),
        data["upper_ratio"],
        measured,
        probe,
    )


def dump_calibrated(profile: CalibratedProfile) -> dict[str, Any]:
    """Plain data that `parse_calibrated` reads back."""
    scales = dict(zip(profile.terms, map(float, profile.correction.scales), strict=True))
    return {
        "name": profile.name,
        "kind": "calibrated",
        "title": profile.title,
        "base": profile.base,
        "cost": profile.cost,
        "form": profile.correction.form,
        "scales": scales,
        "offset": float(profile.correction.offset),
        "upper_ratio": profile.upper_ratio,
        "measured": dict(profile.measured),
        "probe": dict(profile.probe),
    }


def fingerprint(profile: CalibratedProfile) -> str:
    """Eight hex digits over the whole profile: two calibrations never pass for one another."""
    text = json.dumps(dump_calibrated(profile), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _number(value: Any, least: float = -math.inf) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value)) and value >= least
    )
