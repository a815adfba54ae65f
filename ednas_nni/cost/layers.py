"""Layer records of a network that exists, and the one place that knows torch's layer classes and operators.

A network's cost is counted layer by layer, because that is what a space can be taken apart into. What a layer costs is
read off its constructor arguments and the shapes of its call; what a `forward` does between layers has records too. Two
checks keep that honest: no parameter may belong to no layer, and the multiply-adds of all records must be those that
torch counts for the whole pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol, cast, runtime_checkable

from torch import nn

from ednas_nni.cost.records import KINDS, Kind, LayerRecord, convolution, elementwise, linear
from ednas_nni.cost.tracer import Operator, Shape, Trace, trace_image
from ednas_nni.errors import StudyError
from ednas_nni.nn.elementwise import Activation, LargestClass


@dataclass(frozen=True)
class CallShapes:
    """Shapes of a layer's tensor inputs, of its output and of the network's image, with batch axis.

    `size` is height and width of the image that predictions are of.
    """

    inputs: tuple[Shape, ...]
    output: Shape
    image: Shape = ()
    size: tuple[int, int] | None = None

    @property
    def image_elements(self) -> int:
        """Elements of the image where the layer reads it, else 0."""
        return math.prod(self.image) if self.image and self.image in self.inputs else 0

    @property
    def full_size(self) -> bool:
        """Whether the output has the height and width of the image that predictions are of."""
        return len(self.output) == 4 and self.output[2:] == (self.size or self.image[2:])


@dataclass(frozen=True)
class Step:
    """A call of a layer that has a cost rule, or an operator outside of such layers.

    Attributes:
        module: The layer, or the innermost module in whose forward the operator ran; `outer` is the module around it.
        operator: Name of torch's operator; "" for a layer shapes.
        reads: Numbers of the memories that are read.
        writes: The memory that is written; one of `reads` where the step works in place or hands a tensor on.
    """

    module: nn.Module = field(repr=False)
    outer: nn.Module = field(repr=False)
    operator: str
    reads: tuple[int, ...]
    writes: int
    shapes: CallShapes


@runtime_checkable
class DeclaresChannels(Protocol):
    """A layer that says how many channels it writes: an integer, or NNI's expression where that is searched."""

    channels: object


@runtime_checkable
class DeclaresKind(Protocol):
    """A layer that says what it does, where its class name does not."""

    kind: str


@runtime_checkable
class Traced(Protocol):
    """A layer that remembers its constructor arguments, as NNI's do: in a space some are expressions of choices."""

    trace_kwargs: Mapping[str, object]


Read = Callable[[str], Any]
"""Looks up a constructor argument of the layer, such as `out_channels`; in a space, for one sample."""


def layer_records(network: nn.Module, size: tuple[int, int]) -> list[LayerRecord]:
    """All layer calls of a network for one image of (height, width) pixels, in the order in which they run.

    Operators outside of layers (a sum in a `forward`) have records of their own, whose path ends in `:operator`.

    Raises:
        StudyError: A layer with parameters has no cost rule or never ran; parameters sit outside of layers; or some
            multiply-adds happen outside of layers (a matrix product in a `forward`).
    """
    check_containers(network)
    seen = trace_image(network, size)
    paths = {id(module): path for path, module in network.named_modules()}
    records: list[LayerRecord] = []
    ran: set[int] = set()
    for step in counted_steps(seen):
        path = paths[id(step.module)]
        if step.operator:
            read, written = sum(map(math.prod, step.shapes.inputs)), math.prod(step.shapes.output)
            records.append(operator_record(path, step.operator, step.shapes, read, written))
            continue

        def read_argument(name: str, step: Step = step) -> Any:
            if name == "channels" and not isinstance(step.module, DeclaresChannels):
                return channels_of(step.shapes.output)
            return getattr(step.module, name)

        record = layer_record(path, step.module, step.shapes, read_argument, id(step.module) not in ran)
        ran.add(id(step.module))
        if record is not None:
            records.append(record)
    for path, module in network.named_modules():
        leaf = next(module.children(), None) is None and next(module.parameters(), None) is not None
        if leaf and id(module) not in ran:
            raise StudyError(
                f"{path}: this {type(module).__name__} never ran in a forward pass at {size[0]}x{size[1]}, so its "
                "cost is unknown. Remove layers that the network does not use"
            )
    check_counted(seen, sum(record.macs for record in records), type(network).__name__)
    return records


