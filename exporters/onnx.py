"""`onnx`: for onnxruntime, TensorRT, OpenVINO and what else reads opset 17."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

from ednas_nni.errors import NetworkError, StudyError
from ednas_nni.graphs.capture import capture
from ednas_nni.graphs.graph import renamed
from ednas_nni.graphs.onnx_file import onnx_bytes
from ednas_nni.networks.export.base import Exporter, FileRuntime, Order, in_layout
from ednas_nni.networks.export.facts import KEY, FileFacts
from ednas_nni.record.whole_file import write_whole


class Onnx(Exporter):
    """Written operator by operator from the trace of one image; layout NCHW, as torch has it."""

    name = "onnx"
    suffix = ".onnx"
    extra = "onnx"
    writes_with = ("onnx", "onnxruntime")
    runs_with = ("onnxruntime",)

    def write(self, order: Order, path: Path) -> None:
        """As `Exporter.write`."""
        facts = in_layout(order, "NCHW")
        try:
            graph = capture(order.graph.module, (torch.empty(1, 3, *order.graph.size),), weights=True)
        except StudyError as error:
            raise NetworkError(f"onnx: {error}") from error
        names = [facts.input.name, *(result.name for result in facts.results)]
        graph = renamed(graph, dict(zip((*graph.inputs, *graph.outputs), names, strict=True)))
        types = {result.name: (result.type, result.shape) for result in facts.results}
        write_whole(path, onnx_bytes(graph, outputs=types, metadata={KEY: facts.text()}))

    def open(self, path: Path, threads: int = 1) -> FileRuntime:
        """As `Exporter.open`."""
        self.check_installed(self.runs_with)
        from ednas_nni.graphs.onnx_file import session  # onnxruntime is an extra

        try:
            loaded = session(path.read_bytes(), threads)
        except Exception as error:  # onnxruntime's own errors derive from nothing narrower
            raise NetworkError(f"{path}: is no readable .onnx file ({' '.join(str(error).split())[:200]}).") from error
        return _Runtime(path, loaded)


class _Runtime(FileRuntime):
    def __init__(self, path: Path, session: InferenceSession) -> None:
        super().__init__(FileFacts.read(session.get_modelmeta().custom_metadata_map.get(KEY), path))
        self._path, self._session = path, session
        self._names = [result.name for result in self.facts.results]

    def invoke(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        outputs: list[NDArray[np.generic]] = self._session.run(self._names, {self.facts.input.name: tensor})
        return outputs

    def macs(self) -> int:
        import onnx  # an extra, and only needed to count

        graph = onnx.shape_inference.infer_shapes(onnx.load(self._path)).graph
        shapes = {weight.name: tuple(weight.dims) for weight in graph.initializer}
        for value in (*graph.value_info, *graph.input, *graph.output):
            shapes[value.name] = tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
        total = 0
        for node in graph.node:
            if node.op_type in ("Conv", "ConvTranspose"):
                pixels = node.output[0] if node.op_type == "Conv" else node.input[0]
                total += math.prod(shapes[pixels]) * math.prod(shapes[node.input[1]][1:])
            elif node.op_type in ("Gemm", "MatMul"):  # all of an output element's products: the inner axis of the first
                total += math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
        return total
