"""From a torch module to an inference graph: every operator that one forward pass runs, whichever module called it.

With shapes alone that takes a fraction of a second and no memory, for a whole network as for a block of it; with real
weights the graph computes what the module computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from ednas_nni.compat.nas import ModelSpace
from ednas_nni.cost.tracer import Operator, Trace, Tree, Value, image_arguments, trace
from ednas_nni.errors import StudyError
from ednas_nni.graphs.graph import Attribute, Constant, Graph, Node, Shape, ending_in, folded
from ednas_nni.graphs.operators import ALIASES, TRANSLATIONS, UnwrittenError
from ednas_nni.nn.tree import build
from ednas_nni.space.domains import Sample


def capture(
    module: nn.Module, args: Sequence[Tree], kwargs: Mapping[str, Tree] | None = None, *, weights: bool = False
) -> Graph:
    """The inference graph of a module, batch norms folded; the module stays as it was.

    Its forward is given tensors of batch 1, of which only the shapes matter. With `weights` the graph gets the module's
    own; otherwise it knows their shapes only. StudyError names an operator without a translation.
    """
    writer = _Writer(type(module).__name__, trace(module, args, kwargs, weights=weights))
    return folded(writer.graph())


def network_graph(space: ModelSpace, sample: Sample, size: tuple[int, int]) -> Graph:
    """The inference graph of one network of a space, without weights, for an image of (height, width) pixels."""
    with torch.random.fork_rng(devices=[]):  # constructing a network draws weights
        network = build(space, sample)
    return capture(network, *image_arguments(network, size))


class _Writer:
    """Writes the operators of a pass in ONNX, as `operators.Writer`."""

    def __init__(self, owner: str, seen: Trace) -> None:
        self._owner, self._seen = owner, seen
        self._inputs = {f"x{i}": value.shape for i, value in enumerate(seen.inputs)}
        self._names: dict[Value, str] = dict(zip(seen.inputs, self._inputs, strict=True))  # now; work in place renames
        self._constants: dict[str, Value | Constant] = {}
        self._nodes: list[Node] = []
        self._shape: Shape = ()
        for name, value in seen.weights.items():
            self._constants[f"w.{name}"] = value
            self._names[value] = f"w.{name}"
        for event in seen.events:
            if isinstance(event, Operator):
                self._write(event)

    def graph(self) -> Graph:
        """What was written, without operators that lead to no output."""
        outputs = tuple(self._name(value) for value in self._seen.outputs)
        constants = {name: _constant(value) for name, value in self._constants.items()}
        return ending_in(Graph(self._inputs, outputs, tuple(self._nodes), constants), outputs)

    def node(self, op: str, inputs: Sequence[str], **attributes: Attribute) -> str:
        self._nodes.append(Node(op, tuple(inputs), f"t{len(self._nodes)}", self._shape, attributes))
        return self._nodes[-1].output

    def number(self, value: float) -> str:
        return self._structural(np.array(value, np.float32))

    def integers(self, values: int | Sequence[int]) -> str:
        return self._structural(np.array(values, np.int64))

    def _write(self, operator: Operator) -> None:
        if operator.name in ALIASES:
            self._names[operator.output] = self._name(operator.reads[0])
            return
        shape = self._shape = operator.output.shape
        # A trailing underscore means in place: the same tensor has a new value, hence a new name.
        translation = TRANSLATIONS.get(operator.name) or TRANSLATIONS.get(operator.name.rstrip("_"))
        why = "" if translation is not None else f"Translated are {', '.join(sorted(TRANSLATIONS))}."
        if translation is not None:
            try:
                self._names[operator.output] = translation(self, self._with_names(operator.arguments), shape)
                return
            except UnwrittenError as error:
                why = f"It is used {error}."
        raise StudyError(
            f"{self._owner}: torch's operator {operator.name!r} (output {'x'.join(map(str, shape))}) is not translated "
            f"to ONNX. {why} Build the layer from known operators, or add a rule in "
            "ednas_nni/graphs/operators.py"
        )

    def _with_names(self, arguments: Sequence[Tree]) -> list[Tree]:
        return [
            self._name(x) if isinstance(x, Value) else (self._with_names(x) if isinstance(x, list) else x)
            for x in arguments
        ]

    def _name(self, value: Value) -> str:
        if value not in self._names:
            self._names[value] = f"c{len(self._constants)}"
            self._constants[self._names[value]] = value
        return self._names[value]

    def _structural(self, values: np.ndarray) -> str:
        name = f"s{len(self._constants)}"
        self._constants[name] = Constant(values.shape, values, structural=True)
        return name


def _constant(value: Value | Constant) -> Constant:
    if isinstance(value, Constant):
        return value
    tensor = value.constant
    return Constant(value.shape, None if tensor is None or tensor.is_meta else tensor.clone().numpy())
