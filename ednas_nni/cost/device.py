"""The contract of a device: what it can price, and what it says about its numbers.

There are three kinds, told apart by their base class:

* `AdditiveDevice`: a cost is a function of sums (or maxima) of features of single layers. Most devices are like this.
* `PartsDevice`: the same, with features of larger parts of the space than layers. It may measure these parts.
* `OrderDevice`: a cost depends on the order in which layers run, such as the peak of live memory.

docs/adding_a_device.md has a complete example; `ednas_nni.testing.devices.check_device` checks the contract.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ednas_nni.cost.features import SpaceFeatures
from ednas_nni.cost.records import LayerRecord
from ednas_nni.cost.space_layers import SpaceLayers

if TYPE_CHECKING:  # NNI is not needed to price samples
    from ednas_nni.compat.nas import ModelSpace

Origin = Literal["counted", "modelled", "measured", "fitted", "compiled"]
ElementType = Literal["int8", "float16", "float32"]
ELEMENT_BYTES: Mapping[str, int] = {"int8": 1, "float16": 2, "float32": 4}
"""Bytes of one element of an activation."""

Values: TypeAlias = NDArray[np.float64]
"""One number per network, float64 (n,)."""


@dataclass(frozen=True)
class CostColumn:
    """One column of a cost table, and what its numbers are worth.

    Attributes:
        name: Name with its unit, such as `latency_ms`.
        unit: Unit for tables, such as `ms`.
        device: Name of the device that the cost belongs to.
        origin: `counted` (exact), `modelled` (a formula with published constants), `measured` (on the device), `fitted`
            (a model fitted to the user's own measurements), `compiled` (what the device's compiler reports).
        note: For people: expected error, range of validity and what is not counted.
        upper: Name of the device's column that bounds this one from above, such as an upper 90 % bound; "" where the
            value is exact. A study's limit from above is checked there.
        error: Expected mean relative error, 0.1 = 10 %; 0 for what is counted; None where nobody has compared it.
        compared: What the error was found on, such as "28 published networks"; "" where nobody has compared it.
    """

    name: str
    unit: str
    device: str
    origin: Origin
    note: str
    upper: str = ""
    error: float | None = None
    compared: str = ""


class LowerBound(NamedTuple):
    """A sum of features, each times its weight >= 0, plus a constant: no network undercuts it."""

    weights: Mapping[str, float]
    constant: float = 0.0


class Device:
    """What every device has. Derive from one of the three kinds below instead.

    Attributes:
        name: Letters, digits and _: a second device's columns begin with it, such as `my_phone_latency_ms`.
        columns: The costs, in the order in which they are priced.
        dtype: Element type of activations on the device; None where it does not matter.
        runs_networks: Whether it is a machine; counters of anything else are not.
        measured_on: Machine and precision of its figures; "" for a model, whose figures are the same everywhere.
        cuts_graph: Whether everything behind the first layer that it does not run is left to the host, too.
    """

    name: str = ""
    columns: tuple[CostColumn, ...] = ()
    dtype: ElementType | None = None
    runs_networks: bool = True
    measured_on: str = ""
    cuts_graph: bool = False

    def unmapped(self, layer: LayerRecord) -> str:
        """What of a layer the device does not run, such as "the activation hswish"; "" where it runs it."""
        return ""


class FeatureDevice(Device, ABC):
    """A device whose costs are a function of a network's features, all >= 0.

    A network's features are the sums over its layers or parts, or the largest of them for the names in `maxima`.
    """

    maxima: frozenset[str] = frozenset()

    @abstractmethod
    def costs(self, totals: Mapping[str, Values]) -> dict[str, Values]:
        """Column -> float64 (n,) from feature -> float64 (n,), for n networks.

        Any function will do, such as one with a threshold. A feature that no layer of the space has is missing.
        """

    def lower_bound(self, column: str) -> LowerBound | None:
        """A sum that no network's cost undercuts; with it the smallest reachable cost can be proved. None = unknown."""
        return None

    def terms(self, column: str, totals: Mapping[str, Values]) -> dict[str, Values] | None:
        """What a cost is made of: parts >= 0, each (n,), whose sum is the cost. None = unknown.

        With them `ednas plan` says what a cost consists of, and `ednas calibrate` corrects each part by itself. A cost
        that is a single feature (its `lower_bound` has the weight 1 and no constant) is its own only term.
        """
        bound = self.lower_bound(column)
        if bound is None or bound.constant or list(bound.weights.values()) != [1.0]:
            return None
        (feature,) = bound.weights
        return {column: totals[feature]}

    def terms_or_whole(self, column: str, totals: Mapping[str, Values]) -> dict[str, Values]:
        """The terms, or the cost itself as the only one where they are unknown."""
        terms = self.terms(column, totals)
        return {column: self.costs(totals)[column]} if terms is None else terms

    def extrapolated(self, totals: Mapping[str, Values]) -> NDArray[np.bool_] | None:
        """Where networks lie outside of what the device was compared with, bool (n,); None = it has no such range."""
        return None


class AdditiveDevice(FeatureDevice):
    """A device that needs to know single layers only."""

    @abstractmethod
    def layer_features(self, layer: LayerRecord) -> Mapping[str, float]:
        """Features of one layer, all >= 0; a missing one counts 0."""


class PartsDevice(FeatureDevice):
    """A device whose features belong to larger parts than layers, such as whole blocks that a runtime fuses."""

    @abstractmethod
    def space_features(self, space: ModelSpace, size: tuple[int, int]) -> SpaceFeatures:
        """Features of a whole space at an image of (height, width) pixels.

        Where choices decide sizes it is called once for each of their values, which are settled then
        (`ednas_nni.nn.sizes`). It may measure, and settle its `columns` only now.
        """


class OrderDevice(Device, ABC):
    """A device whose costs depend on the order in which layers run, so that no sum over layers has them."""

    @abstractmethod
    def for_layers(self, layers: SpaceLayers) -> Callable[[NDArray[np.integer]], dict[str, Values]]:
        """A function that prices encoded samples, integers (n, labels): column -> float64 (n,).

        The space's operations come in the order in which they run.
        """
