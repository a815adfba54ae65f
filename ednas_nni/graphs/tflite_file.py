"""From an inference graph to the bytes of a `.tflite` file, int8 or float32, without LiteRT's converter of a gigabyte.

For what a compiler or a runtime says of a graph: operators and shapes are those of an exported file, weights are the
graph's own or random. Scales of int8 activations are made up, so an int8 file's answers mean nothing; a float32 file's
are the graph's. What differs from ONNX:

* Channels come last. Weights are (outputs, rows, columns, inputs); of depthwise layers (1, rows, columns, outputs).
* A convolution is padded so that its size stays ("SAME") or not at all ("VALID"); any other padding is a PAD before it.
* A ReLU or ReLU6 that alone reads a convolution or an addition is a setting of that operator.
* In int8, weights have a scale for each channel, activations one for each tensor; operators that only move values, such
  as a resize, need the same scale on both sides.

A FlatBuffer is tables of numbered fields, and here a table is a dictionary {number of the field: value}. Example, an
operator that reads tensors 0 and 1 and writes 2: `{0: np.uint32(0), 1: _ints([0, 1]), 2: _ints([2])}`. The numbers are
those of tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ednas_nni.errors import StudyError
from ednas_nni.graphs.graph import Attribute, Graph, Node, Shape, filled

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter
    from flatbuffers import Builder

MISSING = ".tflite files and litert_cpu need ai-edge-litert, flatbuffers. Install them: pip install 'ednas-nni[tflite]'"

TYPES = {np.dtype(np.float32): np.int8(0), np.dtype(np.int32): np.int8(2), np.dtype(np.int8): np.int8(9)}
"""Of a tensor's elements -> its number."""
INT32 = TYPES[np.dtype(np.int32)]
Precision = Literal["int8", "float32"]
Scales: TypeAlias = "Sequence[float] | np.ndarray"
RELU, RELU6 = np.int8(1), np.int8(3)
"""Activations of an operator."""
SAME, VALID = np.int8(0), np.int8(1)
FUSING = frozenset({"Conv", "Gemm", "MatMul", "Add", "Sub", "Mul"})
"""Operators that an activation becomes a setting of."""
MOVING = frozenset({"Resize", "MaxPool", "AveragePool", "Concat", "Reshape", "Relu", "Clip"})
"""Operators with the same scale on both sides."""
FIXED = {"Sigmoid": (1 / 256, -128), "Softmax": (1 / 256, -128), "Tanh": (1 / 128, 0)}
"""Operators whose output has this scale and zero point by definition."""
Table: TypeAlias = "dict[int, np.generic | np.ndarray | bytes | str | Table | list[Table]]"


def tflite_bytes(graph: Graph, seed: int = 0, precision: Precision = "int8") -> bytes:
    """A self-contained model; each operator's output has the name of its node's (of the activation, where fused).

    Raises:
        StudyError: An operator has no form in LiteRT here, or flatbuffers is not installed.
    """
    try:
        import flatbuffers  # comes with the extras `vela`, `tflite` and `litert`
    except ImportError as error:
        raise StudyError(MISSING) from error
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(_placed(builder, _File(filled(graph, seed), precision).model()), b"TFL3")
    return bytes(builder.Output())


