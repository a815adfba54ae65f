"""Converts and quantises in a process of its own: `python -m exporters.litert_process`.

The converter is a large C++ program that writes to the terminal as it likes and, where it meets what it does not know,
may end its process. As a child it takes neither the terminal nor the caller with it, and its memory is given back.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ednas_nni.errors import NetworkError

if TYPE_CHECKING:
    from torch.fx import GraphModule

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def run(what: str, *arguments: str | Path) -> None:
    """Run one of the functions below in a child.

    Raises:
        NetworkError: It failed; the message is the last line that it wrote.
    """
    command = [sys.executable, "-m", "exporters.litert_process", what, *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **_QUIET}, capture_output=True, text=True, errors="replace")
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise NetworkError(f"litert: {what} failed: {lines[-1][:400] if lines else f'exit code {done.returncode}'}")


def convert(program: str, target: str) -> None:
    """From a `.pt2` file to a float `.tflite` file with channels last.

    A converter keeps the layout that it is given, and a transposition at the entry sends large activations to the host
    on an Edge TPU: input and outputs are (N, H, W, C).
    """
    import litert_torch  # the extra `litert`
    import torch
    from torch import nn

    loaded = torch.export.load(program).module()
    graph = torch.fx.GraphModule(loaded, loaded.graph)
    factors_as_numbers(graph)
    classes = scores_of_classes(graph)

    class ChannelsLast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = graph

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            outputs = self.network(image.permute(0, 3, 1, 2))
            last = [x.permute(0, 2, 3, 1) if x.ndim == 4 else x for x in outputs]
            return tuple(x.argmax(-1).int() if i in classes else x for i, x in enumerate(last))

    shape = next(node for node in graph.graph.nodes if node.op == "placeholder").meta["val"].shape
    image = torch.zeros(shape[0], shape[2], shape[3], shape[1])
    litert_torch.convert(ChannelsLast().eval(), (image,)).export(target)


def scores_of_classes(graph: GraphModule) -> frozenset[int]:
    """Let the graph give the scores where it gave the class of the largest; returns which outputs these are.

    The class is then chosen where channels are last: of a graph's own choice the converter makes a TRANSPOSE of all
    scores and an ARG_MAX over the second axis, which no NPU runs.
    """
    import torch

    passed = (torch.ops.aten.select.int, torch.ops.aten.to.dtype)
    end = next(node for node in graph.graph.nodes if node.op == "output")
    outputs, classes = list(end.args[0]), set()
    for i, output in enumerate(outputs):
        while output.target in passed:
            output = output.args[0]
        if output.target is torch.ops.aten.argmax.default:
            outputs[i] = output.args[0]
            classes.add(i)
    end.args = (tuple(outputs),)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return frozenset(classes)


def factors_as_numbers(graph: GraphModule) -> None:
    """A product with a weight of one element becomes a product with a number, as in the weighted sums of BiFPN.

    The converter puts channels last operator by operator. A product with a tensor without axes it leaves as it is,
    between two TRANSPOSE: up to an eighth of a network's time. Example: `x * select(v / v.sum(), 0)` -> `x * 0.25`.
    """
    import torch

    weights = {**dict(graph.named_parameters()), **dict(graph.named_buffers())}
    values: dict[object, torch.Tensor] = {}
    for node in graph.graph.nodes:
        if node.op == "get_attr" and node.target in weights:
            values[node] = weights[node.target].detach()
        elif node.op == "call_function" and node.all_input_nodes and all(x in values for x in node.all_input_nodes):
            arguments = torch.fx.map_arg((node.args, node.kwargs), values.__getitem__)
            values[node] = node.target(*arguments[0], **arguments[1])
        elif node.target is torch.ops.aten.mul.Tensor:
            for i, factor in enumerate(node.args):
                if factor in values and values[factor].ndim == 0:
                    node.update_arg(i, values[factor].item())
    graph.graph.eliminate_dead_code()
    graph.recompile()


def quantize(source: str, images: str, target: str, input_type: str) -> None:
    """Static int8: weights per channel, activations per tensor, their ranges from calibration images.

    Args:
        source: Float `.tflite` file.
        images: `.npy` file, uint8 (n, H, W, 3).
        target: The quantised file.
        input_type: int8 or uint8; a uint8 input is converted by one QUANTIZE operator at the entry.
    """
    import json

    import numpy as np
    from ai_edge_litert.interpreter import Interpreter  # the extra `litert`
    from ai_edge_quantizer import quantizer, recipe

    rules = list(recipe.static_wi8_ai8())
    if input_type == "uint8":
        rule = json.loads(json.dumps(rules[0]))
        rule["operation"] = "INPUT"
        rule["op_config"]["activation_tensor_config"]["dtype"] = "UINT"
        rules.append(rule)
    made = quantizer.Quantizer(source)
    made.load_quantization_recipe(rules)
    ((signature, names),) = Interpreter(source).get_signature_list().items()
    (name,) = names["inputs"]
    pixels = np.load(images, mmap_mode="r", allow_pickle=False)
    inputs = [{name: np.asarray(image[None], np.float32) / 255} for image in pixels]
    ranges = made.calibrate({signature: inputs}, num_threads=1)
    # An image may hold any byte, also where no calibration image did: [0, 1] makes the scale 1/255 exactly.
    for tensor in (tensor for tensor in ranges if tensor.endswith(name)):
        for key, end in (("min", 0.0), ("max", 1.0)):
            ranges[tensor][key] = np.full_like(ranges[tensor][key], end)
    made.quantize(ranges).export_model(target, overwrite=True)
    choose_in_int8(Path(target))


def choose_in_int8(path: Path) -> None:
    """Let each ARG_MAX read the int8 scores: the quantiser does not know the operator, and puts a DEQUANTIZE before it.

    The largest of scores in 8 bits is the largest of their values, whatever the scale. In the file
    `1 -> DEQUANTIZE -> 2 -> ARG_MAX -> 3` becomes `1 -> ARG_MAX -> 2`: the tensor of floating point goes, too.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema  # the extra `litert`

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    argmax, dequantize = schema.BuiltinOperator.ARG_MAX, schema.BuiltinOperator.DEQUANTIZE
    graph = model.subgraphs[0]
    gone: set[int] = set()
    for before in [one for one in graph.operators if codes[one.opcodeIndex] == dequantize]:
        readers = [one for one in graph.operators if before.outputs[0] in one.inputs]
        if readers and all(codes[one.opcodeIndex] == argmax for one in readers):
            for one in readers:
                one.inputs = [before.inputs[0], *one.inputs[1:]]
                model.operatorCodes[one.opcodeIndex].version = 2  # that of int8
            gone.add(int(before.outputs[0]))
            graph.operators.remove(before)
    if not gone:
        return
    staying = [i for i in range(len(graph.tensors)) if i not in gone]
    number = {-1: -1, **{old: new for new, old in enumerate(staying)}}
    graph.tensors = [graph.tensors[i] for i in staying]
    for part in (graph, *graph.operators):
        part.inputs, part.outputs = ([number[int(i)] for i in ends] for ends in (part.inputs, part.outputs))
    for signature in model.signatureDefs or []:
        for entry in (*signature.inputs, *signature.outputs):
            entry.tensorIndex = number[entry.tensorIndex]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


if __name__ == "__main__":
    convert(*sys.argv[2:]) if sys.argv[1] == "convert" else quantize(*sys.argv[2:])
