"""From an inference graph to the bytes of an ONNX file, and to a session of onnxruntime that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ednas_nni.errors import StudyError
from ednas_nni.graphs.graph import Graph, Shape, filled
from ednas_nni.graphs.operators import IR_VERSION, OPSET

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MISSING = "ONNX files and cpu_onnxruntime need onnx and onnxruntime. Install them: pip install 'ednas-nni[onnx]'"


def onnx_bytes(
    graph: Graph,
    seed: int = 0,
    outputs: Mapping[str, tuple[str, Shape]] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """A self-contained ONNX model.

    Args:
        graph: Constants without values get random ones, see `graph.filled`.
        seed: Of the random values.
        outputs: Name of an output -> type of its elements and shape, where the file shall say them.
        metadata: Entries of the file's metadata.

    Raises:
        StudyError: The extra `onnx` is not installed.
    """
    try:
        import onnx  # an extra
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise StudyError(MISSING) from error
    helper, tensors = onnx.helper, onnx.numpy_helper
    values = {name: np.asarray(constant.values) for name, constant in filled(graph, seed).constants.items()}
    constants = [tensors.from_array(value, name) for name, value in values.items()]
    nodes = [
        helper.make_node(node.op, node.inputs, [node.output], **node.attributes)  # type: ignore[arg-type]  # ONNX's own
        for node in graph.nodes
    ]
    kind = onnx.TensorProto.FLOAT
    shapes = {node.output: node.shape for node in graph.nodes}
    types: dict[str, Any] = {node.output: node.attributes["to"] for node in graph.nodes if node.op == "Cast"}
    types |= {node.output: types.get(node.inputs[0], kind) for node in graph.nodes if node.op == "Resize"}
    said = {name: (types.get(name, kind), shapes.get(name)) for name in graph.outputs}
    said |= {name: (helper.np_dtype_to_tensor_dtype(np.dtype(t)), s) for name, (t, s) in (outputs or {}).items()}
    body = helper.make_graph(
        nodes,
        "ednas",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in graph.inputs.items()],
        [helper.make_tensor_value_info(name, *said[name]) for name in graph.outputs],
        constants,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="ednas")
    model.ir_version = IR_VERSION
    helper.set_model_props(model, dict(metadata or {}))
    return model.SerializeToString()


def session(model: bytes, threads: int) -> InferenceSession:
    """An onnxruntime session of an ONNX file with the default optimisations; StudyError: it is not installed.

    Several threads stop spinning when an inference ends: they would disturb the next session.
    """
    try:
        import onnxruntime  # an extra
    except ImportError as error:
        raise StudyError(MISSING) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
