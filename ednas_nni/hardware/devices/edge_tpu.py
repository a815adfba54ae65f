"""Latency on a Coral Edge TPU, from an analytical model of a systolic array.

Dense convolutions are priced by weight-stationary cycles, depthwise ones by a rate of their own (they leave a
systolic array nearly idle, yet run faster than one channel at a time would), parameters beyond the on-chip memory by
streaming them from the host for every image, outputs by their number, and each image by a constant. The five
coefficients come from a non-negative relative least squares fit to published latencies (``devices/fit.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ednas_nni.hardware.devices.base import CostColumn
from ednas_nni.hardware.devices.fit import Fit, fit
from ednas_nni.hardware.devices.profile import COEFFICIENTS, SystolicProfile, shipped_profile
from ednas_nni.hardware.devices.systolic import weight_stationary_cycles
from ednas_nni.hardware.records import WEIGHT_KINDS, LayerRecord

FEATURES = ("dense_cycles", "depthwise_macs", "parameter_bytes", "outputs")
BIAS_BYTES = 4
"""A bias is a 32-bit integer, a weight one byte (LiteRT's int8 quantisation specification)."""


class EdgeTPU:
    """The Edge TPU over USB 3, int8, batch 1.

    Args:
        profile: A profile, or the name of a shipped one.
    """

    def __init__(self, profile: SystolicProfile | str = "edge_tpu") -> None:
        self.profile = shipped_profile(profile) if isinstance(profile, str) else profile
        self.name = self.profile.name
        self.columns = (CostColumn("latency_ms", "ms", self.name, "modelled", _note(self.profile)),)
        self._weights = np.array([self.profile.coefficients[name] for name in COEFFICIENTS])

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        """Cycles of dense layers, MACs of depthwise ones, bytes of parameters and elements of outputs.

        Batch norms are folded into their convolutions, which gives each of these a bias, and activations are free.
        """
        if layer.kind not in WEIGHT_KINDS:
            return {}
        bias = layer.out_channels if layer.params else 0
        found: dict[str, float] = {
            "parameter_bytes": layer.params - layer.bias + BIAS_BYTES * bias,
            "outputs": layer.elements_written,
        }
        if layer.kind == "depthwise":
            found["depthwise_macs"] = layer.macs
        else:
            rows, columns = self.profile.array
            per_group = weight_stationary_cycles(
                layer.out_pixels, layer.reduction, layer.out_channels // layer.groups, rows, columns
            )
            found["dense_cycles"] = layer.groups * per_group
        return found

    def costs(self, totals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """``latency_ms`` (n,)."""
        return {"latency_ms": design_matrix(totals, self.profile) @ self._weights}


def design_matrix(totals: dict[str, np.ndarray], profile: SystolicProfile) -> np.ndarray:
    """The model's five columns, float64 (n, 5), in the order of ``COEFFICIENTS``."""
    n = len(next(iter(totals.values()))) if totals else 0
    cycles, macs, size, outputs = (np.asarray(totals.get(name, np.zeros(n)), float) for name in FEATURES)
    kilohertz = profile.clock_mhz * 1e3
    excess = np.maximum(0.0, size / 1e6 - profile.on_chip_mb)
    return np.stack(
        [cycles / kilohertz, macs / (profile.array[0] * kilohertz), excess, outputs / 1e6, np.ones(n)], axis=1
    )


def network_totals(device: EdgeTPU, networks: Sequence[Sequence[LayerRecord]]) -> dict[str, np.ndarray]:
    """Feature sums of whole networks, feature -> float64 (n,)."""
    totals = {name: np.zeros(len(networks)) for name in FEATURES}
    for row, layers in enumerate(networks):
        for layer in layers:
            for name, value in device.layer_features(layer).items():
                totals[name][row] += value
    return totals


def refit(profile: SystolicProfile, networks: Sequence[Sequence[LayerRecord]], measured_ms: Sequence[float]) -> Fit:
    """Fit the five coefficients to measured networks.

    Args:
        profile: Gives the array, the clock and the on-chip memory, which are not fitted.
        networks: Layers of each network.
        measured_ms: Their latencies in milliseconds.
    """
    totals = network_totals(EdgeTPU(profile), networks)
    return fit(design_matrix(totals, profile), measured_ms)


def _note(profile: SystolicProfile) -> str:
    return (
        f"{profile.title}; modelled, no measurement: fitted to {len(profile.fitted)} published latencies. Expected "
        f"error {profile.expected_error} (held-out mean {profile.held_out_error_mean:.1%}, largest "
        f"{profile.held_out_error_max:.1%}) {profile.validity}. Not counted: {profile.not_counted}."
    )
