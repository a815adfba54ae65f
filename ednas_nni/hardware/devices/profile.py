"""Reading device profiles: a device of a known kind, described as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import yaml

from ednas_nni.errors import PluginError, did_you_mean

COEFFICIENTS = ("dense", "depthwise", "stream_ms_per_mb", "activation_ms_per_million", "constant_ms")


@dataclass(frozen=True)
class SystolicProfile:
    """A systolic accelerator with an on-chip parameter memory.

    Attributes:
        name: Device name.
        title: Name for people, with interface and number format.
        array: Multipliers (rows, columns).
        clock_mhz: Clock.
        on_chip_mb: Parameters (in MB, 1e6 bytes) that stay on the chip; the rest is streamed for every image.
        coefficients: One non-negative number for each of ``COEFFICIENTS``.
        fitted: Network -> {"error", "held_out"}, relative errors of the rows that were fitted.
        not_fitted: Network -> why it was left out, with the model's prediction.
        held_out_error_mean: Mean absolute relative error of held-out rows.
        held_out_error_max: Largest one.
        expected_error: What to expect of a network like the fitted ones, in words.
        not_counted: What the latency leaves out.
        validity: Where the model has been compared with published figures.
    """

    name: str
    title: str
    array: tuple[int, int]
    clock_mhz: float
    on_chip_mb: float
    coefficients: dict[str, float] = field(repr=False)
    fitted: dict[str, dict[str, float]] = field(repr=False)
    not_fitted: dict[str, str] = field(repr=False)
    held_out_error_mean: float
    held_out_error_max: float
    expected_error: str
    not_counted: str
    validity: str


def shipped_profile(name: str) -> SystolicProfile:
    """A profile that ships with the package.

    Raises:
        PluginError: No profile has that name, or it is not a systolic profile.
    """
    folder = resources.files("ednas_nni.hardware").joinpath("profiles")
    file = folder.joinpath(f"{name}.yml")
    if not file.is_file():
        known = [entry.name.removesuffix(".yml") for entry in folder.iterdir() if entry.name.endswith(".yml")]
        raise PluginError(f"devices: no profile {name!r}.{did_you_mean(name, known)}")
    return parse_profile(yaml.safe_load(file.read_text(encoding="utf-8")), f"{name}.yml")


def parse_profile(data: Any, source: str) -> SystolicProfile:
    """Check and freeze a profile.

    Args:
        data: The parsed YAML.
        source: Name for messages.

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
        fitted=data.get("fitted") or {},
        not_fitted=data.get("not_fitted") or {},
        held_out_error_mean=float(data.get("held_out_error_mean") or 0.0),
        held_out_error_max=float(data.get("held_out_error_max") or 0.0),
        expected_error=data.get("expected_error") or "unknown",
        not_counted=data.get("not_counted") or "",
        validity=data.get("validity") or "",
    )
