"""Layer records of a network that exists: the reference that every cost table must equal."""

from __future__ import annotations

from torch import nn

from ednas_nni.errors import StudyError
from ednas_nni.hardware.records import LayerRecord
from ednas_nni.hardware.rules import layer_record
from ednas_nni.hardware.trace import Trace, trace

__all__ = ["LayerRecord", "check_containers", "check_counted", "layer_records"]


def layer_records(network: nn.Module, size: tuple[int, int]) -> list[LayerRecord]:
    """All layer calls of a network for one image, in module order.

    Args:
        network: An instantiated network; its weights and mode are not touched.
        size: Image (height, width) in pixels.

    Raises:
        StudyError: A layer with parameters has no cost rule or never ran; parameters sit outside of layers; or some
            multiply-adds happen outside of layers (a matrix product in a ``forward``).
    """
    check_containers(network)
    seen = trace(network, size)
    records = []
    for path, module in network.named_modules():
        if next(module.children(), None) is not None:
            continue
        calls = seen.calls.get(id(module), [])
        if not calls and next(module.parameters(), None) is not None:
            raise StudyError(
                f"{path}: this {type(module).__name__} never ran in a forward pass at {size[0]}x{size[1]}, so its "
                "cost is unknown. Remove layers that the network does not use"
            )
        for number, call in enumerate(calls):
            record = layer_record(path, module, call, lambda name, m=module: getattr(m, name), number == 0)
            if record is not None:
                records.append(record)
    check_counted(seen, sum(record.macs for record in records), type(network).__name__)
    return records


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
