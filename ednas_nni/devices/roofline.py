"""Latency and energy by the roofline: a layer takes as long as its arithmetic or its memory traffic.

Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore architectures", CACM
2009.
Peak figures of a data sheet make it a lower bound of the real latency; it ranks networks, it does not predict them.
`ednas calibrate` turns it into a prediction with a handful of measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml

from ednas_nni.cost.device import CostColumn
from ednas_nni.cost.records import ON_DEVICE_KINDS, WEIGHT_KINDS, LayerRecord
from ednas_nni.devices.peak_memory import BYTES
from ednas_nni.errors import PluginError, did_you_mean

REFERENCE = "MobileNetV2"
"""Whose energy is 1: MobileNetV2 at 224 x 224 for 1000 classes (`devices/profiles/coral_networks.yml`)."""


@dataclass(frozen=True)
class RooflineProfile:
    """A device by its peak figures.

    Attributes:
        name: Device name, letters, digits and _.
        title: Name for people.
        dtype: Element type of weights and activations: ``int8``, ``float16`` or ``float32``.
        gmacs_per_s: Peak arithmetic in 1e9 MAC per second (half of the operations that a vendor counts).
        gbytes_per_s: Memory bandwidth in 1e9 bytes per second.
        depthwise_share: Part of the peak that depthwise convolutions reach; 1 = all of it.
        layer_overhead_ms: Time that starting a layer takes.
        static_w: Power that is drawn however little is computed; 0 = unknown.
        pj_per_mac: Energy of a MAC in pJ; 0 = unknown.
        pj_per_byte: Energy of a byte to or from memory in pJ; 0 = unknown.
        origin: Where the figures come from.
    """

    name: str
    title: str
    dtype: str
    gmacs_per_s: float
    gbytes_per_s: float
    depthwise_share: float = 1.0
    layer_overhead_ms: float = 0.0
    static_w: float = 0.0
    pj_per_mac: float = 0.0
    pj_per_byte: float = 0.0
    origin: str = "unknown"

    @property
    def has_energy(self) -> bool:
        """Whether anything is known about energy."""
        return any((self.static_w, self.pj_per_mac, self.pj_per_byte))


class Roofline:
    """A phone, a microcontroller, a GPU: whatever has a peak and a bandwidth.

    Args:
        profile: A profile, or the name of a shipped one.
    """

    def __init__(self, profile: RooflineProfile | str = "phone_cpu") -> None:
        self.profile = shipped_profile(profile) if isinstance(profile, str) else profile
        self.name = self.profile.name
        self.dtype = self.profile.dtype
        p = self.profile
        note = (
            f"roofline of {p.title}, {p.dtype}, batch 1: {p.gmacs_per_s:g} GMAC/s, {p.gbytes_per_s:g} GB/s, "
            f"{p.layer_overhead_ms:g} ms a layer; a lower bound that ranks networks, no prediction. {p.origin}"
        )
        self.columns: tuple[CostColumn, ...] = (CostColumn("latency_ms", "ms", self.name, "modelled", note),)
        if p.has_energy:
            told = (
                f"relative to {REFERENCE} at 224 x 224 in the same model: static part {p.static_w:g} W x latency, "
                f"dynamic part {p.pj_per_mac:g} pJ/MAC and {p.pj_per_byte:g} pJ/B. {p.origin}"
            )
            self.columns += (CostColumn("energy_rel", "1", self.name, "modelled", told),)

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        """Milliseconds, MACs and bytes of one layer."""
        if layer.kind not in ON_DEVICE_KINDS:
            return {"bytes": 0.0}
        p = self.profile
        weights = layer.params - layer.bias if layer.kind in WEIGHT_KINDS else 0
        moved = BYTES[p.dtype] * (layer.elements_read + layer.elements_written + weights) + 4 * layer.bias
        share = p.depthwise_share if layer.kind == "depthwise" else 1.0
        busy = max(layer.macs / (p.gmacs_per_s * share), moved / p.gbytes_per_s) / 1e6
        return {"ms": busy + p.layer_overhead_ms, "macs": float(layer.macs), "bytes": float(moved)}

    def costs(self, totals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Latency, and energy where the profile tells it."""
        found = {"latency_ms": totals["ms"]}
        if self.profile.has_energy:
            found["energy_rel"] = self._energy_mj(totals) / self._reference_mj()
        return found

    def lower_bound(self, column: str) -> tuple[dict[str, float], float] | None:
        """The sum itself."""
        if column == "latency_ms":
            return {"ms": 1.0}, 0.0
        p, one = self.profile, self._reference_mj()
        return {"ms": p.static_w / one, "macs": p.pj_per_mac / 1e9 / one, "bytes": p.pj_per_byte / 1e9 / one}, 0.0

    def _energy_mj(self, totals: Mapping[str, Any]) -> Any:
        p = self.profile  # W ms = mJ, pJ = 1e-9 mJ
        return p.static_w * totals["ms"] + (p.pj_per_mac * totals["macs"] + p.pj_per_byte * totals["bytes"]) / 1e9

    def _reference_mj(self) -> float:
        totals = {"ms": 0.0, "macs": 0.0, "bytes": 0.0}
        for layer in _reference_layers():
            for name, value in self.layer_features(layer).items():
                totals[name] += value
        return self._energy_mj(totals)


