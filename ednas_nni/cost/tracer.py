"""One forward pass without data, written down: which operators ran, in which modules, on whose output.

Everything that must know what a network does reads this one record: the layers that a cost is counted of, of a network
(layers) or of a whole space (reading), and the ONNX graphs and blocks of devices that measure. How it is made:

* The pass runs on torch's meta device: weights are replaced for the call by tensors that have shapes only, so neither
  memory nor weights are touched. With `weights` it runs on the processor, and the record holds what was computed.
* A dispatch mode sees every operator, hooks see every module. A tensor is known by its identity, so all tensors are
  kept alive until the end. What depends on no input is a constant, and no data flow.
* In a model space every candidate of every choice runs. The result of a choice is a fresh tensor, of which the record
  says that it stands for whichever candidate is chosen.

For `relu(conv(x)) + x`, with the memory that each event reads and writes:

    convolution   in conv    reads 0      writes 1      Operator
    conv                     reads 0      writes 1      ModuleCall
    relu_         in relu    reads 1      writes 1      Operator in place: no memory of its own
    relu                     reads 1      writes 1      ModuleCall
    add           in net     reads 1, 0   writes 2      Operator outside of layers
    net                      reads 0      writes 2      ModuleCall
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import torch
from torch import nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only, tree_unflatten
from torch.utils.flop_counter import flop_registry

from ednas_nni.errors import StudyError
from ednas_nni.space.domains import Scalar

Shape = tuple[int, ...]
Tree: TypeAlias = Any
"""What a forward takes or gives: tensors and plain data in nested containers, such as torch's pytree walks through."""
Given: TypeAlias = tuple[tuple[Tree, ...], dict[str, Tree]]
"""Positional and named arguments of a module."""


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """A tensor of the pass; two of them are the same only if the tensors were.

    Attributes:
        shape: Its shape, with the batch axis.
        memory: Number of the memory that it lies in, in the order in which they were first written; a view has that of
            the tensor that it shows. The inputs come first, from 0 on; -1 for constants.
        constant: The tensor of a weight, or of what was computed from weights alone; None where it depends on an input.
    """

    shape: Shape
    memory: int
    constant: torch.Tensor | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False, slots=True)
class Operator:
    """One of torch's operators that read what depends on an input.

    Attributes:
        name: Torch's name without the overload, such as `convolution`.
        arguments: By position, with values in the place of tensors.
        reads: The values that depend on an input, as often as they occur.
        output: The first tensor that it gives; the one it works on where it works in place.
        shares: Whether the output lies in the memory of what it reads: a view, or work in place.
        module: The innermost module in whose forward it ran; `outer` is the module around that one.
        leaf: The module, if it has no children.
    """

    name: str
    arguments: Sequence[Tree] = field(repr=False)
    reads: tuple[Value, ...]
    output: Value
    shares: bool
    module: nn.Module = field(repr=False)
    outer: nn.Module = field(repr=False)
    leaf: nn.Module | None = field(repr=False)


@dataclass(frozen=True, eq=False, slots=True)
class ModuleCall:
    """One call of a module, in the forward of `outer`.

    Attributes:
        arguments: What it was given, positional and by name, with values in the place of tensors.
        inputs: Values among the positional arguments themselves, constants included.
        reads: All values that depend on an input, as often as they occur.
        output: What it gives; None where that is no single tensor.
    """

    module: nn.Module = field(repr=False)
    outer: nn.Module = field(repr=False)
    arguments: Given = field(repr=False)
    inputs: tuple[Value, ...]
    reads: tuple[Value, ...]
    output: Value | None


Event = Operator | ModuleCall


@dataclass(frozen=True)
class Merged:
    """The result of a choice (or repeat): one of several tensors.

    Attributes:
        result: Stands for whichever is chosen, and has the shape of the option `default`.
        options: (value of the choice, what its result is for that value).
    """

    result: Value
    module: nn.Module = field(repr=False)
    options: tuple[tuple[Scalar, Value], ...]
    default: Value


@dataclass(frozen=True)
class Trace:
    """What one forward pass did.

    Attributes:
        events: Operators and calls of modules, in the order in which they ended.
        inputs: Tensors that the module was given; `outputs`, that it gave.
        weights: Path -> parameter or buffer.
        shapes: Shape of the first tensor in each memory.
        merged: In the order in which they were made.
        macs: Multiply-adds of the whole pass as torch counts them from the operators, whichever module ran them.
        size: Height and width of the image that predictions are of; it came in shrunk where the network computes at
            another resolution. None where it was no image.
    """

    events: tuple[Event, ...] = field(repr=False)
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    weights: Mapping[str, Value] = field(repr=False)
    shapes: tuple[Shape, ...] = field(repr=False)
    merged: tuple[Merged, ...] = field(repr=False)
    macs: int
    size: tuple[int, int] | None = None


