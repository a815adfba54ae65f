"""Peak memory of activations, as a device: what a runtime must have free beside the weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from devices.peak_memory.peak import PeakElements
from ednas_nni.cost.device import ELEMENT_BYTES, CostColumn, ElementType, OrderDevice, Values
from ednas_nni.cost.space_layers import SpaceLayers
from ednas_nni.errors import PluginError, StudyError, did_you_mean

COLUMN = "peak_memory_bytes"


class PeakMemory(OrderDevice):
    """Largest memory of live tensors over the network's order of operations, without weights.

    Args:
        dtype: Element type of activations.
    """

    name = "peak_memory"
    runs_networks = False

    def __init__(self, dtype: ElementType = "int8") -> None:
        if dtype not in ELEMENT_BYTES:
            raise PluginError(f"device peak_memory: dtype = {dtype!r} is unknown.{did_you_mean(dtype, ELEMENT_BYTES)}")
        self.dtype, self._size = dtype, ELEMENT_BYTES[dtype]
        note = (
            f"exact for {dtype} activations ({self._size} byte an element), batch 1, operations in the order "
            "of the forward pass, batch norms and activations within the layer before; without weights and what a "
            "runtime needs for itself"
        )
        self.columns = (CostColumn(COLUMN, "B", self.name, "counted", note, error=0.0),)

    def for_layers(self, layers: SpaceLayers) -> Callable[[NDArray[np.integer]], dict[str, Values]]:
        """Costs of a space's encoded samples.

        Raises:
            StudyError: The size of a tensor is not known; the message names the operation.
        """
        for operation in layers.operations:
            if operation.doubt:
                raise StudyError(f"{operation.path}: {COLUMN} is unknown: {operation.doubt}")
        peak, size = PeakElements(layers), self._size
        return lambda codes: {COLUMN: peak(codes) * size}