def counted_steps(seen: Trace) -> Iterator[Step]:
    """Calls of layers that have a cost rule, and the operators outside of such layers."""
    image = seen.inputs[0].shape
    for event in seen.events:
        reads = tuple(value.memory for value in event.reads)
        if isinstance(event, Operator):
            if event.shares or (event.leaf is not None and has_rule(event.leaf)):
                continue
            shapes = CallShapes(tuple(seen.shapes[memory] for memory in reads), event.output.shape, image, seen.size)
            yield Step(event.module, event.outer, event.name, reads, event.output.memory, shapes)
        elif has_rule(event.module) and event.output is not None and event.output.constant is None:
            shapes = CallShapes(tuple(value.shape for value in event.inputs), event.output.shape, image, seen.size)
            yield Step(event.module, event.outer, "", reads, event.output.memory, shapes)


def check_containers(network: nn.Module) -> None:
    """Reject parameters that belong to no layer."""
    for path, module in network.named_modules():
        if next(module.children(), None) is None:
            continue
        for name, _ in module.named_parameters(recurse=False):
            raise StudyError(
                f"{path or type(network).__name__}: parameter {name!r} belongs to a module with children, so no layer "
                "accounts for it. Put it into a layer of its own"
            )


def check_counted(seen: Trace, macs: int, name: str) -> None:
    """Compare the records with what torch counted operator by operator: no arithmetic may happen outside of layers."""
    if seen.macs != macs:
        raise StudyError(
            f"{name}: layers account for {macs:,} MACs, but the forward pass does {seen.macs:,}. Some convolution "
            "or matrix product is called as a function; make it a layer so that it can be priced"
        )


