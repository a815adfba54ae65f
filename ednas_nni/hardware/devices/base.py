"""The contract of a device: additive features per layer, then costs of a whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from ednas_nni.hardware.records import LayerRecord

Origin = Literal["counted", "modelled", "measured", "fitted"]


@dataclass(frozen=True)
class CostColumn:
    """One column of a cost table.

    Attributes:
        name: Name with its unit, such as ``latency_ms``.
        unit: Unit for tables, such as ``ms``.
        device: Name of the device that the cost belongs to.
        origin: ``counted`` (exact), ``modelled`` (a formula with published constants), ``measured`` (on the device),
            ``fitted`` (a model fitted to the user's own measurements).
        note: Expected error, range of validity and what is not counted.
    """

    name: str
    unit: str
    device: str
    origin: Origin
    note: str


@runtime_checkable
class Device(Protocol):
    """Prices networks from sums of layer features.

    ``layer_features`` must be additive: the features of a network are the sums over its layers. ``costs`` may be any
    function of these sums, so a threshold such as an on-chip memory is allowed.
    """

    name: str
    columns: tuple[CostColumn, ...]

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        """Features of one layer; the same keys for every layer of that kind, missing keys count 0."""
        ...

    def costs(self, totals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Costs from feature sums.

        Args:
            totals: Feature name -> float64 (n,), the sums over each network's layers; a feature that no layer had
                is missing.

        Returns:
            Column name -> float64 (n,), one entry for each of ``columns``.
        """
        ...
