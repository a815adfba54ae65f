"""Latency on this machine's processor in LiteRT with XNNPACK, measured: int8 or float32, batch 1.

Blocks are written as `.tflite` files without LiteRT's converter, in milliseconds each. What is priced is what
`ednas export --to litert-int8` (or `litert`) writes: enlarging outputs to the image's size is left to the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from devices.parts.measured_device import MeasuredDevice
from ednas_nni.graphs.tflite_file import MISSING, Precision, interpreter, tflite_bytes

if TYPE_CHECKING:
    from devices.parts.measure import Opened
    from ednas_nni.graphs.graph import Graph


class LitertCpu(MeasuredDevice):
    """This machine's processor in LiteRT with XNNPACK, as exported `.tflite` files run.

    Args:
        precision: Of the file.
        threads: Of one inference; with more than one the machine should be idle.

    Raises:
        StudyError: There are not so many processors, or the extra `tflite` is not installed.
    """

    engine = "LiteRT"
    packages = ("flatbuffers", "ai-edge-litert")
    missing = MISSING
    enlarges = False

    def __init__(self, precision: Precision = "int8", threads: int = 1) -> None:
        super().__init__("litert_cpu" if precision == "int8" else "litert_cpu_float32", threads, precision)
        self._precision: Precision = precision

    def opened(self, graph: Graph) -> Opened:
        """As `MeasuredDevice.opened`."""
        loaded = interpreter(tflite_bytes(graph, precision=self._precision), self.machine.threads)
        rng = np.random.default_rng(0)
        for given in loaded.get_input_details():
            values = rng.random(given["shape"], np.float32)
            if self._precision == "int8":
                values = (values * 255 - 128).astype(np.int8)
            loaded.set_tensor(given["index"], values)
        return loaded.invoke
