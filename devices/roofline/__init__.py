"""Latency and energy by the roofline: a layer takes as long as its arithmetic or its memory traffic.

Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore architectures", CACM
2009.
Peak figures of a data sheet make it a lower bound of the real latency; it ranks networks, it does not predict them.
`ednas calibrate` turns it into a prediction with a handful of measurements.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from ednas_nni.cost.device import ELEMENT_BYTES, AdditiveDevice, CostColumn, ElementType, LowerBound, Values
from ednas_nni.cost.profiles import (
    FindDevice,
    NotNegative,
    Positive,
    Profile,
    ReadsProfiles,
    Text,
    read_profile,
    shipped_profile,
)
from ednas_nni.cost.records import ON_DEVICE_KINDS, WEIGHT_KINDS, LayerRecord

UNIT_NETWORK = "MobileNetV2"
"""Whose energy is 1: MobileNetV2 at 224 x 224 for 1000 classes (Sandler et al., arXiv 1801.04381, table 2).

`mobilenet_v2.csv` has its layers; the layer list that they come from is in `benchmarks/edge_tpu_fit`.
"""
V = TypeVar("V", float, Values)
EXAMPLE = "see the shipped phone_cpu.yml for an example"


class RooflineProfile(Profile):
    """A device by its peak figures.

    Attributes:
        dtype: Element type of weights and activations.
        gmacs_per_s: Peak arithmetic in 1e9 MAC per second (half of the operations that a vendor counts).
        gbytes_per_s: Memory bandwidth in 1e9 bytes per second.
        depthwise_share: Part of the peak that depthwise convolutions reach; 1 = all of it.
        layer_overhead_ms: Time that starting a layer takes.
        static_w: Power that is drawn however little is computed; 0 = unknown.
        pj_per_mac: Energy of a MAC in pJ; 0 = unknown.
        pj_per_byte: Energy of a byte to or from memory in pJ; 0 = unknown.
        origin: Where the figures come from.
    """

    kind: Literal["roofline"] = "roofline"
    dtype: ElementType
    gmacs_per_s: Positive
    gbytes_per_s: Positive
    depthwise_share: Annotated[Positive, Field(le=1)] = 1.0
    layer_overhead_ms: NotNegative = 0.0
    static_w: NotNegative = 0.0
    pj_per_mac: NotNegative = 0.0
    pj_per_byte: NotNegative = 0.0
    origin: Text = "unknown"

    @property
    def has_energy(self) -> bool:
        """Whether anything is known about energy."""
        return any((self.static_w, self.pj_per_mac, self.pj_per_byte))


class Roofline(AdditiveDevice, ReadsProfiles):
    """A phone, a microcontroller, a GPU: whatever has a peak and a bandwidth.

    Args:
        profile: A profile, or the name of a shipped one.
    """

    profile_kind = "roofline"

    def __init__(self, profile: RooflineProfile | str = "phone_cpu") -> None:
        self.profile = profile if isinstance(profile, RooflineProfile) else shipped(profile)
        self.name = self.profile.name
        self.dtype = self.profile.dtype
        p = self.profile
        note = (
            f"roofline of {p.title}, {p.dtype}, batch 1: {p.gmacs_per_s:g} GMAC/s, {p.gbytes_per_s:g} GB/s, "
            f"{p.layer_overhead_ms:g} ms a layer; a lower bound that ranks networks, no prediction. {p.origin}"
        )
        self.columns = (CostColumn("latency_ms", "ms", self.name, "modelled", note),)
        if p.has_energy:
            note = (
                f"relative to {UNIT_NETWORK} at 224 x 224 in the same model: static part {p.static_w:g} W x latency, "
                f"dynamic part {p.pj_per_mac:g} pJ/MAC and {p.pj_per_byte:g} pJ/B. {p.origin}"
            )
            self.columns += (CostColumn("energy_rel", "1", self.name, "modelled", note),)

    @classmethod
    def from_profile(cls, data: Mapping[str, object], source: str, find: FindDevice) -> Roofline:
        """The device that a data sheet describes."""
        return cls(read_profile(RooflineProfile, data, source, EXAMPLE))

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        """Milliseconds, MACs and bytes of one layer."""
        if layer.kind not in ON_DEVICE_KINDS:
            return {"bytes": 0.0}
        weights = layer.params - layer.bias if layer.kind in WEIGHT_KINDS else 0
        elements = layer.elements_read + layer.elements_written + weights
        return self._layer(layer.kind == "depthwise", layer.macs, elements, layer.bias)

    def _layer(self, depthwise: bool, macs: int, elements: int, biases: int) -> dict[str, float]:
        """Features of a layer that moves so many elements, weights among them, and 32-bit biases."""
        p = self.profile
        moved = ELEMENT_BYTES[p.dtype] * elements + 4 * biases
        share = p.depthwise_share if depthwise else 1.0
        busy = max(macs / (p.gmacs_per_s * share), moved / p.gbytes_per_s) / 1e6
        return {"ms": busy + p.layer_overhead_ms, "macs": float(macs), "bytes": float(moved)}

    def costs(self, totals: Mapping[str, Values]) -> dict[str, Values]:
        """Latency, and energy where the profile says something about it."""
        costs = {"latency_ms": totals["ms"]}
        if self.profile.has_energy:
            costs["energy_rel"] = self._energy_mj(totals) / self._unit_mj()
        return costs

    def lower_bound(self, column: str) -> LowerBound:
        """The sum itself."""
        if column == "latency_ms":
            return LowerBound({"ms": 1.0})
        p, unit = self.profile, self._unit_mj()
        return LowerBound(
            {"ms": p.static_w / unit, "macs": p.pj_per_mac / 1e9 / unit, "bytes": p.pj_per_byte / 1e9 / unit}
        )

    def _unit_mj(self) -> float:
        """Energy of `UNIT_NETWORK` in mJ, by this profile."""
        totals = {"ms": 0.0, "macs": 0.0, "bytes": 0.0}
        for layer in unit_layers():
            for name, value in self._layer(*layer).items():
                totals[name] += value
        return self._energy_mj(totals)

    def _energy_mj(self, totals: Mapping[str, V]) -> V:
        p = self.profile  # W ms = mJ, pJ = 1e-9 mJ
        return p.static_w * totals["ms"] + (p.pj_per_mac * totals["macs"] + p.pj_per_byte * totals["bytes"]) / 1e9


@cache
def unit_layers() -> tuple[tuple[bool, int, int, int], ...]:
    """Layers of `UNIT_NETWORK` in their order: (depthwise, MACs, elements moved with weights, biases)."""
    text = resources.files(__package__).joinpath("mobilenet_v2.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple((row["depthwise"] == "1", int(row["macs"]), int(row["elements"]), int(row["biases"])) for row in rows)


def shipped(name: object) -> RooflineProfile:
    """A profile that ships with the package.

    Raises:
        PluginError: No profile has that name.
    """
    data, file = shipped_profile(__package__, name)
    return read_profile(RooflineProfile, data, file.name, EXAMPLE)
