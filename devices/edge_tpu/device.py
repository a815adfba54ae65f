"""Latency on a Coral Edge TPU, from an analytical model of a systolic array.

Dense convolutions are priced by weight-stationary cycles, depthwise ones by a rate of their own (they leave a
systolic array nearly idle, yet run faster than one channel at a time would). Parameters and the largest activation
share the on-chip memory; parameters that do not fit are streamed from the host for every image. The image, and what
the host goes on with, cross the link; outputs are written; each image has a constant. Enlarging to the image's size,
finding the largest class and decoding are work of the host, in a column of their own.

The coefficients come from a robust relative fit to published latencies: `benchmarks/edge_tpu.py`, `docs/hardware.md`.
An ensemble of refits gives every latency an upper 90 % bound, where limits are checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from devices.edge_tpu.profile import COEFFICIENTS, EXAMPLE, Spread, SystolicProfile, shipped
from devices.edge_tpu.systolic import weight_stationary_cycles
from ednas_nni.cost.device import AdditiveDevice, CostColumn, LowerBound, Values
from ednas_nni.cost.profiles import FindDevice, ReadsProfiles, read_profile
from ednas_nni.cost.records import ON_DEVICE_KINDS, WEIGHT_KINDS, LayerRecord

SUMS = ("dense_cycles", "depthwise_macs", "parameter_bytes", "outputs", "handed_bytes", "host_elements")
MAXIMA = ("peak_bytes", "image_bytes")
TERMS = ("dense layers", "depthwise layers", "streamed parameters", "written activations", "link", "constant", "host")
"""What the model's terms stand for, in the order of `COEFFICIENTS`."""
BIAS_BYTES = 4
"""A bias is a 32-bit integer, a weight one byte (LiteRT's int8 quantisation specification)."""
INDEX_BYTES = 4
"""Of a class: LiteRT's ARG_MAX gives 32-bit integers."""
SHARE = 0.9
"""Of the ensemble's latencies, at least this share does not exceed the upper bound."""
UPPER = "latency_ms_upper90"
ROUNDED = 1.001
"""The shipped figures are rounded; the fitted rows themselves are no extrapolation."""
FUSED = frozenset(
    {"relu", "relu6", "hardtanh", "clamp", "clamp_min", "sigmoid", "tanh", "softmax", "softmax2d", "_softmax"}
)
"""Activations that the compiler maps (coral.ai/docs/edgetpu/models-intro, "Supported operations"), by torch's names."""
CHUNK = 1 << 10
"""Networks bounded at once: their latencies by all members stay in the processor's cache."""


