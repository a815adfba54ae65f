"""What every module of a model space is given, and of which channel numbers: one pass in which all candidates run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import torch
from nni.mutable import ensure_frozen
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from ednas_nni.compat.nas import ModelSpace
from ednas_nni.cost.layers import kind_of
from ednas_nni.cost.reading import constructor_argument, labels_in
from ednas_nni.cost.tracer import ModuleCall, Value, trace_image

_WRITTEN = ("out_channels", "num_features", "out_features", "channels")
"""Arguments that say how many channels a layer writes."""
_READ = ("in_channels", "num_features", "in_features", "channels")
"""Arguments that say how many channels a layer reads."""


@dataclass(frozen=True)
class BlockCall:
    """What a block was given in one call.

    Attributes:
        tensors: Their channel numbers are those of the space's first widths.
        widths: Channel numbers of the tensors, NNI expressions where they are searched.
        rest: How arguments are made of tensors and everything else.
    """

    tensors: tuple[Value, ...]
    widths: tuple[object, ...]
    rest: Any = field(repr=False)

    def arguments(self, sample: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and named arguments for the widths of a sample."""
        shaped = []
        for tensor, width in zip(self.tensors, self.widths, strict=True):
            channels = ensure_frozen(width, sample=dict(sample)) if labels_in(width) else tensor.shape[1]
            shaped.append(torch.empty(tensor.shape[0], channels, *tensor.shape[2:], device="meta"))
        values, spec = self.rest
        left = iter(shaped)
        return tree_unflatten([next(left) if isinstance(x, Value) else x for x in values], spec)


class SpaceCalls:
    """What every module of a space is given in a pass in which all candidates run.

    Channels of tensors are integers or NNI expressions. The layers of a block that read a tensor know best: where
    candidates write different widths, a pass through a space goes on with the first one's. A concatenation says nothing
    about its parts; there, who wrote them has to tell.

    Args:
        space: Any model space.
        size: Image (height, width) in pixels.
    """

    def __init__(self, space: ModelSpace, size: tuple[int, int]) -> None:
        seen = trace_image(space, size)
        self._merged = {merged.result: merged.default for merged in seen.merged}
        self._calls: dict[int, list[ModuleCall]] = {}
        self._outputs: dict[int, Value] = {}
        self._writers: dict[Value, object] = {seen.inputs[0]: seen.inputs[0].shape[1]}
        self._readers: dict[Value, dict[int, object]] = {}
        for event in seen.events:
            if isinstance(event, ModuleCall):
                self._calls.setdefault(id(event.module), []).append(event)
                if next(event.module.children(), None) is None:
                    self._layer(event)

    def of(self, module: nn.Module) -> list[BlockCall]:
        """The calls of one module."""
        inside = {id(part) for part in module.modules()}
        calls = []
        for event in self._calls.get(id(module), ()):
            values, spec = tree_flatten(event.arguments)
            tensors = tuple(x for x in values if isinstance(x, Value))
            calls.append(BlockCall(tensors, tuple(self._width(x, inside) for x in tensors), (values, spec)))
        return calls

    def follows(self, tensor: Value, layer: nn.Module) -> bool:
        """Whether a tensor is what a layer gave."""
        return self._chosen(tensor) is self._outputs.get(id(layer))

    def _layer(self, event: ModuleCall) -> None:
        inputs = [self._chosen(value) for value in event.inputs]
        width = None if kind_of(event.module) == "concat" else _argument(event.module, _READ)
        if width is not None:
            for value in inputs:
                self._readers.setdefault(value, {})[id(event.module)] = width
        if event.output is None:
            return
        output = self._outputs[id(event.module)] = self._chosen(event.output)
        if output in self._writers:
            return
        width = _argument(event.module, _WRITTEN)
        if width is None and inputs and inputs[0].shape[1:2] == output.shape[1:2]:
            width = self._writers.get(inputs[0])
        self._writers[output] = width

    def _width(self, tensor: Value, inside: Set[int]) -> object:
        """Channels of what the modules with these ids are given, None where nothing says how many."""
        value = self._chosen(tensor)
        readers = self._readers.get(value, {})
        return next((readers[key] for key in readers if key in inside), self._writers.get(value))

    def _chosen(self, value: Value) -> Value:
        """The result of a choice is that of its first candidate, as far as the pass goes on with its shape."""
        while value in self._merged:
            value = self._merged[value]
        return value


def _argument(module: nn.Module, names: Sequence[str]) -> Any:
    """The first of these constructor arguments that a layer has."""
    name = next((name for name in names if hasattr(module, name)), None)
    return None if name is None else constructor_argument(module, name)
