"""Inside a `.tflite` file: its tensors and operators, and names and metadata written into it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ednas_nni.errors import NetworkError
from ednas_nni.networks.export.facts import KEY, FileFacts

FLOATS = frozenset({"FLOAT32", "FLOAT16", "FLOAT64", "BFLOAT16"})


@dataclass(frozen=True)
class FileTensor:
    """A tensor of the file.

    Attributes:
        shape: As stored: channels last, weights of a convolution (outputs, rows, columns, inputs).
        type: Such as INT8.
        constant: Whether the file holds its values.
        scales: Of its quantisation, with `zero_points`; () where it has none.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    constant: bool
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()


@dataclass(frozen=True)
class FileOperator:
    """An operator of the file.

    Attributes:
        name: Such as CONV_2D; that of a custom operator in lower case, as it is stored.
        version: Of its definition.
        inputs: Tensors that it reads; None = left out.
        options: Its settings by name, such as `half_pixel_centers`.
    """

    name: str
    version: int
    inputs: tuple[FileTensor | None, ...]
    outputs: tuple[FileTensor, ...]
    options: Mapping[str, Any]

    @property
    def macs(self) -> int:
        """Multiply-adds, by the convention of `cost.records`."""
        if self.name not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL"):
            return 0
        read, weights = self.inputs[0], self.inputs[1]
        assert read is not None and weights is not None, "these operators always have both"
        if self.name == "DEPTHWISE_CONV_2D":
            return math.prod(self.outputs[0].shape) * math.prod(weights.shape[1:3])
        if self.name == "TRANSPOSE_CONV":
            data = self.inputs[2]
            assert data is not None, "its first input is the output's shape"
            return math.prod(data.shape) * weights.shape[0] * math.prod(weights.shape[1:3])
        return math.prod(self.outputs[0].shape) * (
            read.shape[-1] if self.name == "BATCH_MATMUL" else math.prod(weights.shape[1:])
        )


@dataclass(frozen=True)
class Content:
    """A file that was read: tensors and operators, as they run, of all subgraphs; inputs and outputs of the first."""

    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    inputs: tuple[FileTensor, ...]
    outputs: tuple[FileTensor, ...]
    metadata: Mapping[str, bytes]

    @property
    def macs(self) -> int:
        """Multiply-adds of all operators."""
        return sum(operator.macs for operator in self.operators)

    @property
    def floats(self) -> list[str]:
        """Names of the tensors of floating point."""
        return [tensor.name for tensor in self.tensors if tensor.type in FLOATS]


@cache
def _schema() -> Any:
    from ai_edge_litert import schema_py_generated as schema  # an extra

    return schema


@cache
def _words(kind: str) -> dict[int, str]:
    """Number -> name of an enumeration of the schema."""
    return {value: name for name, value in vars(getattr(_schema(), kind)).items() if not name.startswith("_")}


def read(path: Path) -> Content:
    """Read a file."""
    model = _model(path.read_bytes(), path)
    tensors, operators = [], []
    for graph in model.subgraphs:
        here = [_tensor(tensor, model.buffers) for tensor in graph.tensors]
        tensors.append(here)
        for node in graph.operators or []:
            code = model.operatorCodes[node.opcodeIndex]
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            name = code.customCode.decode() if code.customCode else _words("BuiltinOperator")[number]
            reads = tuple(here[i] if i >= 0 else None for i in node.inputs)
            options = dict(vars(node.builtinOptions)) if node.builtinOptions is not None else {}
            operators.append(FileOperator(name, code.version, reads, tuple(here[i] for i in node.outputs), options))
    first = model.subgraphs[0]
    return Content(
        tuple(tensor for here in tensors for tensor in here),
        tuple(operators),
        tuple(tensors[0][i] for i in first.inputs),
        tuple(tensors[0][i] for i in first.outputs),
        {entry.name.decode(): bytes(model.buffers[entry.buffer].data) for entry in model.metadata or []},
    )


def finished(content: bytes, facts: FileFacts) -> bytes:
    """The file with the names of `facts` and with `facts` in its metadata.

    Args:
        content: A `.tflite` file whose signature has one input and outputs in the order of `facts.results`.
        facts: Shapes, types and quantisation are taken from the file.
    """
    schema = _schema()
    model = _model(content, "the converted file")
    graph, (signature,) = model.subgraphs[0], model.signatureDefs
    signature.inputs[0].name = facts.input.name.encode()
    # Signatures are sorted by name, output_10 before output_2.
    maps = sorted(signature.outputs, key=lambda entry: int(entry.name.decode().rpartition("_")[2]))
    for entry, result in zip(maps, facts.results, strict=True):
        entry.name = result.name.encode()
    results = []
    for entry, old in zip((signature.inputs[0], *maps), (facts.input, *facts.results), strict=True):
        tensor = graph.tensors[entry.tensorIndex]
        tensor.name = old.name.encode()
        seen = _tensor(tensor, model.buffers)
        details: dict[str, object] = {"shape": seen.shape, "type": seen.type.lower()}
        details["layout"] = "NHWC" if len(seen.shape) == 4 else "NHW"
        if seen.scales:
            details |= {"scale": seen.scales[0], "zero_point": seen.zero_points[0]}
        results.append(old.model_copy(update=details))
    whole = facts.model_copy(update={"input": results[0], "results": tuple(results[1:])})
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(whole.text().encode())
    model.buffers.append(buffer)
    entry.name, entry.buffer = KEY.encode(), len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    model.description = b"written by EDNAS"
    return _packed(model)


def _model(content: bytes, where: object) -> Any:
    try:
        model = _schema().ModelT.InitFromPackedBuf(content, 0)
    except ImportError:
        raise
    except Exception as error:  # the generated reader raises whatever a wrong offset leads to
        raise NetworkError(f"{where}: is no readable .tflite file.") from error
    for buffer in model.buffers:
        if buffer.offset > 1:  # a large file has its weights behind the FlatBuffer, where packing would lose them
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def _packed(model: Any) -> bytes:
    import flatbuffers  # comes with ai-edge-litert

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(tensor: Any, buffers: Sequence[Any]) -> FileTensor:
    quantized = tensor.quantization
    # Lists or arrays, or None: the generated reader takes what the file has.
    scales = () if quantized is None or quantized.scale is None else tuple(float(x) for x in quantized.scale)
    zeros = () if quantized is None or quantized.zeroPoint is None else tuple(int(x) for x in quantized.zeroPoint)
    shape = () if tensor.shape is None else tuple(int(n) for n in tensor.shape)
    data = buffers[tensor.buffer].data
    return FileTensor(
        tensor.name.decode(),
        shape,
        _words("TensorType")[tensor.type],
        data is not None and len(data) > 0,
        scales,
        zeros,
    )