def interpreter(model: bytes | Path, threads: int) -> Interpreter:
    """LiteRT's interpreter of a file, with XNNPACK and room for its tensors; StudyError: it is not installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter  # an extra
    except ImportError as error:
        raise StudyError(MISSING) from error
    how = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    before = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:  # its C++ part writes a greeting to standard error, past Python
        os.dup2(nowhere.fileno(), 2)
        try:
            loaded = Interpreter(**how, num_threads=threads)
            loaded.allocate_tensors()
        finally:
            os.dup2(before, 2)
            os.close(before)
    return loaded


class _File:
    """Tensors, buffers and operators of one graph under construction."""

    def __init__(self, graph: Graph, precision: Precision) -> None:
        self._graph, self._precision = graph, precision
        self._shapes: dict[str, Shape] = {**graph.inputs, **{node.output: node.shape for node in graph.nodes}}
        self._writer = {node.output: node for node in graph.nodes}
        self._readers: dict[str, list[Node | None]] = {name: [None] for name in graph.outputs}
        for node in graph.nodes:
            for name in node.inputs:
                self._readers.setdefault(name, []).append(node)
        self._alike = _alike(graph)
        self._buffers: list[Table] = [{}]  # the first one means "no values"
        self._tensors: list[Table] = []
        self._numbers: dict[str, int] = {}
        self._codes: list[int] = []
        self._operators: list[Table] = []
        self._names: dict[str, str] = {}  # what was fused or left out -> the tensor that stands for it
        inputs = [self._activation(name) for name in graph.inputs]
        for node in graph.nodes:
            if node.output not in self._names:
                self._write(node)
        self._ends = inputs, [self._activation(name) for name in graph.outputs]

    def model(self) -> Table:
        """The root table."""
        inputs, outputs = self._ends
        subgraph: Table = {0: self._tensors, 1: _ints(inputs), 2: _ints(outputs), 3: self._operators, 4: "main"}
        codes: list[Table] = [
            {0: np.int8(min(code, 127)), 2: np.int32(3 if code == 23 else 1), 3: np.int32(code)} for code in self._codes
        ]
        return {0: np.uint32(3), 1: codes, 2: [subgraph], 3: "ednas", 4: self._buffers}

    # ---------------------------------------------------------------- tensors
    def _activation(self, name: str) -> int:
        name = self._names.get(name, name)
        if name in self._graph.constants:
            return self._scalar(name)
        if name not in self._numbers:
            alike = self._alike[name]
            writer = self._writer.get(alike)
            made_up = 0.02 + 0.001 * (int(alike[1:]) % 17 if alike[1:].isdigit() else 0), 0
            scale, zero = FIXED.get(writer.op, made_up) if writer is not None else made_up
            self._numbers[name] = self._written(name, _last(self._shapes[name]), [scale], zero)
        return self._numbers[name]

    def _scalar(self, name: str) -> int:
        """A constant that an addition or a product reads."""
        values = np.asarray(self._graph.constants[name].values, np.float32)
        values = values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
        scale = float(np.abs(values).max()) / 127 or 1.0
        return self._real(f"{name}.{len(self._tensors)}", values, [scale])

    def _real(self, name: str, values: np.ndarray, scales: Scales, axis: int = 0) -> int:
        """A constant of real numbers: where the file is int8, in steps of `scales`, one or one for each of an axis."""
        if self._precision == "float32":
            return self._constant(name, np.asarray(values, np.float32))
        steps = np.asarray(scales).reshape([-1 if i == axis else 1 for i in range(np.ndim(values))])
        return self._constant(name, np.round(values / steps).astype(np.int8), scales, axis)

    def _constant(self, name: str, values: np.ndarray, scales: Scales = (), axis: int = 0) -> int:
        return self._tensor(name, values.shape, TYPES[values.dtype], scales, 0, axis, values.tobytes())

    def _written(self, name: str, shape: Shape, scales: Scales, zero: int = 0) -> int:
        """A tensor that an operator writes or the caller gives."""
        quantised = self._precision == "int8"
        return self._tensor(name, shape, TYPES[np.dtype(self._precision)], scales if quantised else (), zero)

    def _tensor(
        self, name: str, shape: Shape, kind: np.int8, scales: Scales, zero: int, axis: int = 0, values: bytes = b""
    ) -> int:
        if values:
            self._buffers.append({0: values})
        tensor: Table = {0: _ints(shape), 1: kind, 2: np.uint32(len(self._buffers) - 1 if values else 0), 3: name}
        if len(scales):
            zeros = np.full(len(scales), zero, np.int64)
            tensor[4] = {2: np.asarray(scales, np.float32), 3: zeros, 6: np.int32(axis)}
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    # ---------------------------------------------------------------- operators
    def _write(self, node: Node) -> None:
        op, activation = node.op, np.int8(0)
        indices = op == "Cast" and node.inputs[0] in self._writer and self._writer[node.inputs[0]].op == "ArgMax"
        if op == "Identity" or indices:  # ARG_MAX gives int32, and NPUs run no CAST
            self._names[node.output] = self._names.get(node.inputs[0], node.inputs[0])
            return
        result = node.output
        if op in FUSING and len(readers := self._readers.get(result, [])) == 1 and readers[0] is not None:
            activation = self._activation_of(readers[0])
            if activation:
                result = readers[0].output
                self._names[result] = result
        if op == "Conv":
            self._convolution(node, result, activation)
        elif op in ("Gemm", "MatMul"):
            inputs = [self._activation(node.inputs[0]), *self._weights(node, node.inputs[0])]
            self._operator(9, inputs, result, 8, {0: activation})
        elif op in ("Add", "Mul", "Sub"):
            code, options = {"Add": (0, 11), "Mul": (18, 21), "Sub": (41, 28)}[op]
            self._operator(code, [self._activation(name) for name in node.inputs], result, options, {0: activation})
        elif op in ("Relu", "Clip") and (activation := self._activation_of(node)):
            self._operator(19 if activation == RELU else 21, [self._activation(node.inputs[0])], result)
        elif op == "Resize":
            self._resize(node)
        elif op in ("MaxPool", "AveragePool"):
            self._pool(node)
        elif op in ("GlobalAveragePool", "ReduceMean"):
            axes = node.attributes.get("axes", [2, 3])
            assert isinstance(axes, list)
            where = self._constant(f"{result}.axes", _ints([_axis(axis, 4) for axis in axes]))
            keep = np.bool_(node.attributes.get("keepdims", 1))
            self._operator(40, [self._activation(node.inputs[0]), where], result, 27, {0: keep})
        elif op == "Concat":
            axis = np.int32(_axis(_integer(node, "axis"), len(node.shape)))
            self._operator(2, [self._activation(name) for name in node.inputs], result, 10, {0: axis})
        elif op == "Reshape" and all(math.prod(s[2:]) == 1 for s in (node.shape, self._shapes[node.inputs[0]])):
            shape = _ints(_last(node.shape))
            inputs = [self._activation(node.inputs[0]), self._constant(f"{result}.shape", shape)]
            self._operator(22, inputs, result, 17, {0: shape})
        elif op == "Pad":
            widths = np.asarray(self._graph.constants[node.inputs[1]].values).reshape(2, -1).T[[0, 2, 3, 1]]
            self._pad(self._activation(node.inputs[0]), self._activation(result), widths.tolist())
        elif op == "Softmax" and _axis(_integer(node, "axis"), len(node.shape)) == len(node.shape) - 1:
            self._operator(25, [self._activation(node.inputs[0])], result, 9, {0: np.float32(1)})
        elif op == "ArgMax":
            inputs = [self._activation(node.inputs[0]), self._constant(f"{result}.axis", _ints([3]))]
            self._numbers[result] = self._tensor(result, (1, *node.shape[2:]), INT32, (), 0)
            self._operator(56, inputs, result, 40, {0: INT32})
        elif op == "LeakyRelu":
            alpha = node.attributes["alpha"]
            assert isinstance(alpha, float)
            self._operator(98, [self._activation(node.inputs[0])], result, 75, {0: np.float32(alpha)})
        elif op == "HardSigmoid":  # relu6(x + 3) / 6, as LiteRT's converter writes it
            moved, factor = (
                self._real(f"{result}.{what}", np.full(1, value), [value / 127])
                for what, value in (("three", 3.0), ("sixth", 1 / 6))
            )
            inner = self._written(f"{result}.inner", _last(node.shape), [6 / 255], -128)
            self._operator(0, [self._activation(node.inputs[0]), moved], inner, 11, {0: RELU6})
            self._operator(18, [inner, factor], result, 21, {0: np.int8(0)})
        elif op in ("Sigmoid", "Tanh", "HardSwish"):
            code = {"Sigmoid": 14, "Tanh": 28, "HardSwish": 117}[op]
            self._operator(code, [self._activation(node.inputs[0])], result)
        else:
            written = "x".join(map(str, node.shape))
            raise StudyError(
                f"operator {op} (output {written}) is not written as {self._precision} .tflite here. Build the layer "
                "from known operators, or add it in ednas_nni/graphs/tflite_file.py"
            )

    def _activation_of(self, node: Node) -> np.int8:
        """The setting that a node would be, 0 where it is none."""
        if node.op == "Relu":
            return RELU
        if node.op == "Clip":
            limits = [float(np.asarray(self._graph.constants[name].values)) for name in node.inputs[1:] if name]
            return {(0.0, 6.0): RELU6, (0.0,): RELU}.get(tuple(limits), np.int8(0))
        return np.int8(0)

    def _operator(
        self, code: int, inputs: Sequence[int], result: str | int, kind: int = 0, options: Table | None = None
    ) -> None:
        if code not in self._codes:
            self._codes.append(code)
        output = result if isinstance(result, int) else self._activation(result)
        operator: Table = {0: np.uint32(self._codes.index(code)), 1: _ints(inputs), 2: _ints([output])}
        if options is not None:
            operator |= {3: np.uint8(kind), 4: options}
        self._operators.append(operator)

    def _convolution(self, node: Node, result: str, activation: np.int8) -> None:
        data, shape = node.inputs[0], self._graph.constants[node.inputs[1]].shape
        strides, dilations, pads = (_integers(node, name) for name in ("strides", "dilations", "pads"))
        depthwise = _integer(node, "group") == shape[0] and shape[1] == 1
        reads, padding = self._padded(node, shape[2:], strides, dilations, pads)
        weights = self._weights(node, data, depthwise)
        options: Table = {0: padding, 1: np.int32(strides[1]), 2: np.int32(strides[0])}
        names = (np.int32(1), activation) if depthwise else (activation,)
        options |= dict(enumerate((*names, np.int32(dilations[1]), np.int32(dilations[0])), 3))
        self._operator(4 if depthwise else 3, [reads, *weights], result, 2 if depthwise else 1, options)

    def _padded(
        self, node: Node, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int]
    ) -> tuple[int, np.int8]:
        """What a window reads, a PAD's output where it needs one, and how it pads by itself."""
        reads = self._activation(node.inputs[0])
        if not any(pads):
            return reads, VALID
        if list(strides) == [1, 1] and all(
            pads[i] == pads[i + 2] and 2 * pads[i] == (kernel[i] - 1) * dilations[i] for i in (0, 1)
        ):
            return reads, SAME
        n, channels, height, width = self._shapes[node.inputs[0]]
        padded = (n, height + pads[0] + pads[2], width + pads[1] + pads[3], channels)
        output = self._written(f"{node.output}.pad", padded, self._scales(reads))
        widths = [[0, 0], [pads[0], pads[2]], [pads[1], pads[3]], [0, 0]]
        self._pad(reads, output, widths, least=node.op == "MaxPool")
        return output, VALID

    def _pad(self, reads: int, output: int, widths: Sequence[Sequence[int]], least: bool = False) -> None:
        """With zeros, or with the least value that there is."""
        inputs = [reads, self._constant(f"pad{output}", np.array(widths, np.int32))]
        if least:
            scales = self._scales(reads)
            smallest = np.full(1, -128 * scales[0] if len(scales) else np.finfo(np.float32).min)
            inputs.append(self._real(f"least{output}", smallest, scales))
        self._operator(60 if least else 34, inputs, output, 43 if least else 22, {})

    def _scales(self, tensor: int) -> np.ndarray:
        """Empty where the file is float32."""
        quantisation = self._tensors[tensor].get(4, {2: ()})
        assert isinstance(quantisation, dict), "a table"
        return np.asarray(quantisation[2], np.float32)

    def _weights(self, node: Node, data: str, depthwise: bool = False) -> list[int]:
        """Tensors of weights and bias."""
        kernel = np.asarray(self._graph.constants[node.inputs[1]].values)
        if node.op != "Conv":
            kernel = kernel.T
        else:
            kernel = kernel.transpose(1, 2, 3, 0) if depthwise else kernel.transpose(0, 2, 3, 1)
        axis = 3 if depthwise else 0
        scales = np.abs(kernel).max(axis=tuple(i for i in range(kernel.ndim) if i != axis)) / 127
        scales = np.where(scales > 0, scales, 1.0)
        weights = self._real(f"{node.output}.w", kernel, scales, axis)
        bias = np.zeros(len(scales), np.float32)
        if len(node.inputs) > 2:
            bias = np.asarray(self._graph.constants[node.inputs[2]].values, np.float32)
        if self._precision == "float32":
            return [weights, self._constant(f"{node.output}.b", bias)]
        steps = scales * float(self._scales(self._activation(data))[0])
        return [weights, self._constant(f"{node.output}.b", np.round(bias / steps).astype(np.int32), steps)]

    def _resize(self, node: Node) -> None:
        linear = node.attributes["mode"] == "linear"
        half = np.bool_(node.attributes["coordinate_transformation_mode"] == "half_pixel")
        size = self._constant(f"{node.output}.size", _ints(node.shape[2:]))
        options: Table = {2: np.bool_(False), 3: half} if linear else {0: np.bool_(False), 1: half}
        inputs = [self._activation(node.inputs[0]), size]
        self._operator(23 if linear else 97, inputs, node.output, 15 if linear else 74, options)

    def _pool(self, node: Node) -> None:
        kernel, strides, pads = (_integers(node, name) for name in ("kernel_shape", "strides", "pads"))
        reads, padding = self._padded(node, kernel, strides, (1, 1), pads)
        sizes = (strides[1], strides[0], kernel[1], kernel[0])
        options: Table = {0: padding, **{i: np.int32(n) for i, n in enumerate(sizes, 1)}}
        self._operator(17 if node.op == "MaxPool" else 1, [reads], node.output, 5, options)


