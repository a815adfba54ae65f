"""Latency on this machine's processor in onnxruntime, measured: float32, batch 1, default graph optimisations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from devices.parts.measured_device import MeasuredDevice
from ednas_nni.graphs.onnx_file import MISSING, onnx_bytes, session

if TYPE_CHECKING:
    from devices.parts.measure import Opened
    from ednas_nni.graphs.graph import Graph


class CpuOnnxruntime(MeasuredDevice):
    """This machine's processor in onnxruntime.

    Args:
        threads: Of one inference; with more than one the machine should be idle.

    Raises:
        StudyError: There are not so many processors, or the extra `onnx` is not installed.
    """

    engine = "onnxruntime"
    packages = ("onnx", "onnxruntime")
    missing = MISSING

    def __init__(self, threads: int = 1) -> None:
        super().__init__("cpu_onnxruntime", threads)

    def opened(self, graph: Graph) -> Opened:
        """As `MeasuredDevice.opened`."""
        loaded = session(onnx_bytes(graph), self.machine.threads)
        rng = np.random.default_rng(0)
        feed = {name: rng.random(shape, np.float32) for name, shape in graph.inputs.items()}
        return lambda: loaded.run(None, feed)
