"""The parts of a model space whose latencies are added: as large as the choices allow.

A device fuses neighbouring operators and keeps them in a layout of its own, so single operators say little about a
network. A block is therefore the largest module without a choice of structure inside: a candidate of a choice, a stem,
a fusion, a head; or a chain of single layers. Where widths are searched, each of its cases is a graph of its own; a
block with very many of them is divided into its children instead.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from nni.mutable import ensure_frozen
from torch import nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from ednas_nni.compat.nas import LayerChoice, ModelSpace, MutableModule, Repeat
from ednas_nni.cost.layers import DeclaresChannels, kind_of
from ednas_nni.cost.reading import constructor_argument, constructor_arguments, labels_in
from ednas_nni.cost.tracer import Given, ModuleCall, Operator, Tree, Value, trace_image
from ednas_nni.errors import StudyError
from ednas_nni.graphs.capture import capture
from ednas_nni.graphs.graph import Graph
from ednas_nni.nn.tree import domains_of, walk
from ednas_nni.space.domains import Condition, Domains, Scalar

MOST_CASES = 64
"""A block with more cases of its widths is divided into its children."""
_WRITTEN = ("out_channels", "num_features", "out_features", "channels")
"""Arguments that say how many channels a layer writes."""
_READ = ("in_channels", "num_features", "in_features", "channels")
"""Arguments that say how many channels a layer reads."""


When = Literal["never", "earlier", "later"]


@dataclass(frozen=True)
class PricedBlock:
    """A part of the space that runs as a whole or not at all.

    Attributes:
        path: Its dotted name in the space.
        module: The module in the space.
        condition: When a network contains it.
        labels: Those that decide its widths, in the order of the space.
        calls: One entry for each time it runs.
        layers: Where it is no module of the space but a chain of single layers: these.
    """

    path: str
    module: nn.Module
    condition: Condition
    labels: tuple[str, ...]
    calls: tuple[BlockCall, ...]
    layers: tuple[nn.Module, ...] = ()

    def graphs(self, sample: Mapping[str, Scalar]) -> list[tuple[Graph, BlockCall]]:
        """Its graphs, one for each call that does something, for values of its labels."""
        module = _frozen(self.module, sample) if self.labels else self.module
        graphs = [(capture(module, *call.arguments(sample)), call) for call in self.calls]
        return [(graph, call) for graph, call in graphs if graph.nodes]


def blocks_of(space: ModelSpace, size: tuple[int, int]) -> list[PricedBlock]:
    """All blocks of a space at (height, width) pixels; each layer that runs is in exactly one of them.

    Heights and widths in pixels must not depend on choices.

    Raises:
        StudyError: Widths are searched and the channels that a block reads are unknown.
    """
    domains = domains_of(space)
    conditions: dict[str, list[Condition]] = {}
    for leaf in walk(space):
        parts = leaf.path.split(".")
        for end in range(1, len(parts) + 1):
            conditions.setdefault(".".join(parts[:end]), []).append(leaf.condition)
    where = {id(module): met[0] for path, module in space.named_modules() if (met := conditions.get(path))}
    calls = SpaceCalls(space, size, where)
    searched = any(labels_in(width) for module in space.modules() for width in _arguments(module))

    def below(path: str, module: nn.Module) -> Iterator[PricedBlock]:
        structure = any(isinstance(part, LayerChoice | Repeat) for part in module.modules())
        given = calls.of(module) if path and not structure and len(set(conditions[path])) == 1 else []
        if given:
            labels = _labels(module, given, domains)
            cases = math.prod(len(domains[label].values) for label in labels)
            if cases <= MOST_CASES or next(module.children(), None) is None:
                if searched:
                    _check_widths(path, given)
                layers = () if next(module.children(), None) is not None else (module,)
                yield PricedBlock(path, module, conditions[path][0], labels, tuple(given), layers)
                return
        inner = (below(f"{path}.{name}" if path else name, child) for name, child in module.named_children())
        yield from _chained(itertools.chain.from_iterable(inner), calls, domains)

    return list(below("", space))


def _chained(blocks: Iterable[PricedBlock], calls: SpaceCalls, domains: Domains) -> Iterator[PricedBlock]:
    """Single layers that read each other's output as one block: a norm is folded into the convolution before it."""
    before: PricedBlock | None = None
    for block in blocks:
        if before is not None and _follows(block, before, calls):
            layers = [*before.layers, *block.layers]
            deciding = {*before.labels, *block.labels}
            labels = tuple(label for label in domains.labels if label in deciding)
            given = (replace(before.calls[0], ends=block.calls[0].ends),)
            before = replace(before, module=_Chain(*layers), layers=tuple(layers), labels=labels, calls=given)
            continue
        if before is not None:
            yield before
        before = block
    if before is not None:
        yield before


class _Chain(nn.Sequential):
    """Layers one after the other, of which the first may have several inputs."""

    def forward(self, *args: Tree, **kwargs: Tree) -> Tree:
        first, *rest = self
        result = first(*args, **kwargs)
        for layer in rest:
            result = layer(result)
        return result


def _follows(block: PricedBlock, before: PricedBlock, calls: SpaceCalls) -> bool:
    if not (block.layers and before.layers) or block.condition != before.condition:
        return False
    reads = [tensor for call in block.calls for tensor in call.tensors]
    return len(before.calls) == 1 and len(reads) == 1 and calls.follows(reads[0], before.layers[-1])


def _check_widths(path: str, calls: Sequence[BlockCall]) -> None:
    if any(width is None for call in calls for width in call.widths):
        raise StudyError(
            f"{path}: it reads a tensor that no layer of known width wrote, and the space's widths are searched. Use "
            "the layers of ednas_nni.nn.elementwise for what a forward does between layers"
        )