@cache
def _reference_layers() -> tuple[LayerRecord, ...]:
    from ednas_nni.devices.published import published_networks

    return tuple(next(network.layers for network in published_networks() if network.name == REFERENCE))


def shipped_profile(name: str) -> RooflineProfile:
    """A profile that ships with the package.

    Raises:
        PluginError: No roofline profile has that name.
    """
    folder = resources.files("ednas_nni.devices").joinpath("profiles")
    found = {}
    for file in folder.iterdir():
        if file.name.endswith(".yml"):
            data = yaml.safe_load(file.read_text(encoding="utf-8"))
            if isinstance(data, dict) and data.get("kind") == "roofline":
                found[file.name.removesuffix(".yml")] = data
    if name not in found:
        raise PluginError(f"device roofline: no profile {name!r}.{did_you_mean(name, found)}")
    return parse_profile(found[name], f"{name}.yml")


def parse_profile(data: Any, source: str) -> RooflineProfile:
    """Check and freeze a profile.

    Args:
        data: The parsed YAML.
        source: Name for messages.

    Raises:
        PluginError: Names the field, its value and what is allowed.
    """
    known = {field.name: field for field in fields(RooflineProfile)}
    given = {name: value for name, value in data.items() if name != "kind"} if isinstance(data, dict) else {}
    for name in given:
        if name not in known:
            raise PluginError(f"{source}: {name!r} is unknown.{did_you_mean(name, known)}")
    for name in ("name", "title", "dtype", "gmacs_per_s", "gbytes_per_s"):
        if name not in given:
            raise PluginError(f"{source}: {name} is missing; see the shipped phone_cpu.yml for an example")
    if given["dtype"] not in BYTES:
        raise PluginError(f"{source}: dtype: {given['dtype']!r} is unknown.{did_you_mean(given['dtype'], BYTES)}")
    for name, value in given.items():
        if known[name].type != "float":
            if not isinstance(value, str) or not value.strip():
                raise PluginError(f"{source}: {name}: {value!r} is not a text")
            continue
        least = "> 0" if name in ("gmacs_per_s", "gbytes_per_s", "depthwise_share") else ">= 0"
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not (value > 0 if least == "> 0" else value >= 0) or not value < float("inf"):
            raise PluginError(f"{source}: {name}: {value!r} is not a number {least}")
    if given.get("depthwise_share", 1) > 1:
        raise PluginError(f"{source}: depthwise_share: {given['depthwise_share']!r} is not in (0, 1]")
    return RooflineProfile(**{n: float(v) if known[n].type == "float" else str(v).strip() for n, v in given.items()})