class EdgeTPU(AdditiveDevice, ReadsProfiles):
    """The Edge TPU over USB 3, int8, batch 1.

    Args:
        profile: A profile, or the name of a shipped one.
    """

    maxima = frozenset(MAXIMA)
    dtype = "int8"
    cuts_graph = True
    profile_kind = "systolic"

    def __init__(self, profile: SystolicProfile | str = "edge_tpu") -> None:
        self.profile = profile if isinstance(profile, SystolicProfile) else shipped(profile)
        self.name = self.profile.name
        self.columns = _columns(self.profile)
        self._coefficients = self.profile.coefficients.vector

    @classmethod
    def from_profile(cls, data: Mapping[str, object], source: str, find: FindDevice) -> EdgeTPU:
        """Another array of this kind. An ensemble belongs to the fit that ships: a file of a user's has none."""
        fields = {name: value for name, value in data.items() if name != "spread"}
        return cls(read_profile(SystolicProfile, fields, source, EXAMPLE))

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        """Cycles, MACs and bytes of one layer; see `SUMS` and `MAXIMA`.

        Batch norms are folded into their convolutions, which gives each of these a bias, and activations are free; but
        networks with others than `FUSED` are called extrapolated, because they run partly on the host.
        """
        features: dict[str, float] = {"image_bytes": layer.image_elements}
        if layer.kind == "host":
            # After an enlargement the host has the elements already.
            return {
                **features,
                "host_elements": layer.elements_read,
                "handed_bytes": 0 if layer.full_size else layer.elements_read,
            }
        if layer.kind == "argmax" and not self.profile.argmax:
            # The host gets the scores; what it then enlarges, so many elements, is counted as handed to it below.
            handed = layer.elements_read - layer.elements_written
            return {**features, "host_elements": layer.elements_read, "handed_bytes": handed}
        if layer.kind == "resize" and layer.full_size:
            return {**features, "host_elements": layer.elements_written, "handed_bytes": layer.elements_read}
        if layer.kind not in ON_DEVICE_KINDS:  # batch norms and activations are folded into the layer before
            return {**features, "unmapped_elements": layer.elements_written} if self.unmapped(layer) else features
        features |= {"outputs": layer.elements_written, "peak_bytes": layer.elements_read + layer.elements_written}
        if layer.kind == "argmax":
            features["handed_bytes"] = (INDEX_BYTES - 1) * layer.elements_written
        if layer.kind not in WEIGHT_KINDS:
            return features
        bias = layer.out_channels if layer.params else 0
        features["parameter_bytes"] = layer.params - layer.bias + BIAS_BYTES * bias
        if layer.kind == "depthwise":
            features["depthwise_macs"] = layer.macs
        else:
            per_group = weight_stationary_cycles(
                layer.out_pixels, layer.reduction, layer.out_channels // layer.groups, *self.profile.array
            )
            features["dense_cycles"] = layer.groups * per_group
        return features

    def unmapped(self, layer: LayerRecord) -> str:
        """Activations, and the choice of a class, that the compiler does not map."""
        if layer.kind == "argmax":
            return "" if self.profile.argmax else "ARG_MAX, so it hands all scores over (`deploy_outputs: classes`)"
        unknown = layer.kind == "activation" and layer.function not in {"", *FUSED}
        return f"the activation {layer.function}" if unknown else ""

    def costs(self, totals: Mapping[str, Values]) -> dict[str, Values]:
        """`latency_ms`, its upper bound where the profile has an ensemble, and `host_ms`, each (n,)."""
        rows = design_matrix(totals, self.profile, self.profile.on_chip_mb)
        costs = {"latency_ms": rows[:, :-1] @ self._coefficients[:-1], "host_ms": rows[:, -1] * self._coefficients[-1]}
        if self.profile.spread is not None:
            costs[UPPER] = self._upper(totals, self.profile.spread)
        return costs

    def terms(self, column: str, totals: Mapping[str, Values]) -> dict[str, Values] | None:
        """What `latency_ms` and `host_ms` are made of, in ms; see `TERMS`. None for the upper bound."""
        if column not in ("latency_ms", "host_ms"):
            return None
        parts = design_matrix(totals, self.profile, self.profile.on_chip_mb) * self._coefficients
        chosen = TERMS[-1:] if column == "host_ms" else TERMS[:-1]
        return {name: parts[:, TERMS.index(name)] for name in chosen}

    def lower_bound(self, column: str) -> LowerBound | None:
        """The latency without streaming, which no network undercuts; None for the upper bound."""
        if column not in ("latency_ms", "host_ms"):
            return None
        per, kilohertz = self.profile.coefficients, self.profile.clock_mhz * 1e3
        if column == "host_ms":
            return LowerBound({"host_elements": per.host_ms_per_million / 1e6})
        weights = {
            "dense_cycles": per.dense / kilohertz,
            "depthwise_macs": per.depthwise / (self.profile.array[0] * kilohertz),
            "outputs": per.activation_ms_per_million / 1e6,
            "image_bytes": per.link_ms_per_mb / 1e6,
            "handed_bytes": per.link_ms_per_mb / 1e6,
        }
        return LowerBound(weights, per.constant_ms)

    def members(self, totals: Mapping[str, Values]) -> NDArray[np.float64]:
        """Latencies by every member of the ensemble, float64 (n, m), without host work; (n, 0) without an ensemble."""
        spread = self.profile.spread
        if spread is None:
            return np.empty((len(_column(totals, "outputs")), 0))
        # Members differ in the memory and so in one column: the others are multiplied at once.
        rows = design_matrix(totals, self.profile, self.profile.on_chip_mb)[:, :-1]
        weights = spread.coefficients[:, :-1] * spread.ratios[:, None]
        streamed = COEFFICIENTS.index("stream_ms_per_mb")
        rows[:, streamed] = 0.0
        parameters = _column(totals, "parameter_bytes") / 1e6
        beyond = (parameters + _column(totals, "peak_bytes") / 1e6)[:, None] - spread.on_chip_mb
        np.maximum(beyond, 0.0, out=beyond)
        np.minimum(beyond, parameters[:, None], out=beyond)
        beyond *= weights[:, streamed]
        beyond += rows @ weights.T
        return beyond

    def extrapolated(self, totals: Mapping[str, Values]) -> NDArray[np.bool_]:
        """Where a network lies outside of the fitted rows, bool (n,).

        Outside is: more of anything that the model prices (cycles, depthwise MACs, streamed bytes, outputs, bytes on
        the link, largest activation) than any row has; or a mixture of these with a larger leverage on the fit than
        that of every row (hidden extrapolation: Montgomery, Peck, Vining, "Linear Regression Analysis", section 3.8);
        or an activation that the compiler does not map.
        """
        spread = self.profile.spread
        rows = design_matrix(totals, self.profile, self.profile.on_chip_mb)[:, :-1]
        if spread is None:
            return np.ones(len(rows), bool)
        relative = rows / (rows @ self._coefficients[:-1])[:, None]
        mixture = np.einsum("ni,ij,nj->n", relative, spread.inverse, relative) > spread.leverage * ROUNDED
        more = (priced(rows, totals) > spread.largest * ROUNDED).any(axis=1)
        return np.asarray(mixture | more | (_column(totals, "unmapped_elements") > 0), bool)

    def _upper(self, totals: Mapping[str, Values], spread: Spread) -> Values:
        """The smallest member's latency that at least `SHARE` of the members do not exceed, (n,)."""
        n = len(_column(totals, "outputs"))
        upper = np.empty(n)
        rank = math.ceil(SHARE * len(spread.ratios)) - 1
        for start in range(0, n, CHUNK):
            part = {name: values[start : start + CHUNK] for name, values in totals.items()}
            members = self.members(part)
            members.partition(rank, axis=1)
            upper[start : start + CHUNK] = members[:, rank]
        return upper


