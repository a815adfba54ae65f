"""From an inference graph to the bytes of an ONNX file."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np

from ednas_nni.errors import StudyError
from ednas_nni.graphs.graph import Graph
from ednas_nni.graphs.operators import IR_VERSION, OPSET

INSTALL = "pip install 'ednas-nni[onnx]'"
INPUT_CHANNEL_AXIS = 1


def onnx_bytes(graph: Graph, seed: int = 0) -> bytes:
    """A self-contained ONNX model.

    Args:
        graph: Constants without values get random ones: kernels such that activations keep their scale (He et al.,
            arXiv 1502.01852), because vanishing ones would become denormal numbers, which processors handle slowly;
            everything else between 0.1 and 0.9.
        seed: Of the random values.

    Raises:
        StudyError: The extra `onnx` is not installed.
    """
    onnx = _onnx()
    helper, tensors = onnx.helper, onnx.numpy_helper
    rng = np.random.default_rng(seed)
    kernels = {node.inputs[1] for node in graph.nodes if node.op in ("Conv", "Gemm", "MatMul")}
    constants = [
        tensors.from_array(
            _random(rng, constant.shape, name in kernels) if constant.values is None else constant.values, name
        )
        for name, constant in graph.constants.items()
    ]
    nodes = [helper.make_node(node.op, node.inputs, [node.output], **node.attributes) for node in graph.nodes]
    kind = onnx.TensorProto.FLOAT
    body = helper.make_graph(
        nodes,
        "ednas",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in graph.inputs.items()],
        [helper.make_tensor_value_info(name, kind, None) for name in graph.outputs],
        constants,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="ednas")
    model.ir_version = IR_VERSION
    return model.SerializeToString()


def _random(rng: np.random.Generator, shape: tuple[int, ...], kernel: bool) -> np.ndarray:
    if not kernel:
        return rng.uniform(0.1, 0.9, shape).astype(np.float32)
    fan_in = math.prod(shape[INPUT_CHANNEL_AXIS:])
    return rng.standard_normal(shape, np.float32) * np.float32((2 / fan_in) ** 0.5)


def _onnx() -> ModuleType:
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise missing() from error
    return onnx


def missing() -> StudyError:
    """What a user reads who lacks the extra."""
    return StudyError(f"ONNX files and the device cpu_onnxruntime need onnx and onnxruntime. Install them: {INSTALL}")
