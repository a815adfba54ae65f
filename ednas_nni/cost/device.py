"""The contract of a device: additive features per layer, then costs of a whole network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from ednas_nni.cost.records import LayerRecord

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
        upper: Name of the device's column that bounds this one from above, such as an upper 90 % bound; "" where the
            value is exact. A study's limit from above is checked there.
    """

    name: str
    unit: str
    device: str
    origin: Origin
    note: str
    upper: str = ""


@runtime_checkable
class Device(Protocol):
    """Prices networks from features of their layers, all >= 0.

    The features of a network are the sums over its layers, or the largest over its layers for those that an attribute
    ``maxima`` names. ``costs`` may be any function of these, so a threshold such as an on-chip memory is allowed. A
    device whose model is valid in a range may have ``extrapolated(totals) -> bool (n,)``.

    Two more methods are optional; both give None for a column that they know nothing of. ``lower_bound(column)`` gives
    ``({feature: weight}, constant)``, all >= 0, such that no network costs less than the weighted sum: with it, the
    smallest reachable cost can be proved. ``terms(column, totals)`` gives ``{name: (n,)}``, parts >= 0 whose sum is the
    cost: with it, `ednas plan` says what a cost is made of and `ednas calibrate` corrects each part by itself.

    A device whose costs are no function of sums, such as a peak over the order in which layers run, may have
    ``for_layers(layers) -> (codes -> {column: (n,)})``, which then takes the place of ``costs``.

    A device whose features belong to larger parts than layers may have ``space_features(space, size) ->
    SpaceFeatures``; they are added to those of its layers. It may measure, and settle its ``columns`` only then.
    """

    name: str
    columns: tuple[CostColumn, ...]

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        """Features of one layer; the same keys for every layer of that kind, missing keys count 0."""
        ...

    def costs(self, totals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Costs from feature sums.

        Args:
            totals: Feature name -> float64 (n,), over each network's layers; a feature that no layer had is missing.

        Returns:
            Column name -> float64 (n,), one entry for each of ``columns``.
        """
        ...