def design_matrix(totals: Mapping[str, Values], profile: SystolicProfile, on_chip_mb: float) -> NDArray[np.float64]:
    """The model's columns, float64 (n, 7), in the order of `COEFFICIENTS`; the last is work of the host."""
    cycles, macs, size, outputs, handed, host, peak, image = (_column(totals, name) for name in SUMS + MAXIMA)
    kilohertz = profile.clock_mhz * 1e3
    streamed = np.clip((size + peak) / 1e6 - on_chip_mb, 0.0, size / 1e6)
    return np.stack(
        [
            cycles / kilohertz,
            macs / (profile.array[0] * kilohertz),
            streamed,
            outputs / 1e6,
            (image + handed) / 1e6,
            np.ones(len(size)),
            host / 1e6,
        ],
        axis=1,
    )


def priced(rows: np.ndarray, totals: Mapping[str, Values]) -> NDArray[np.float64]:
    """What a fitted range is kept of: the design without host work, then the largest activation in MB; (n, 7)."""
    return np.column_stack([rows, _column(totals, "peak_bytes") / 1e6])


def _column(totals: Mapping[str, Values], name: str) -> NDArray[np.float64]:
    """A feature, 0 where no layer has it."""
    if name in totals:
        return np.asarray(totals[name], float)
    return np.zeros(len(next(iter(totals.values()))) if totals else 0)


def _columns(profile: SystolicProfile) -> tuple[CostColumn, ...]:
    what = f"{profile.title}; modelled, no measurement: {profile.origin or 'unknown'}. {profile.validity}"
    ends = f"From the image on the host to the outputs back there; not counted: {profile.not_counted}."
    columns = [("latency_ms", f"{what} {ends}", UPPER if profile.spread else "")]
    if profile.spread is not None:
        note = (
            f"upper 90 % bound of latency_ms: {len(profile.spread.ratios)} refits to resampled rows, each with the "
            "error of a row that it had not seen; limits `latency_ms <= ...` are checked here"
        )
        columns.append((UPPER, note, ""))
    note = (
        "what enlarging the outputs to the image's size adds on a desktop host; by the same fit, and beside latency_ms"
    )
    columns.append(("host_ms", note, ""))
    return tuple(
        CostColumn(name, "ms", profile.name, "modelled", note, upper, profile.error, profile.validity)
        for name, note, upper in columns
    )