def image_arguments(network: nn.Module, size: tuple[int, int], channels: int = 3) -> Given:
    """What a network, or a space as it is settled, is given on a device for an image of (height, width) pixels.

    Networks of a lower resolution get the shrunk image: whoever grabs the image scales it.
    """
    from ednas_nni.nn.capabilities import capabilities_of  # NNI is heavy
    from ednas_nni.nn.sizes import shrunk

    share = capabilities_of(network).resolution
    image = torch.empty(1, channels, *shrunk(size, share), device="meta")
    return (image,), {} if share == 1 else {"shrunk": True}


def trace_image(network: nn.Module, size: tuple[int, int], channels: int = 3) -> Trace:
    """Run one image of (height, width) pixels through a network or a model space, without data.

    Training mode and parameters are left as they were. StudyError: the network rejects an image of this size.
    """
    height, width = size
    if height < 1 or width < 1:
        raise StudyError(
            f"deploy_size: {list(size)} is not a size; give [height, width] in pixels, such as [512, 1024]"
        )
    try:
        return replace(trace(network, *image_arguments(network, size, channels)), size=size)
    except RuntimeError as error:
        raise StudyError(
            f"deploy_size: the network cannot take an image of {height}x{width} ({error}). Height and width must be "
            "divisible by the network's stride"
        ) from error


def trace(
    module: nn.Module, args: Sequence[Tree], kwargs: Mapping[str, Tree] | None = None, *, weights: bool = False
) -> Trace:
    """Run a module once and write down what happens.

    In an NNI model space every candidate of every choice runs, and every block of every repeat, so that each layer
    meets its shapes once. Training mode (evaluation mode for the pass) and parameters are left as they were. Of the
    tensors given only the shapes matter. With `weights` these have their values; otherwise everything has a shape only.
    """
    device = "cpu" if weights else "meta"
    given: Given = tree_map_only(
        torch.Tensor, lambda x: torch.zeros(x.shape, device=device), (tuple(args), dict(kwargs or {}))
    )
    tensors = {
        name: tensor.detach().to(device)
        for named in (module.named_parameters, module.named_buffers)
        for name, tensor in named()
    }
    from ednas_nni.nn.tree import running_everything  # NNI is heavy

    recorder = _Recorder(module)
    inputs = tuple(recorder.bind(x) for x in tree_leaves(given) if isinstance(x, torch.Tensor))
    named = {name: recorder.value(tensor) for name, tensor in tensors.items()}
    with _evaluating(module), running_everything(module, recorder.merge), torch.no_grad(), recorder.watching():
        result = torch.func.functional_call(module, tensors, *given, tie_weights=True)
    return Trace(
        tuple(recorder.events),
        inputs,
        tuple(recorder.value(x) for x in tree_leaves(result) if isinstance(x, torch.Tensor)),
        named,
        tuple(recorder.shapes),
        tuple(recorder.merged),
        recorder.flops // 2,
    )