# -------------------------------------------------------------------- rules
_STOCK: dict[Kind, tuple[type[nn.Module], ...]] = {
    "activation": (
        nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Hardtanh, nn.Hardsigmoid,
        nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softmax, nn.Softmax2d,
    ),
    "pool": (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
    "resize": (nn.Upsample,),
    "pad": (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d),
}  # fmt: skip
_NAMES: dict[Kind, str] = {
    "activation": "relu relu6 hardtanh clamp clamp_min clamp_max sigmoid tanh hardswish hardsigmoid leaky_relu elu "
    "silu gelu softplus _softmax",
    "add": "add sub rsub maximum minimum",
    "multiply": "mul div",
    "pool": "mean sum amax max_pool2d_with_indices avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d",
    "concat": "cat stack",
    "resize": "upsample_bilinear2d upsample_nearest2d upsample_bicubic2d",
    "pad": "constant_pad_nd reflection_pad2d replication_pad2d",
}
_OPERATORS: dict[Kind, frozenset[str]] = {kind: frozenset(names.split()) for kind, names in _NAMES.items()}
"""Kinds of torch's operators where they run outside of layers; all others are `other`."""
CHANNEL_PRESERVING = frozenset({"activation", "add", "multiply", "pool", "resize", "pad"})
"""Kinds that write as many channels as their largest input has."""
_ARGUMENTS = {
    nn.Conv2d: ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"),
    nn.Linear: ("in_features", "out_features"),
    nn.BatchNorm2d: ("num_features",),
    nn.BatchNorm1d: ("num_features",),
}


@lru_cache(maxsize=8)  # a space asks the same of one layer for each of its samples
def kind_of(module: nn.Module) -> Kind | None:
    """Kind of a parameterless layer, or None for one that does nothing countable (identity, dropout, routing).

    A module that declares its number of output `channels` is classified by an attribute `kind`, else by its
    class name (`Activation`, `Add`, `Multiply`, `Resize`, `Concat`, `Pool`, `Pad`).
    """
    for kind, types in _STOCK.items():
        if isinstance(module, types):
            return kind
    if isinstance(module, DeclaresChannels):
        declared = module.kind if isinstance(module, DeclaresKind) else type(module).__name__.lower()
        if declared in KINDS:
            return cast(Kind, declared)
    return None


@lru_cache(maxsize=8)
def arguments(module: nn.Module, path: str) -> tuple[str, ...]:
    """Names of the constructor arguments that decide the record of this leaf module.

    StudyError: the module has parameters and no rule; its cost would be missing.
    """
    for base, names in _ARGUMENTS.items():
        if isinstance(module, base):
            return names
    declared = isinstance(module, DeclaresChannels) and kind_of(module) is not None
    if next(module.parameters(recurse=False), None) is not None and not declared:
        priced = ", ".join(sorted(base.__name__ for base in _ARGUMENTS))
        raise StudyError(
            f"{path}: no cost rule for a {type(module).__module__}.{type(module).__qualname__}, which has parameters. "
            f"Layers with parameters that have one: {priced}. Build it from these, or add a rule in "
            "ednas_nni/cost/layers.py"
        )
    return ("channels",) if isinstance(module, DeclaresChannels) else ()


def has_rule(module: nn.Module) -> bool:
    """Whether the module is a layer with a record; a leaf with parameters always is, or `arguments` rejects it."""
    if next(module.children(), None) is not None:
        return False
    priced = isinstance(module, tuple(_ARGUMENTS)) or kind_of(module) is not None
    return priced or next(module.parameters(recurse=False), None) is not None


def layer_record(path: str, module: nn.Module, shapes: CallShapes, read: Read, first_call: bool) -> LayerRecord | None:
    """The record of one call of one leaf module, of a network or a space; None where there is nothing to count.

    Channel numbers are taken from the arguments instead of the call's shapes: in a space they are searched. `read`
    looks up the arguments named by `arguments`, and the `channels` of a layer that has no such argument; with
    `first_call` the module's parameters are still uncounted.
    """
    record = _record(path, module, shapes, read, first_call)
    if record is None:
        return None
    return replace(record, image_elements=shapes.image_elements, full_size=shapes.full_size)


def _record(path: str, module: nn.Module, shapes: CallShapes, read: Read, first_call: bool) -> LayerRecord | None:
    arguments(module, path)
    source = shapes.inputs[0] if shapes.inputs else shapes.output
    if isinstance(module, nn.Conv2d):
        out_size = _size(shapes.output)
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
        rows = math.prod(shapes.output[:-1])
        bias = module.bias is not None
        return linear(path, read("in_features"), read("out_features"), rows=rows, bias=bias, first_call=first_call)
    if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
        features = read("num_features")
        params = 2 * features * bool(module.affine) * first_call
        return elementwise(path, "batch_norm", features, features, _size(source), _size(shapes.output), params=params)
    if isinstance(module, LargestClass):
        return elementwise(path, "argmax", module.scores, 1, _size(source), _size(shapes.output))
    kind = kind_of(module)
    if kind is None:
        return None
    channels = read("channels")
    # An input of an addition or a product may have one value per channel.
    sizes = [_size(shape) for shape in shapes.inputs] if kind in ("add", "multiply") else [_size(source)]
    positions = sum(height * width for height, width in sizes)
    # A declared layer may carry a few weights of its own, such as those of a weighted sum: never one per channel.
    params = sum(p.numel() for p in module.parameters(recurse=False)) * first_call
    record = elementwise(
        path, kind, channels, channels, _size(source), _size(shapes.output), params=params, positions=positions
    )
    if kind != "activation":
        return record
    function = module.function if isinstance(module, Activation) else type(module).__name__.lower()
    return replace(record, function=function)


def operator_kind(operator: str) -> Kind:
    """Kind of a torch operator by its name; `other` where it is none of the known ones."""
    return next((kind for kind, names in _OPERATORS.items() if operator.rstrip("_") in names), "other")


def operator_record(path: str, operator: str, shapes: CallShapes, read: int, written: int) -> LayerRecord:
    """The record, without MACs and parameters, of an operator in the forward of the module at `path`."""
    source, target = _size(shapes.inputs[0]), _size(shapes.output)
    kind, channels = operator_kind(operator), (read // math.prod(source), written // math.prod(target))
    return replace(
        elementwise(f"{path}:{operator}", kind, *channels, source, target),
        elements_read=read,
        elements_written=written,
        image_elements=shapes.image_elements,
        full_size=shapes.full_size,
        function=operator.rstrip("_") if kind == "activation" else "",
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
