"""Layer records of a network that exists: the reference that every cost table must equal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from torch import nn

from ednas_nni.cost.recording import Call, Step
from ednas_nni.cost.records import LayerRecord
from ednas_nni.cost.rules import channels_of, has_rule, layer_record, operator_record
from ednas_nni.cost.trace import Trace, trace
from ednas_nni.errors import StudyError

__all__ = ["LayerRecord", "check_containers", "check_counted", "counted_steps", "layer_records"]


def layer_records(network: nn.Module, size: tuple[int, int]) -> list[LayerRecord]:
    """All layer calls of a network for one image, in the order in which they run.

    Operators outside of layers (a sum in a ``forward``) have records of their own, whose path ends in ``:operator``.

    Args:
        network: An instantiated network; its weights and mode are not touched.
        size: Image (height, width) in pixels.

    Raises:
        StudyError: A layer with parameters has no cost rule or never ran; parameters sit outside of layers; or some
            multiply-adds happen outside of layers (a matrix product in a ``forward``).
    """
    return [record for _, record in records_of_steps(network, trace(network, size), size)]


def records_of_steps(network: nn.Module, seen: Trace, size: tuple[int, int]) -> list[tuple[Step, LayerRecord]]:
    """The steps of a network's pass that cost something, with their records; see ``layer_records``."""
    check_containers(network)
    paths = {id(module): path for path, module in network.named_modules()}
    found, ran = [], set()
    for step in counted_steps(seen):
        path = paths[id(step.module)]
        if step.operator:
            read, written = sum(map(math.prod, step.call.inputs)), math.prod(step.call.output)
            found.append((step, operator_record(path, step.operator, step.call, read, written)))
            continue
        record = layer_record(path, step.module, step.call, _reader(step.module, step.call), id(step.module) not in ran)
        ran.add(id(step.module))
        if record is not None:
            found.append((step, record))
    for path, module in network.named_modules():
        leaf = next(module.children(), None) is None and next(module.parameters(), None) is not None
        if leaf and id(module) not in ran:
            raise StudyError(
                f"{path}: this {type(module).__name__} never ran in a forward pass at {size[0]}x{size[1]}, so its "
                "cost is unknown. Remove layers that the network does not use"
            )
    check_counted(seen, sum(record.macs for _, record in found), type(network).__name__)
    return found


def counted_steps(seen: Trace) -> Iterator[Step]:
    """Calls of layers that have a cost rule, and the operators outside of such layers."""
    for step in seen.steps:
        if step.operator:
            if step.inside is None or not has_rule(step.inside):
                yield step
        elif has_rule(step.module):
            yield step


def _reader(module: nn.Module, call: Call) -> Any:
    def read(name: str) -> Any:
        return channels_of(call.output) if name == "channels" and not hasattr(module, name) else getattr(module, name)

    return read


def check_containers(network: nn.Module) -> None:
    """Refuse parameters that belong to no layer.

    Raises:
        StudyError: Names the parameter.
    """
    for path, module in network.named_modules():
        if next(module.children(), None) is None:
            continue
        for name, _ in module.named_parameters(recurse=False):
            raise StudyError(
                f"{path or type(network).__name__}: parameter {name!r} belongs to a module with children, so no layer "
                "accounts for it. Put it into a layer of its own"
            )


def check_counted(seen: Trace, macs: int, name: str) -> None:
    """Compare the records with what torch counted operator by operator.

    Raises:
        StudyError: They differ, so some arithmetic happens outside of layers.
    """
    if seen.macs != macs:
        raise StudyError(
            f"{name}: layers account for {macs:,} MACs, but the forward pass does {seen.macs:,}. Some convolution "
            "or matrix product is called as a function; make it a layer so that it can be priced"
        )
