"""Multiply-adds and parameters as devices: exact counts that hold for any hardware."""

from __future__ import annotations

import numpy as np

from ednas_nni.cost.device import CostColumn
from ednas_nni.cost.records import LayerRecord


class Macs:
    """Multiply-adds of one image (one multiply-add = one MAC; bias, batch norm, activation, resize: 0)."""

    name = "macs"
    columns = (
        CostColumn(
            "macs",
            "MAC",
            "macs",
            "counted",
            "exact; one multiply-add = 1 MAC; bias, batch norm, activation and resize count 0",
        ),
    )

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        """The layer's MACs."""
        return {"macs": layer.macs}

    def costs(self, totals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The sum itself."""
        return {"macs": totals["macs"]}

    def lower_bound(self, column: str) -> tuple[dict[str, float], float]:
        """The sum itself."""
        return {"macs": 1.0}, 0.0


class Params:
    """Trainable parameters, batch norm and biases included."""

    name = "params"
    columns = (
        CostColumn(
            "params", "parameter", "params", "counted", "exact; everything trainable, batch norm and biases included"
        ),
    )

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        """The layer's parameters."""
        return {"params": layer.params}

    def costs(self, totals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The sum itself."""
        return {"params": totals["params"]}

    def lower_bound(self, column: str) -> tuple[dict[str, float], float]:
        """The sum itself."""
        return {"params": 1.0}, 0.0
