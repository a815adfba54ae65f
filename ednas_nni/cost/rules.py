"""How modules and operators become layer records: the one place that knows torch's layer classes and operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from ednas_nni.cost.recording import Call
from ednas_nni.cost.records import KINDS, Kind, LayerRecord, convolution, elementwise, linear
from ednas_nni.errors import StudyError

Read = Callable[[str], Any]
"""Looks up a constructor argument of the layer, such as ``out_channels``; in a space, for one sample."""

_STOCK: dict[Kind, tuple[type[nn.Module], ...]] = {
    "activation": (
        nn.ReLU,
        nn.ReLU6,
        nn.LeakyReLU,
        nn.ELU,
        nn.GELU,
        nn.SiLU,
        nn.Hardswish,
        nn.Hardtanh,
        nn.Hardsigmoid,
        nn.Sigmoid,
        nn.Tanh,
        nn.Softplus,
        nn.Softmax,
        nn.Softmax2d,
    ),
    "pool": (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
    "resize": (nn.Upsample,),
    "pad": (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d),
}
_NAMES = {
    "activation": "relu relu6 hardtanh clamp clamp_min clamp_max sigmoid tanh hardswish hardsigmoid leaky_relu elu "
    "silu gelu softplus _softmax",
    "add": "add sub rsub maximum minimum",
    "multiply": "mul div",
    "pool": "mean sum amax max_pool2d_with_indices avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d",
    "concat": "cat stack",
    "resize": "upsample_bilinear2d upsample_nearest2d upsample_bicubic2d",
    "pad": "constant_pad_nd reflection_pad2d replication_pad2d",
}
_OPERATORS: dict[Any, frozenset[str]] = {kind: frozenset(names.split()) for kind, names in _NAMES.items()}
"""Kinds of torch's operators where they run outside of layers; all others are `other`."""
CHANNEL_PRESERVING = frozenset({"activation", "add", "multiply", "pool", "resize", "pad"})
"""Kinds that write as many channels as their largest input has."""
_ARGUMENTS = {
    nn.Conv2d: (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
    ),
    nn.Linear: ("in_features", "out_features"),
    nn.BatchNorm2d: ("num_features",),
    nn.BatchNorm1d: ("num_features",),
}


def kind_of(module: nn.Module) -> Kind | None:
    """Kind of a parameterless layer, or None for one that does nothing countable (identity, dropout, routing).

    A module that declares its number of output ``channels`` is classified by an attribute ``kind``, else by its
    class name (``Activation``, ``Add``, ``Multiply``, ``Resize``, ``Concat``, ``Pool``, ``Pad``).
    """
    for kind, types in _STOCK.items():
        if isinstance(module, types):
            return kind
    if hasattr(module, "channels"):
        declared = getattr(module, "kind", type(module).__name__.lower())
        if declared in KINDS:
            return declared
    return None


def arguments(module: nn.Module, path: str) -> tuple[str, ...]:
    """Names of the constructor arguments that decide the record of this leaf module.

    Raises:
        StudyError: The module has parameters and no rule; its cost would be missing.
    """
    for base, names in _ARGUMENTS.items():
        if isinstance(module, base):
            return names
    declared = hasattr(module, "channels") and kind_of(module) is not None
    if next(module.parameters(recurse=False), None) is not None and not declared:
        known = ", ".join(sorted(base.__name__ for base in _ARGUMENTS))
        raise StudyError(
            f"{path}: no cost rule for a {_type_name(module)}, which has parameters. Known layers with parameters: "
            f"{known}. Build it from these, or add a rule in ednas_nni/cost/rules.py"
        )
    return ("channels",) if hasattr(module, "channels") else ()


def has_rule(module: nn.Module) -> bool:
    """Whether the module is a layer with a record; a leaf with parameters always is, or `arguments` refuses it."""
    if next(module.children(), None) is not None:
        return False
    known = isinstance(module, tuple(_ARGUMENTS)) or kind_of(module) is not None
    return known or next(module.parameters(recurse=False), None) is not None


