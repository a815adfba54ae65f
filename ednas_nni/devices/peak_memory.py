"""Peak memory of activations, as a device: what a runtime must have free beside the weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ednas_nni.cost.device import CostColumn
from ednas_nni.cost.memory import PeakElements
from ednas_nni.cost.records import LayerRecord
from ednas_nni.cost.space_layers import SpaceLayers
from ednas_nni.errors import PluginError, StudyError, did_you_mean

COLUMN = "peak_memory_bytes"
BYTES = {"int8": 1, "float16": 2, "float32": 4}
"""Bytes of one element of an activation."""


class PeakMemory:
    """Largest memory of live tensors over the network's order of operations, without weights.

    Args:
        dtype: Element type of activations on the device: ``int8``, ``float16`` or ``float32``.
    """

    name = "peak_memory"

    def __init__(self, dtype: str = "int8") -> None:
        if dtype not in BYTES:
            raise PluginError(f"device peak_memory: dtype = {dtype!r} is unknown.{did_you_mean(dtype, BYTES)}")
        self.dtype = dtype
        note = (
            f"exact for {dtype} activations ({BYTES[dtype]} byte an element), batch 1, operations in the order of "
            "the forward pass, batch norms and activations within the layer before; without weights and what a runtime "
            "needs for itself"
        )
        self.columns = (CostColumn(COLUMN, "B", self.name, "counted", note),)

    def layer_features(self, layer: LayerRecord) -> dict[str, float]:
        """None: which tensors live at once is no sum over layers."""
        return {}

    def costs(self, totals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Not from sums; see ``for_layers``.

        Raises:
            PluginError: Always.
        """
        raise PluginError("device peak_memory: peaks come from samples, not from sums over layers")

    def for_layers(self, layers: SpaceLayers) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """Costs of a space's encoded samples.

        Args:
            layers: The space's operations.

        Raises:
            StudyError: The size of a tensor is not known; the message names the operation.
        """
        for operation in layers.operations:
            if operation.doubt:
                raise StudyError(f"{operation.path}: peak_memory_bytes cannot be told: {operation.doubt}")
        peak = PeakElements(layers)
        return lambda codes: {COLUMN: peak(codes) * BYTES[self.dtype]}
