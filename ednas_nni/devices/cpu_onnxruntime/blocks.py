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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from nni.mutable import ensure_frozen
from torch import nn

from ednas_nni.compat.nas import LayerChoice, ModelSpace, MutableModule, Repeat
from ednas_nni.cost.reading import labels_in
from ednas_nni.devices.cpu_onnxruntime.calls import BlockCall, SpaceCalls
from ednas_nni.devices.cpu_onnxruntime.capture import capture
from ednas_nni.devices.cpu_onnxruntime.graph import Graph
from ednas_nni.errors import StudyError
from ednas_nni.nn.tree import domains_of, walk
from ednas_nni.space.domains import Condition, Domains

MOST_CASES = 64
"""A block with more cases of its widths is divided into its children."""


@dataclass(frozen=True)
class Block:
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

    def graphs(self, sample: Mapping[str, Any]) -> list[Graph]:
        """Its graphs, one for each call that does something, for values of its labels."""
        module = _frozen(self.module, sample) if self.labels else self.module
        found = [capture(module, *call.arguments(sample)) for call in self.calls]
        return [graph for graph in found if graph.nodes]


def blocks_of(space: ModelSpace, size: tuple[int, int]) -> list[Block]:
    """All blocks of a space; each layer that runs is in exactly one of them.

    Args:
        space: Any model space whose heights and widths in pixels do not depend on choices.
        size: Image (height, width) in pixels.

    Raises:
        StudyError: Widths are searched and the channels that a block reads are unknown.
    """
    domains = domains_of(space)
    conditions: dict[str, list[Condition]] = {}
    for leaf in walk(space):
        parts = leaf.path.split(".")
        for end in range(1, len(parts) + 1):
            conditions.setdefault(".".join(parts[:end]), []).append(leaf.condition)
    calls = SpaceCalls(space, size)
    searched = any(labels_in(width) for module in space.modules() for width in _arguments(module))

    def below(path: str, module: nn.Module) -> Iterator[Block]:
        structure = any(isinstance(part, LayerChoice | Repeat) for part in module.modules())
        found = calls.of(module) if path and not structure and len(set(conditions[path])) == 1 else []
        if found:
            labels = _labels(module, found, domains)
            cases = math.prod(len(domains[label].values) for label in labels)
            if cases <= MOST_CASES or next(module.children(), None) is None:
                if searched:
                    _check_known(path, found)
                layers = () if next(module.children(), None) is not None else (module,)
                yield Block(path, module, conditions[path][0], labels, tuple(found), layers)
                return
        inner = (below(f"{path}.{name}" if path else name, child) for name, child in module.named_children())
        yield from _chained(itertools.chain.from_iterable(inner), calls, domains)

    return list(below("", space))


def _chained(blocks: Iterable[Block], calls: SpaceCalls, domains: Domains) -> Iterator[Block]:
    """Single layers that read each other's output as one block: a norm is folded into the convolution before it."""
    before: Block | None = None
    for block in blocks:
        if before is not None and _follows(block, before, calls):
            layers = [*before.layers, *block.layers]
            deciding = {*before.labels, *block.labels}
            labels = tuple(label for label in domains.labels if label in deciding)
            before = replace(before, module=_Chain(*layers), layers=tuple(layers), labels=labels)
            continue
        if before is not None:
            yield before
        before = block
    if before is not None:
        yield before


class _Chain(nn.Sequential):
    """Layers one after the other, of which the first may have several inputs."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        first, *rest = self
        found = first(*args, **kwargs)
        for layer in rest:
            found = layer(found)
        return found


def _follows(block: Block, before: Block, calls: SpaceCalls) -> bool:
    if not (block.layers and before.layers) or block.condition != before.condition:
        return False
    reads = [tensor for call in block.calls for tensor in call.tensors]
    return len(before.calls) == 1 and len(reads) == 1 and calls.follows(reads[0], before.layers[-1])


def _check_known(path: str, calls: Sequence[BlockCall]) -> None:
    if any(width is None for call in calls for width in call.widths):
        raise StudyError(
            f"{path}: it reads a tensor that no layer of known width wrote, and the space's widths are searched. Use "
            "the layers of ednas_nni.nn.elementwise for what a forward does between layers"
        )


def _labels(module: nn.Module, calls: Sequence[BlockCall], domains: Domains) -> tuple[str, ...]:
    """Labels that decide the widths of a block and of what it reads."""
    values = [width for call in calls for width in call.widths]
    values += [value for part in module.modules() for value in _arguments(part)]
    found = {label for value in values for label in labels_in(value)}
    return tuple(label for label in domains.labels if label in found)


def _arguments(module: nn.Module) -> list[Any]:
    """Constructor arguments that may be searched."""
    given = getattr(module, "trace_kwargs", None)
    values = list(given.values()) if isinstance(given, Mapping) else []
    return [*values, module.channels] if hasattr(module, "channels") else values


def _frozen(module: nn.Module, sample: Mapping[str, Any]) -> nn.Module:
    """The block as networks of a sample have it, without weights; the space stays as it is.

    As NNI's `recursive_freeze`, which copies all weights of every level of modules.
    """
    if isinstance(module, MutableModule):
        with torch.device("meta"):
            return module.freeze(dict(sample))
    found = copy.copy(module)
    found._modules = {name: _frozen(child, sample) for name, child in module.named_children()}
    if hasattr(found, "channels"):
        found.channels = ensure_frozen(found.channels, sample=dict(sample))
    return found
