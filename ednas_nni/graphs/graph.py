"""An inference graph in ONNX's operators, as plain data: what a latency is measured of and stored under."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

Shape = tuple[int, ...]
Attribute: TypeAlias = int | float | str | list[int]
"""What ONNX writes beside the inputs of an operator."""


@dataclass(frozen=True)
class Constant:
    """A weight or another fixed tensor; without values where only the shape is known.

    The values of a `structural` one are structure (a size, an axis, a limit) and no weights.
    """

    shape: Shape
    values: np.ndarray | None = field(default=None, repr=False, compare=False)
    structural: bool = False


@dataclass(frozen=True)
class Node:
    """One operator of ONNX; `inputs` has "" for one that is left out, `shape` is that of the tensor it writes."""

    op: str
    inputs: tuple[str, ...]
    output: str
    shape: Shape
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    @property
    def elements(self) -> int:
        """Of the tensor that is written."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Graph:
    """Operators in the order they run in, float32, batch 1.

    Attributes:
        inputs: Name -> shape of what the graph is given.
        outputs: Names of what it gives.
        nodes: Operators.
        constants: Name -> constant; only those that a node reads.
    """

    inputs: Mapping[str, Shape]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Constant]

    @property
    def signature(self) -> str:
        """Twenty-four hex digits over structure, shapes and attributes; weights do not matter, nor do names."""
        order: dict[str, int] = {"": -1}
        inputs = [list(shape) for shape in self.inputs.values()]
        for name in self.inputs:
            order[name] = len(order)
        rows: list[object] = []
        for node in self.nodes:
            for name in node.inputs:
                if name not in order:
                    order[name] = len(order)
                    constant = self.constants[name]
                    structure = constant.values if constant.structural else None
                    rows.append([order[name], list(constant.shape), None if structure is None else structure.tolist()])
            order[node.output] = len(order)
            rows.append([node.op, [order[name] for name in node.inputs], sorted(node.attributes.items())])
        text = json.dumps([inputs, rows, [order[name] for name in self.outputs]], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions."""
        return sum(
            node.elements * math.prod(self.constants[node.inputs[1]].shape[1:])
            for node in self.nodes
            if node.op == "Conv"
        )

    @property
    def memory_bytes(self) -> int:
        """Weights, and the most that tensors between operators occupy at one time in this order, in float32."""
        last = {name: i for i, node in enumerate(self.nodes) for name in node.inputs}
        last |= dict.fromkeys(self.outputs, len(self.nodes))
        ends: dict[int, int] = {}
        live = peak = sum(math.prod(shape) for shape in self.inputs.values())
        for i, node in enumerate(self.nodes):
            live += node.elements
            peak = max(peak, live)
            end = last.get(node.output, i)
            ends[end] = ends.get(end, 0) + node.elements
            live -= ends.pop(i, 0)
        return 4 * (peak + sum(math.prod(constant.shape) for constant in self.constants.values()))


def folded(graph: Graph) -> Graph:
    """The graph with each batch norm folded into the convolution whose output it alone reads, paddings too.

    w' = w * gamma / sqrt(var + eps), b' = beta + (b - mean) * gamma / sqrt(var + eps).
    """
    readers = Counter([*graph.outputs, *(name for node in graph.nodes for name in node.inputs)])
    graph = _without_pads(graph, readers)
    constants = dict(graph.constants)
    nodes: list[Node] = []
    convolutions: dict[str, int] = {}
    for node in graph.nodes:
        at = convolutions.get(node.inputs[0]) if node.op == "BatchNormalization" else None
        if at is None or readers[node.inputs[0]] > 1:
            if node.op == "Conv":
                convolutions[node.output] = len(nodes)
            nodes.append(node)
            continue
        before = nodes[at]
        weight, bias = f"{node.output}.weight", f"{node.output}.bias"
        constants[weight], constants[bias] = _scaled(
            [constants[name] for name in before.inputs[1:]],
            [constants[name] for name in node.inputs[1:]],
            node.attributes["epsilon"],  # type: ignore[arg-type]  # a float, as operators.py writes it
        )
        nodes[at] = Node("Conv", (before.inputs[0], weight, bias), node.output, node.shape, before.attributes)
    return ending_in(Graph(graph.inputs, graph.outputs, tuple(nodes), constants), graph.outputs)


def ending_in(graph: Graph, outputs: Sequence[str]) -> Graph:
    """The graph with these outputs, without operators and constants that lead to none of them."""
    needed, nodes = set(outputs), []
    for node in reversed(graph.nodes):
        if node.output in needed:
            nodes.append(node)
            needed.update(node.inputs)
    constants = {name: constant for name, constant in graph.constants.items() if name in needed}
    return Graph(graph.inputs, tuple(outputs), tuple(nodes[::-1]), constants)


def cut(graph: Graph, size: tuple[int, int]) -> Graph:
    """The graph without enlargements to (height, width) that end it, bilinear or of classes: the host does them."""
    classes = {node.output for node in graph.nodes if node.op == "Cast"}
    before = {
        node.output: node.inputs[0]
        for node in graph.nodes
        if node.op == "Resize" and (node.attributes["mode"] == "linear" or node.inputs[0] in classes)
        if node.shape[2:] == tuple(size)
    }
    return ending_in(graph, [before.get(name, name) for name in graph.outputs])


def _without_pads(graph: Graph, readers: Mapping[str, int]) -> Graph:
    """Zeros around what a convolution alone reads are its own padding: no copy of the tensor is needed."""
    around: dict[str, tuple[str, list[int]]] = {}
    for node in graph.nodes:
        if node.op == "Pad" and readers[node.output] == 1 and len(node.shape) == 4:
            widths, value = (np.asarray(graph.constants[name].values) for name in node.inputs[1:3])
            if not (value.any() or widths[[0, 1, 4, 5]].any() or (widths < 0).any()):
                around[node.output] = node.inputs[0], widths[[2, 3, 6, 7]].tolist()
    nodes = []
    for node in graph.nodes:
        reads, pads = around.get(node.inputs[0], ("", [])) if node.op == "Conv" else ("", [])
        inside = node.attributes.get("pads")
        if pads and isinstance(inside, list):
            attributes = {**node.attributes, "pads": [a + b for a, b in zip(pads, inside, strict=True)]}
            node = replace(node, inputs=(reads, *node.inputs[1:]), attributes=attributes)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def filled(graph: Graph, seed: int = 0) -> Graph:
    """The graph with random values for the constants that have none.

    Kernels such that activations keep their scale (He et al., arXiv 1502.01852), because vanishing ones would become
    denormal numbers, which processors handle slowly; everything else between 0.1 and 0.9.
    """
    rng = np.random.default_rng(seed)
    kernels = {node.inputs[1] for node in graph.nodes if node.op in ("Conv", "Gemm", "MatMul")}
    constants = {
        name: replace(constant, values=_random(rng, constant.shape, name in kernels))
        if constant.values is None
        else constant
        for name, constant in graph.constants.items()
    }
    return replace(graph, constants=constants)


def _random(rng: np.random.Generator, shape: Shape, kernel: bool) -> np.ndarray:
    if not kernel:
        return rng.uniform(0.1, 0.9, shape).astype(np.float32)
    fan_in = math.prod(shape[1:])
    return rng.standard_normal(shape, np.float32) * np.float32((2 / fan_in) ** 0.5)


def renamed(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The graph with other names for some of its tensors."""

    def new(name: str) -> str:
        return names.get(name, name)

    return Graph(
        {new(name): shape for name, shape in graph.inputs.items()},
        tuple(map(new, graph.outputs)),
        tuple(replace(node, inputs=tuple(map(new, node.inputs)), output=new(node.output)) for node in graph.nodes),
        graph.constants,
    )


def _scaled(convolution: list[Constant], norm: list[Constant], epsilon: float) -> tuple[Constant, Constant]:
    """Weight and bias of a convolution with its norm; shapes alone where there are no values."""
    weight, outputs = convolution[0], (convolution[0].shape[0],)
    if weight.values is None:
        return Constant(weight.shape), Constant(outputs)
    gamma, beta, mean, variance = (np.asarray(constant.values) for constant in norm)
    bias = np.asarray(convolution[1].values) if len(convolution) > 1 else np.zeros(outputs, np.float32)
    factor = gamma / np.sqrt(variance + np.float32(epsilon))
    shaped = factor.reshape(-1, *(1,) * (len(weight.shape) - 1))
    return Constant(weight.shape, weight.values * shaped), Constant(outputs, beta + (bias - mean) * factor)
