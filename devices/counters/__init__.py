"""Multiply-adds and parameters as devices: exact counts that hold for any hardware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ednas_nni.cost.device import AdditiveDevice, CostColumn, LowerBound, Values
from ednas_nni.cost.records import LayerRecord


class _Counter(AdditiveDevice):
    """A device with one feature, which is its cost."""

    runs_networks = False
    unit: ClassVar[str]
    note: ClassVar[str]

    def __init__(self) -> None:
        self.columns = (CostColumn(self.name, self.unit, self.name, "counted", self.note, error=0.0),)

    def costs(self, totals: Mapping[str, Values]) -> dict[str, Values]:
        return {self.name: totals[self.name]}

    def lower_bound(self, column: str) -> LowerBound:
        return LowerBound({self.name: 1.0})


class Macs(_Counter):
    """Multiply-adds of one image (one multiply-add = one MAC; bias, batch norm, activation, resize: 0)."""

    name = "macs"
    unit = "MAC"
    note = "exact; one multiply-add = 1 MAC; bias, batch norm, activation and resize count 0"

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        """The layer's MACs."""
        return {"macs": layer.macs}


class Params(_Counter):
    """Trainable parameters, batch norm and biases included."""

    name = "params"
    unit = "parameter"
    note = "exact; everything trainable, batch norm and biases included"

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        """The layer's parameters."""
        return {"params": layer.params}