def _alike(graph: Graph) -> Mapping[str, str]:
    """Tensor -> the tensor that it shares its scale with, itself where there is none."""
    alike = {name: name for name in [*graph.inputs, *(node.output for node in graph.nodes)]}
    for node in graph.nodes:
        if node.op in MOVING:
            joined = {alike[name] for name in node.inputs if name in alike}
            first = min(joined, key=list(alike).index)
            alike |= {name: first for name, other in alike.items() if other in joined}
            alike[node.output] = first
    return alike


def _ints(values: Sequence[int]) -> np.ndarray:
    return np.array(values, np.int32)


def _last(shape: Shape) -> Shape:
    """A shape with its channels last."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape


def _axis(axis: int, dimensions: int) -> int:
    """An axis where channels are last."""
    axis %= dimensions
    return (0, 3, 1, 2)[axis] if dimensions == 4 else axis


def _integer(node: Node, name: str) -> int:
    value = node.attributes[name]
    assert isinstance(value, int)
    return value


def _integers(node: Node, name: str) -> list[int]:
    value: Attribute = node.attributes[name]
    assert isinstance(value, list)
    return value


# -------------------------------------------------------------------- FlatBuffers
def _placed(builder: Builder, table: Table) -> int:
    """Write a table, what it refers to first; returns where it is."""
    placed = {slot: _offset(builder, value) for slot, value in table.items() if not isinstance(value, np.generic)}
    builder.StartObject(max(table, default=-1) + 1)
    for slot, value in table.items():
        if slot in placed:
            builder.PrependUOffsetTRelativeSlot(slot, placed[slot], 0)
        else:
            prepend = getattr(builder, f"Prepend{_KINDS[type(value)]}Slot")
            prepend(slot, value.item(), None)  # type: ignore[union-attr]  # a number
    return int(builder.EndObject())


def _offset(builder: Builder, value: np.ndarray | bytes | str | Table | list[Table]) -> int:
    if isinstance(value, dict):
        return _placed(builder, value)
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, bytes):
        builder.StartVector(1, len(value), 16)  # runtimes read weights in place
        builder.head -= len(value)
        builder.Bytes[builder.head : builder.head + len(value)] = value
        return int(builder.EndVector())
    offsets = [_placed(builder, table) for table in value]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


_KINDS = {
    np.bool_: "Bool", np.int8: "Int8", np.uint8: "Uint8", np.int32: "Int32", np.uint32: "Uint32", np.float32: "Float32"
}  # fmt: skip