class _Recorder(TorchDispatchMode):
    """Writes down one pass through a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's, which has no types
        self.events: list[Event] = []
        self.merged: list[Merged] = []
        self.shapes: list[Shape] = []
        self.flops = 0
        self._network = network
        self._values: dict[int, Value] = {}
        self._alive: list[torch.Tensor] = []  # an id stands for one tensor as long as that tensor lives
        self._modules: list[nn.Module] = [network, network]
        self._leaves: list[nn.Module] = []
        self._given: list[Given] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        with ExitStack() as stack:
            for module in self._network.modules():
                stack.callback(module.register_forward_pre_hook(self._enter, with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(self._leave).remove)
            stack.enter_context(self)
            yield

    def bind(self, tensor: torch.Tensor, memory: int | None = None) -> Value:
        """Make a tensor that depends on an input known, in memory of its own or in a given one."""
        if memory is None:
            memory = len(self.shapes)
            self.shapes.append(tuple(tensor.shape))
        before = self._values.get(id(tensor))
        if before is not None and before.memory == memory:
            return before  # worked on in place
        return self._keep(tensor, Value(tuple(tensor.shape), memory))

    def value(self, tensor: torch.Tensor) -> Value:
        """What is known of a tensor; one that nobody wrote is a constant."""
        value = self._values.get(id(tensor))
        return self._keep(tensor, Value(tuple(tensor.shape), -1, tensor)) if value is None else value

    def merge(self, module: nn.Module, options: Sequence[tuple[Scalar, Tree]], default: int) -> Tree:
        """The result of a choice, of one shape for all values: fresh tensors that stand for whichever is chosen."""
        flat = [(value, tree_flatten(output)) for value, output in options]
        leaves, spec = flat[default][1]
        results = []
        for i, leaf in enumerate(leaves):
            if not isinstance(leaf, torch.Tensor):
                results.append(leaf)
                continue
            result = torch.empty(leaf.shape, device=leaf.device)
            chosen = tuple((value, self.value(outputs[i])) for value, (outputs, _) in flat)
            self.merged.append(Merged(self.bind(result), module, chosen, self.value(leaf)))
            results.append(result)
        return tree_unflatten(results, spec)

    def __torch_dispatch__(
        self, func: OpOverload, types: object, args: Sequence[Tree] = (), kwargs: Mapping[str, Tree] | None = None
    ) -> Tree:
        output = _run(func, args, kwargs)
        packet = func.overloadpacket
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, **(kwargs or {}), out_val=output)
        arguments = self._with_values(_in_order(func, args, kwargs) if kwargs else args)
        reads = tuple(_depending(arguments))
        written = [output] if isinstance(output, torch.Tensor) else [x for x in output if isinstance(x, torch.Tensor)]
        if not reads or not written:
            for tensor in written:
                self.value(tensor)  # made of weights alone
            return output
        returned = func._schema.returns
        shares = bool(returned) and returned[0].alias_info is not None
        value = self.bind(written[0], reads[0].memory if shares else None)
        for tensor in written[1:]:  # such as the positions of a max-pooling, which nobody reads
            self.bind(tensor, value.memory)
        leaf = self._leaves[-1] if self._leaves else None
        inner, outer = self._modules[-1], self._modules[-2]
        self.events.append(Operator(packet.__name__, arguments, reads, value, shares, inner, outer, leaf))
        return output

    def _enter(self, module: nn.Module, args: tuple[Tree, ...], kwargs: dict[str, Tree]) -> None:
        self._modules.append(module)
        if next(module.children(), None) is None:
            self._leaves.append(module)
        if not kwargs and all(isinstance(x, torch.Tensor) for x in args):  # most; torch's own way takes far longer
            self._given.append((tuple(self.value(x) for x in args), {}))
        else:
            self._given.append(tree_map_only(torch.Tensor, self.value, (args, kwargs)))

    def _leave(self, module: nn.Module, args: tuple[Tree, ...], output: Tree) -> None:
        self._modules.pop()
        if next(module.children(), None) is None:
            self._leaves.pop()
        given = self._given.pop()
        inputs = tuple(x for x in given[0] if isinstance(x, Value))
        reads = tuple(_depending(inputs if len(inputs) == len(given[0]) and not given[1] else tree_leaves(given)))
        result = self.value(output) if isinstance(output, torch.Tensor) else None
        self.events.append(ModuleCall(module, self._modules[-1], given, inputs, reads, result))

    def _with_values(self, arguments: Sequence[Tree]) -> list[Tree]:
        """Arguments of an operator, in which only lists are nested."""
        return [
            self.value(x)
            if isinstance(x, torch.Tensor)
            else (self._with_values(x) if isinstance(x, list | tuple) else x)
            for x in arguments
        ]

    def _keep(self, tensor: torch.Tensor, value: Value) -> Value:
        self._values[id(tensor)] = value
        self._alive.append(tensor)
        return value


def _depending(arguments: Sequence[Tree]) -> Iterator[Value]:
    """Values that depend on an input."""
    for x in arguments:
        if isinstance(x, Value):
            if x.constant is None:
                yield x
        elif isinstance(x, list):
            yield from _depending(x)


def _in_order(func: OpOverload, args: Sequence[Tree], kwargs: Mapping[str, Tree]) -> list[Tree]:
    """Arguments by position, those given by name included."""
    rest = func._schema.arguments[len(args) :]
    last = max((i for i, argument in enumerate(rest) if argument.name in kwargs), default=-1)
    return [*args, *(kwargs.get(argument.name, argument.default_value) for argument in rest[: last + 1])]


# -------------------------------------------------------------------- shapes alone, faster than torch derives them
_SAME = frozenset(
    ("relu", "relu6", "hardtanh", "clamp", "sigmoid", "tanh", "hardswish", "hardsigmoid", "leaky_relu", "elu", "silu")
)
"""Operators whose output has the shape of their first argument."""
_RESIZING = ("upsample_bilinear2d", "upsample_nearest2d")
"""(N, C, H, W), (H', W') or None, ..., factors of H and W where there is no size."""


def _run(func: OpOverload, args: Sequence[Tree], kwargs: Mapping[str, Tree] | None) -> Tree:
    """What an operator gives; of tensors without data the simple ones at once, without torch's own many steps."""
    if args and isinstance(args[0], torch.Tensor) and args[0].is_meta:
        operator = func.overloadpacket.__name__
        if operator in _SAME:
            return _like(args[0])
        if operator == "native_batch_norm" and not args[5]:
            nothing = args[0].new_empty(0)
            return _like(args[0]), nothing, nothing
        if operator.rstrip("_") in _SAME:
            return args[0]
        if operator in _RESIZING and not kwargs and (args[1] is not None or args[-1] is not None):
            size = args[1] or [int(extent * factor) for extent, factor in zip(args[0].shape[2:], args[-1], strict=True)]
            return args[0].new_empty((*args[0].shape[:2], *size))
    return func(*args, **(kwargs or {}))


def _like(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, because a batch norm in training mode rejects one image of one pixel."""
    training = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in training:
            module.training = mode
