"""Watching one forward pass without data: layer calls, operators outside of layers, who reads whose output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten
from torch.utils.flop_counter import flop_registry

from ednas_nni.cost.shapes import run

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """One call of a layer: shapes of its tensor inputs, of its output and of the network's image, with batch axis."""

    inputs: tuple[Shape, ...]
    output: Shape
    image: Shape = ()

    @property
    def image_elements(self) -> int:
        """Elements of the image where the layer reads it, else 0."""
        return _product(self.image) if self.image and self.image in self.inputs else 0

    @property
    def full_size(self) -> bool:
        """Whether the output has the image's height and width."""
        return len(self.output) == 4 and self.output[2:] == self.image[2:]


@dataclass(frozen=True)
class Step:
    """A layer call, or an operator; tensors are numbered in the order in which they were first written.

    Attributes:
        module: The layer, or the innermost module in whose forward the operator ran.
        outer: The module around that one.
        operator: Name of torch's operator; "" for a layer call.
        inside: For an operator within a module that has no children: that module. Such operators count only where the
            module itself is no layer with a cost rule.
        reads: Tensors that are read.
        writes: The tensor that is written; one of `reads` where the step works in place or hands a tensor on.
        call: Shapes.
    """

    module: nn.Module = field(repr=False)
    outer: nn.Module = field(repr=False)
    operator: str
    inside: nn.Module | None = field(repr=False)
    reads: tuple[int, ...]
    writes: int
    call: Call


@dataclass(frozen=True)
class Merged:
    """The result of a choice: one of several tensors.

    Attributes:
        module: The choice or the repeat.
        options: (value of the choice, tensor that its result is for that value).
    """

    module: nn.Module = field(repr=False)
    options: tuple[tuple[Any, int], ...]


class Recorder(TorchDispatchMode):
    """Active during one pass; the image is tensor 0.

    Args:
        network: Whose modules are watched.
        image: What the network will be given.
    """

    def __init__(self, network: nn.Module, image: torch.Tensor) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.merged: dict[int, Merged] = {}
        self.shapes: list[Shape] = []
        self.flops = 0
        self._network = network
        self._image = tuple(image.shape)
        self._numbers: dict[int, int] = {}
        self._kept: list[torch.Tensor] = []  # an id stands for one tensor as long as that tensor lives
        self._stack: list[nn.Module] = [network, network]
        self._leaf: list[nn.Module] = []
        self._bind(image)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch every module, and every operator."""
        with ExitStack() as stack:
            for module in self._network.modules():
                stack.callback(module.register_forward_pre_hook(self._enter).remove)
                stack.callback(module.register_forward_hook(self._leave).remove)
            stack.enter_context(self)
            yield

    def merge(self, module: nn.Module, options: Sequence[tuple[Any, Any]]) -> Any:
        """The result of a choice, of one shape for all values: fresh tensors that stand for whichever is chosen."""
        flat = [(value, tree_flatten(output)) for value, output in options]
        # Where candidates differ in channels, layers behind expect those of the first; a repeat ends with its last.
        leaves, spec = flat[0 if hasattr(module, "names") else -1][1]
        results = []
        for i, leaf in enumerate(leaves):
            if not isinstance(leaf, torch.Tensor):
                results.append(leaf)
                continue
            numbers = tuple((value, self._numbers[id(found[i])]) for value, (found, _) in flat)
            result = torch.empty(leaf.shape, device="meta")
            self.merged[self._bind(result)] = Merged(module, numbers)
            results.append(result)
        return tree_unflatten(results, spec)

    def numbers(self, value: Any) -> tuple[int, ...]:
        """Tensors within a value, those that depend on the image, as often as they occur."""
        found = (self._numbers.get(id(x)) for x in tree_leaves(value) if isinstance(x, torch.Tensor))
        return tuple(number for number in found if number is not None)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        output = run(func, args, kwargs)
        if func.overloadpacket in flop_registry:
            self.flops += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=output)
        reads = self.numbers((args, kwargs))
        if not reads:
            return output  # made of weights alone
        written = [x for x in tree_leaves(output) if isinstance(x, torch.Tensor)]
        returned = func._schema.returns
        if not written or (returned and returned[0].alias_info is not None):
            for tensor in written:
                self._bind(tensor, reads[0])
            return output
        number = self._bind(written[0])
        for tensor in written[1:]:  # such as the positions of a max-pooling, which nobody reads
            self._bind(tensor, number)
        inside = self._leaf[-1] if self._leaf else None
        call = Call(tuple(self.shapes[read] for read in reads), tuple(written[0].shape), self._image)
        operator = func.overloadpacket.__name__
        self.steps.append(Step(self._stack[-1], self._stack[-2], operator, inside, reads, number, call))
        return output

    def _enter(self, module: nn.Module, _: Any) -> None:
        self._stack.append(module)
        if next(module.children(), None) is None:
            self._leaf.append(module)

    def _leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self._stack.pop()
        if next(module.children(), None) is not None:
            return
        self._leaf.pop()
        if isinstance(output, torch.Tensor) and id(output) in self._numbers:
            shapes = tuple(tuple(x.shape) for x in inputs if isinstance(x, torch.Tensor))
            call = Call(shapes, tuple(output.shape), self._image)
            reads = self.numbers(inputs)
            self.steps.append(Step(module, self._stack[-1], "", None, reads, self._numbers[id(output)], call))

    def _bind(self, tensor: torch.Tensor, number: int | None = None) -> int:
        """Give a tensor a number of its own, or that of the memory it shares."""
        if number is None:
            number = len(self.shapes)
            self.shapes.append(tuple(tensor.shape))
        self._numbers[id(tensor)] = number
        self._kept.append(tensor)
        return number


def _product(shape: Shape) -> int:
    found = 1
    for extent in shape:
        found *= extent
    return found