def layer_record(path: str, module: nn.Module, call: Call, read: Read, first_call: bool) -> LayerRecord | None:
    """The record of one call of one leaf module; None where there is nothing to count.

    Args:
        path: Module path.
        module: The leaf, of a network or of a space.
        call: Shapes of the call. Channel numbers are taken from the arguments instead: in a space they are searched.
        read: Looks up the arguments named by ``arguments``, and the ``channels`` of a layer that has no such argument.
        first_call: Whether the module's parameters are still uncounted.

    Raises:
        StudyError: As ``arguments``; or the output size of a convolution depends on a searched argument.
    """
    record = _record(path, module, call, read, first_call)
    if record is None or not (call.image_elements or call.full_size):
        return record
    return replace(record, image_elements=call.image_elements, full_size=call.full_size)


def _record(path: str, module: nn.Module, call: Call, read: Read, first_call: bool) -> LayerRecord | None:
    arguments(module, path)
    source = call.inputs[0] if call.inputs else call.output
    if isinstance(module, nn.Conv2d):
        out_size = _size(call.output)
        _check_size(path, _size(source), out_size, read)
        return convolution(
            path,
            read("in_channels"),
            read("out_channels"),
            _size(source),
            out_size,
            kernel=_pair(read("kernel_size")),
            stride=_pair(read("stride")),
            groups=read("groups"),
            dilation=_pair(read("dilation")),
            bias=module.bias is not None,
            first_call=first_call,
        )
    if isinstance(module, nn.Linear):
        rows = 1
        for extent in call.output[:-1]:
            rows *= extent
        bias = module.bias is not None
        return linear(path, read("in_features"), read("out_features"), rows=rows, bias=bias, first_call=first_call)
    if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
        features = read("num_features")
        params = 2 * features * bool(module.affine) * first_call
        return elementwise(path, "batch_norm", features, features, _size(source), _size(call.output), params=params)
    kind = kind_of(module)
    if kind is None:
        return None
    channels = read("channels")
    # An input of an addition or a product may have one value per channel.
    sizes = [_size(shape) for shape in call.inputs] if kind in ("add", "multiply") else [_size(source)]
    positions = sum(height * width for height, width in sizes)
    # A declared layer may carry a few weights of its own, such as those of a weighted sum: never one per channel.
    params = sum(p.numel() for p in module.parameters(recurse=False)) * first_call
    return elementwise(
        path, kind, channels, channels, _size(source), _size(call.output), params=params, positions=positions
    )


def operator_kind(operator: str) -> Kind:
    """Kind of a torch operator by its name; `other` where it is none of the known ones."""
    name = operator.rstrip("_") if operator.endswith("_") else operator
    return next((kind for kind, names in _OPERATORS.items() if name in names), "other")


def operator_record(path: str, operator: str, call: Call, read: int, written: int) -> LayerRecord:
    """The record of an operator that runs outside of layers; it has no MACs and no parameters.

    Args:
        path: Path of the module in whose forward it runs.
        operator: Torch's name of it.
        call: Shapes.
        read: Elements read.
        written: Elements written.
    """
    source, target = _size(call.inputs[0]), _size(call.output)
    return LayerRecord(
        path=f"{path}:{operator}",
        kind=operator_kind(operator),
        in_channels=read // (source[0] * source[1]),
        out_channels=written // (target[0] * target[1]),
        in_height=source[0],
        in_width=source[1],
        out_height=target[0],
        out_width=target[1],
        elements_read=read,
        elements_written=written,
        image_elements=call.image_elements,
        full_size=call.full_size,
    )


def channels_of(shape: tuple[int, ...]) -> int:
    """Channels of (1, C, H, W); of any other shape all of its elements, which then stand at one position."""
    return shape[1] if len(shape) == 4 else math.prod(shape)


def _size(shape: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) of (N, C, H, W); (1, 1) of vectors."""
    return (shape[2], shape[3]) if len(shape) == 4 else (1, 1)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _check_size(path: str, source: tuple[int, int], output: tuple[int, int], read: Read) -> None:
    padding = read("padding")
    if isinstance(padding, str):
        return
    arguments = zip(
        source, _pair(read("kernel_size")), _pair(read("stride")), _pair(padding), _pair(read("dilation")), strict=True
    )
    expected = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in arguments)
    if expected != output:
        raise StudyError(
            f"{path}: the output is {output[0]}x{output[1]} for one choice and {expected[0]}x{expected[1]} for "
            "another. Costs are added layer by layer, so no choice may change a size: tie padding to the kernel "
            "and keep strides fixed"
        )


def _type_name(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__qualname__}"
