"""From a torch module to an inference graph: every operator that one forward pass runs, whichever module called it.

With shapes alone (torch's meta device) that takes a fraction of a second and no memory, for a whole network as for a
block of it; with real weights the graph computes what the module computes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from ednas_nni.compat.nas import ModelSpace
from ednas_nni.cost.shapes import run
from ednas_nni.cost.trace import evaluating
from ednas_nni.devices.cpu_onnxruntime.graph import Constant, Graph, Node, folded
from ednas_nni.devices.cpu_onnxruntime.operators import ALIASES, TRANSLATIONS, UnwrittenError
from ednas_nni.errors import StudyError
from ednas_nni.nn.tree import build
from ednas_nni.space.domains import Sample


def capture(
    module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None, *, weights: bool = False
) -> Graph:
    """The inference graph of a module, batch norms folded.

    Args:
        module: In evaluation mode for the pass; mode and parameters stay as they were.
        args: What its forward is given; tensors of batch 1, of which only the shapes matter.
        kwargs: The same by name.
        weights: Whether the graph gets the module's weights; otherwise it knows their shapes only.

    Raises:
        StudyError: The module uses an operator without a translation; the message names it.
    """
    device = "cpu" if weights else "meta"
    args, kwargs = tree_map(lambda x: _stand_in(x, device), (tuple(args), dict(kwargs or {})))
    tensors = {
        name: tensor.detach().to(device)
        for named in (module.named_parameters, module.named_buffers)
        for name, tensor in named()
    }
    mode = _Recorder(type(module).__name__, tensors)
    inputs = [mode.given(tensor) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, torch.Tensor)]
    with evaluating(module), torch.no_grad(), mode:
        found = torch.func.functional_call(module, tensors, args, kwargs, tie_weights=True)
    outputs = [mode.name_of(tensor) for tensor in tree_leaves(found) if isinstance(tensor, torch.Tensor)]
    return folded(mode.graph(inputs, outputs))


def network_graph(space: ModelSpace, sample: Sample, size: tuple[int, int]) -> Graph:
    """The inference graph of one network of a space, without weights.

    Args:
        space: Any model space.
        sample: One of its samples.
        size: Image (height, width) in pixels.
    """
    with torch.random.fork_rng(devices=[]):  # constructing a network draws weights
        network = build(space, sample)
    return capture(network, (torch.empty(1, 3, *size, device="meta"),))


def _stand_in(value: Any, device: str) -> Any:
    return torch.zeros(value.shape, device=device) if isinstance(value, torch.Tensor) else value


class _Recorder(TorchDispatchMode):
    """Writes down operators that read what depends on an input; the others make constants."""

    def __init__(self, owner: str, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self._owner = owner
        self._names: dict[int, str] = {}
        self._alive: list[torch.Tensor] = []  # an id stands for one tensor as long as that tensor lives
        self._constants: dict[str, Constant] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._nodes: list[Node] = []
        self._elements = 0
        for name, tensor in tensors.items():
            self._constant(tensor, f"w.{name}")

    def given(self, tensor: torch.Tensor) -> str:
        """Name of an input."""
        name = self._named(tensor, f"x{len(self._shapes)}")
        self._shapes[name] = tuple(tensor.shape)
        return name

    def name_of(self, tensor: torch.Tensor) -> str:
        """Name of a tensor; one that nobody wrote is a constant."""
        return self._names.get(id(tensor)) or self._constant(tensor, f"c{len(self._constants)}")

    def graph(self, inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
        """What was recorded, without operators that lead to no output."""
        needed, nodes = set(outputs), []
        for node in reversed(self._nodes):
            if node.output in needed:
                nodes.append(node)
                needed.update(node.inputs)
        constants = {name: constant for name, constant in self._constants.items() if name in needed}
        return Graph({name: self._shapes[name] for name in inputs}, tuple(outputs), tuple(nodes[::-1]), constants)

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """As `operators.Writer`."""
        self._nodes.append(Node(op, tuple(inputs), f"t{len(self._nodes)}", self._elements, attributes))
        return self._nodes[-1].output

    def number(self, value: float) -> str:
        """As `operators.Writer`."""
        return self._structural(np.array(value, np.float32))

    def integers(self, values: Sequence[int]) -> str:
        """As `operators.Writer`."""
        return self._structural(np.array(values, np.int64))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        output = run(func, args, kwargs)
        read = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        written = output if isinstance(output, torch.Tensor) else next(iter(output))
        if all(self.name_of(tensor) in self._constants for tensor in read):
            self._constant(written, f"c{len(self._constants)}")
            return output
        operator = func.overloadpacket.__name__
        if operator in ALIASES:
            self._named(written, self.name_of(read[0]))
            return output
        named = tree_map(lambda x: self.name_of(x) if isinstance(x, torch.Tensor) else x, _in_order(func, args, kwargs))
        self._named(written, self._written(operator, named, tuple(written.shape)))
        return output

    def _written(self, operator: str, args: Sequence[Any], shape: tuple[int, ...]) -> str:
        self._elements = math.prod(shape)
        # A trailing underscore means in place: the same tensor has a new value, hence a new name.
        translation = TRANSLATIONS.get(operator) or TRANSLATIONS.get(operator.rstrip("_"))
        unknown = "" if translation is not None else f"Known: {', '.join(sorted(TRANSLATIONS))}."
        if translation is not None:
            try:
                return translation(self, args, shape)
            except UnwrittenError as error:
                unknown = f"It is used {error}."
        raise StudyError(
            f"{self._owner}: torch's operator {operator!r} (output {'x'.join(map(str, shape))}) is not translated to "
            f"ONNX. {unknown} Build the layer from known operators, or add a rule in "
            "ednas_nni/devices/cpu_onnxruntime/operators.py"
        )

    def _named(self, tensor: torch.Tensor, name: str) -> str:
        self._names[id(tensor)] = name
        self._alive.append(tensor)
        return name

    def _constant(self, tensor: torch.Tensor, name: str) -> str:
        values = None if tensor.is_meta else tensor.detach().clone().numpy()
        self._constants[name] = Constant(tuple(tensor.shape), values)
        return self._named(tensor, name)

    def _structural(self, values: np.ndarray) -> str:
        name = f"s{len(self._constants)}"
        self._constants[name] = Constant(values.shape, values, structural=True)
        return name


def _in_order(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> list[Any]:
    """Arguments by position, those given by name included."""
    if not kwargs:
        return list(args)
    rest = [argument for argument in func._schema.arguments[len(args) :]]
    last = max((i for i, argument in enumerate(rest) if argument.name in kwargs), default=-1)
    return [*args, *(kwargs.get(argument.name, argument.default_value) for argument in rest[: last + 1])]
