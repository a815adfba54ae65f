"""What every module of a model space is given, and of which channel numbers: one pass in which all candidates run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from nni.mutable import ensure_frozen
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from ednas_nni.compat.nas import ModelSpace
from ednas_nni.cost.reading import constructor_argument, labels_in
from ednas_nni.cost.rules import kind_of
from ednas_nni.cost.shapes import Shapes
from ednas_nni.cost.trace import evaluating, running_everything

_WRITTEN = ("out_channels", "num_features", "out_features", "channels")
"""Arguments that say how many channels a layer writes."""
_READ = ("in_channels", "num_features", "in_features", "channels")
"""Arguments that say how many channels a layer reads."""


@dataclass(frozen=True)
class Call:
    """What a block was given in one call.

    Attributes:
        tensors: Tensors without data; their channel numbers are those of the space's first widths.
        widths: Channel numbers of the tensors, NNI expressions where they are searched.
        rest: How arguments are made of tensors and everything else.
    """

    tensors: tuple[torch.Tensor, ...]
    widths: tuple[Any, ...]
    rest: Any = field(repr=False)

    def arguments(self, sample: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and named arguments for the widths of a sample."""
        shaped = []
        for tensor, width in zip(self.tensors, self.widths, strict=True):
            channels = ensure_frozen(width, sample=dict(sample)) if labels_in(width) else tensor.shape[1]
            shaped.append(torch.empty(tensor.shape[0], channels, *tensor.shape[2:], device="meta"))
        values, spec = self.rest
        left = iter(shaped)
        return tree_unflatten([next(left) if isinstance(x, torch.Tensor) else x for x in values], spec)


def calls_of(
    space: ModelSpace, size: tuple[int, int]
) -> tuple[Callable[[nn.Module], list[Call]], Mapping[int, torch.Tensor]]:
    """Of a pass in which all candidates of a space run: module -> what it was given, and id of a leaf -> its output."""
    image = torch.empty(1, 3, *size, device="meta")
    found: dict[int, list[tuple[Any, Any]]] = {}
    outputs: dict[int, Any] = {}
    widths = _Widths(image)

    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        found.setdefault(id(module), []).append(tree_flatten((args, kwargs)))
        if next(module.children(), None) is None:
            widths.read(module, args)

    def after(module: nn.Module, args: Any, output: Any) -> None:
        outputs[id(module)] = output
        widths.written(module, args, output)

    ghosts = {
        name: tensor.to("meta") for named in (space.named_parameters, space.named_buffers) for name, tensor in named()
    }
    with ExitStack() as stack:
        stack.enter_context(evaluating(space))
        stack.enter_context(running_everything(space))
        for module in space.modules():
            stack.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
            if next(module.children(), None) is None:
                stack.callback(module.register_forward_hook(after).remove)
        stack.enter_context(torch.no_grad())
        stack.enter_context(Shapes())
        torch.func.functional_call(space, ghosts, (image,), tie_weights=True)

    def calls(module: nn.Module) -> list[Call]:
        inside = {id(part) for part in module.modules()}
        made = []
        for values, spec in found.get(id(module), ()):
            tensors = tuple(x for x in values if isinstance(x, torch.Tensor))
            made.append(Call(tensors, tuple(widths.of(x, inside) for x in tensors), (values, spec)))
        return made

    return calls, outputs


class _Widths:
    """Channels of tensors, as integers or NNI expressions.

    The layers of a block that read a tensor know best: where candidates write different widths, a pass through a space
    goes on with the first one's. A concatenation says nothing about its parts; there, who wrote them has to tell.
    """

    def __init__(self, image: torch.Tensor) -> None:
        self._writers: dict[int, Any] = {id(image): image.shape[1]}
        self._readers: dict[int, dict[int, Any]] = {}
        self._alive: list[Any] = [image]  # an id stands for one tensor as long as that tensor lives

    def of(self, tensor: torch.Tensor, inside: Set[int]) -> Any:
        """Channels of what the modules with these ids are given, None where nothing says how many."""
        readers = self._readers.get(id(tensor), {})
        return next((readers[key] for key in readers if key in inside), self._writers.get(id(tensor)))

    def read(self, module: nn.Module, args: Sequence[Any]) -> None:
        """A leaf is about to run."""
        if kind_of(module) == "concat":
            return
        width = _argument(module, _READ)
        for tensor in args:
            if width is not None and isinstance(tensor, torch.Tensor):
                self._readers.setdefault(id(tensor), {})[id(module)] = width
                self._alive.append(tensor)

    def written(self, module: nn.Module, args: Sequence[Any], output: Any) -> None:
        """A leaf has run."""
        if not isinstance(output, torch.Tensor) or id(output) in self._writers:
            return
        width = _argument(module, _WRITTEN)
        read = next((x for x in args if isinstance(x, torch.Tensor)), None)
        if width is None and read is not None and read.shape[1:2] == output.shape[1:2]:
            width = self._writers.get(id(read))
        self._writers[id(output)] = width
        self._alive.append(output)


def _argument(module: nn.Module, names: Sequence[str]) -> Any:
    """The first of these constructor arguments that a layer has."""
    name = next((name for name in names if hasattr(module, name)), None)
    return None if name is None else constructor_argument(module, name)
