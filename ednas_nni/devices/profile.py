"""Reading device profiles: a device of a known kind, described as data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np
import yaml

from ednas_nni.errors import PluginError, did_you_mean

COEFFICIENTS = (
    "dense",
    "depthwise",
    "stream_ms_per_mb",
    "activation_ms_per_million",
    "link_ms_per_mb",
    "constant_ms",
    "host_ms_per_million",
)
LOWER = np.array([1.0, 0, 0, 0, 0, 0, 0])
"""Smallest coefficients: no array is faster than its cycles, and nothing makes a network faster."""


@dataclass(frozen=True)
class Spread:
    """How sure a model is, and where.

    Attributes:
        on_chip_mb: float64 (m,), the fitted threshold of each member of the ensemble.
        coefficients: float64 (m, 7), in the order of ``COEFFICIENTS``.
        ratios: float64 (m,), measured / predicted of unseen rows, one for each member.
        inverse: float64 (6, 6), inverse of the fitted rows' second moments, host work left out.
        leverage: Largest leverage of a fitted row.
        largest: Largest value among the fitted rows of each column of the design without host work, then of the largest
            activation in MB.
    """

    on_chip_mb: np.ndarray
    coefficients: np.ndarray
    ratios: np.ndarray
    inverse: np.ndarray
    leverage: float
    largest: np.ndarray


@dataclass(frozen=True)
class SystolicProfile:
    """A systolic accelerator with one on-chip memory for parameters and activations.

    Attributes:
        name: Device name.
        title: Name for people, with interface and number format.
        array: Multipliers (rows, columns).
        clock_mhz: Clock.
        on_chip_mb: Memory (in MB, 1e6 bytes) that the largest activation and the parameters share; parameters that do
            not fit are streamed for every image.
        coefficients: One number for each of ``COEFFICIENTS``.
        origin: Where the coefficients come from, and the error to expect.
        validity: Where the model has been compared with published figures.
        not_counted: What the latency leaves out.
        spread: Ensemble and fitted range; None where there is none, and then no interval either.
    """

    name: str
    title: str
    array: tuple[int, int]
    clock_mhz: float
    on_chip_mb: float
    coefficients: dict[str, float] = field(repr=False)
    origin: str = "unknown"
    validity: str = ""
    not_counted: str = ""
    spread: Spread | None = field(default=None, repr=False, compare=False)


def shipped_profile(name: str) -> SystolicProfile:
    """A profile that ships with the package.

    Raises:
        PluginError: No profile has that name, or it is not a systolic profile.
    """
    folder = resources.files("ednas_nni.devices").joinpath("profiles")
    file = folder.joinpath(f"{name}.yml")
    known = [entry.name.removesuffix(".yml") for entry in folder.iterdir() if entry.name.endswith(".yml")]
    known = [found for found in known if not found.startswith("coral_")]
    if name not in known:  # not asked of the file: a name could lead elsewhere
        raise PluginError(f"devices: no profile {name!r}.{did_you_mean(name, known)}")
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    spread = folder.joinpath(f"{name}_spread.json")
    found = json.loads(spread.read_text(encoding="utf-8")) if spread.is_file() else None
    return parse_profile(data, f"{name}.yml", parse_spread(found) if found else None)


def parse_spread(data: dict[str, Any]) -> Spread:
    """The spread of a profile, from its JSON."""
    return Spread(
        on_chip_mb=np.array(data["on_chip_mb"], float),
        coefficients=np.array(data["coefficients"], float),
        ratios=np.array(data["ratios"], float),
        inverse=np.array(data["inverse"], float),
        leverage=float(data["leverage"]),
        largest=np.array(data["largest"], float),
    )


def parse_profile(data: Any, source: str, spread: Spread | None = None) -> SystolicProfile:
    """Check and freeze a profile.

    Args:
        data: The parsed YAML.
        source: Name for messages.
        spread: Its ensemble and range, where they are known.

    Raises:
        PluginError: Names the field, its value and what is allowed.
    """
    if not isinstance(data, dict) or data.get("kind") != "systolic":
        kind = data.get("kind") if isinstance(data, dict) else data
        raise PluginError(f"{source}: kind: {kind!r} is not known. Allowed: systolic")
    for name in ("name", "title", "array", "clock_mhz", "on_chip_mb", "coefficients"):
        if name not in data:
            raise PluginError(f"{source}: {name} is missing; see the shipped edge_tpu.yml for an example")
    coefficients = data["coefficients"]
    for name in coefficients:
        if name not in COEFFICIENTS:
            raise PluginError(f"{source}: coefficients: {name!r} is unknown.{did_you_mean(name, COEFFICIENTS)}")
    for name in COEFFICIENTS:
        value = coefficients.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise PluginError(
                f"{source}: coefficients: {name}: {value!r} is not a number >= 0. With a negative one a larger network "
                "would be faster, and a search would find it"
            )
    for name in ("clock_mhz", "on_chip_mb"):
        if isinstance(data[name], bool) or not isinstance(data[name], int | float) or not data[name] > 0:
            raise PluginError(f"{source}: {name}: {data[name]!r} is not a number > 0")
    array = data["array"]
    if not isinstance(array, list) or len(array) != 2 or not all(isinstance(x, int) and x > 0 for x in array):
        raise PluginError(f"{source}: array: {array!r} is not [rows, columns] of positive integers, such as [64, 64]")
    return SystolicProfile(
        name=data["name"],
        title=data["title"],
        array=(array[0], array[1]),
        clock_mhz=float(data["clock_mhz"]),
        on_chip_mb=float(data["on_chip_mb"]),
        coefficients={name: float(coefficients[name]) for name in COEFFICIENTS},
        origin=data.get("origin") or "unknown",
        validity=data.get("validity") or "",
        not_counted=data.get("not_counted") or "",
        spread=spread,
    )