def _labels(module: nn.Module, calls: Sequence[BlockCall], domains: Domains) -> tuple[str, ...]:
    """Labels that decide the widths of a block and of what it reads."""
    values = [width for call in calls for width in call.widths]
    values += [value for part in module.modules() for value in _arguments(part)]
    deciding = {label for value in values for label in labels_in(value)}
    return tuple(label for label in domains.labels if label in deciding)


def _arguments(module: nn.Module) -> list[object]:
    """Constructor arguments that may be searched."""
    values = list(constructor_arguments(module).values())
    return [*values, module.channels] if isinstance(module, DeclaresChannels) else values


def _frozen(module: nn.Module, sample: Mapping[str, Scalar]) -> nn.Module:
    """The block as networks of a sample have it, without weights; the space stays as it is.

    As NNI's `recursive_freeze`, which copies all weights of every level of modules.
    """
    if isinstance(module, MutableModule):
        with torch.device("meta"):
            return module.freeze(dict(sample))
    frozen = copy.copy(module)
    frozen._modules = {name: _frozen(child, sample) for name, child in module.named_children()}
    if isinstance(frozen, DeclaresChannels):
        frozen.channels = ensure_frozen(frozen.channels, sample=dict(sample))
    return frozen


# -------------------------------------------------------------------- what a block is given
@dataclass(frozen=True)
class BlockCall:
    """What a block was given in one call.

    Attributes:
        tensors: Their channel numbers are those of the space's first widths.
        widths: Channel numbers of the tensors, NNI expressions where they are searched.
        rest: How arguments are made of tensors and everything else.
        others: When other parts read each of the tensors, where all choices are the first ones: "later", which means
            that it takes memory until then, else "earlier" or "never".
        ends: Whether an output of the network may be what the block gives.
    """

    tensors: tuple[Value, ...]
    widths: tuple[object, ...]
    rest: tuple[list[Tree], TreeSpec] = field(repr=False)
    others: tuple[When, ...]
    ends: bool

    def arguments(self, sample: Mapping[str, Scalar]) -> Given:
        """Positional and named arguments for the widths of a sample."""
        shaped = []
        for tensor, width in zip(self.tensors, self.widths, strict=True):
            channels = ensure_frozen(width, sample=dict(sample)) if labels_in(width) else tensor.shape[1]
            shaped.append(torch.empty(tensor.shape[0], channels, *tensor.shape[2:], device="meta"))
        values, spec = self.rest
        left = iter(shaped)
        arguments: Given = tree_unflatten([next(left) if isinstance(x, Value) else x for x in values], spec)
        return arguments


class SpaceCalls:
    """What every module of a space is given in a pass in which all candidates run.

    Channels of tensors are integers or NNI expressions. The layers of a block that read a tensor know best: where
    candidates write different widths, a pass through a space goes on with the first one's. A concatenation says nothing
    about its parts; there, who wrote them has to tell.
    """

    def __init__(self, space: ModelSpace, size: tuple[int, int], where: Mapping[int, Condition]) -> None:
        seen = trace_image(space, size)
        self._where = where
        self._first = {dimension.label: dimension.values[0] for dimension in domains_of(space).dimensions}
        self._reads: dict[Value, list[tuple[int, int]]] = {}
        self._merged = {merged.result: merged.default for merged in seen.merged}
        options = {merged.result: [value for _, value in merged.options] for merged in seen.merged}
        self._ends: set[Value] = set()
        left = list(seen.outputs)
        while left:
            if (value := left.pop()) not in self._ends:
                self._ends.add(value)
                left += options.get(value, ())
        self._calls: dict[int, list[ModuleCall]] = {}
        self._outputs: dict[int, Value] = {}
        self._writers: dict[Value, object] = {seen.inputs[0]: seen.inputs[0].shape[1]}
        self._readers: dict[Value, dict[int, object]] = {}
        for at, event in enumerate(seen.events):
            if isinstance(event, Operator):
                for value in event.reads:
                    self._reads.setdefault(self._chosen(value), []).append((at, id(event.module)))
            else:
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
            widths = tuple(self._width(x, inside) for x in tensors)
            ends = event.output in self._ends
            others = tuple(self._others(x, module, inside, ends) for x in tensors)
            calls.append(BlockCall(tensors, widths, (values, spec), others, ends))
        return calls

    def _others(self, tensor: Value, module: nn.Module, inside: Set[int], ends: bool) -> When:
        """When others read what a module is given; of the ends of a graph, compilers run the last one first."""
        reads = self._reads.get(self._chosen(tensor), [])
        here = self._where.get(id(module), ())
        start = next((at for at, reader in reads if reader in inside), None)
        others = [at for at, reader in reads if reader not in inside and self._beside(here, reader)]
        if start is None or not others:
            return "never"
        if any(at < start if ends else at > start for at in others):
            return "later"
        return "earlier"

    def _beside(self, here: Condition, reader: int) -> bool:
        """Whether a network of first choices, but for those of a condition, has a reader."""
        chosen = {**self._first, **{one.label: min(one.values, key=str) for (one, *more) in here if not more}}
        return all(any(chosen[x.label] in x.values for x in clause) for clause in self._where.get(reader, ()))

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


def _argument(module: nn.Module, names: Sequence[str]) -> object:
    """The first of these constructor arguments that a layer has."""
    name = next((name for name in names if getattr(module, name, None) is not None), None)
    return None if name is None else constructor_argument(module, name)
