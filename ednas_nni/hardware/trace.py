"""Shapes of every layer call from one forward pass without data.

The pass runs on torch's meta device: parameters are replaced for the call by tensors that have shapes only, so
neither memory nor weights are touched and the module's own parameters stay where they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ednas_nni.errors import StudyError

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
        return math.prod(self.image) if self.image and self.image in self.inputs else 0

    @property
    def full_size(self) -> bool:
        """Whether the output has the image's height and width."""
        return len(self.output) == 4 and self.output[2:] == self.image[2:]


@dataclass(frozen=True)
class Trace:
    """What one forward pass did.

    Attributes:
        calls: Calls of each leaf module, by ``id(module)``; a module that never ran is missing.
        macs: Multiply-adds of the whole pass as torch counts them from the operators, whichever module ran them.
    """

    calls: dict[int, list[Call]] = field(repr=False)
    macs: int


def trace(network: nn.Module, size: tuple[int, int], channels: int = 3) -> Trace:
    """Run one image of shape (1, channels, height, width) through a network, without data.

    In an NNI model space every candidate of every choice runs, and every block of every repeat, so that each layer
    meets its shapes once.

    Args:
        network: A network or an NNI model space. Its training mode and parameters are left as they were.
        size: Image (height, width) in pixels.
        channels: Image channels.

    Raises:
        StudyError: The network rejects an image of this size.
    """
    height, width = size
    if height < 1 or width < 1:
        raise StudyError(
            f"deploy_size: {list(size)} is not a size; give [height, width] in pixels, such as [512, 1024]"
        )
    calls: dict[int, list[Call]] = {}

    def record(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        shapes = tuple(tuple(x.shape) for x in inputs if isinstance(x, torch.Tensor))
        if isinstance(output, torch.Tensor):
            calls.setdefault(id(module), []).append(Call(shapes, tuple(output.shape), (1, channels, height, width)))

    leaves = {id(m): m for m in network.modules() if next(m.children(), None) is None}
    ghosts = {
        name: tensor.to("meta")
        for named in (network.named_parameters, network.named_buffers)
        for name, tensor in named()
    }
    with ExitStack() as stack:
        stack.enter_context(_evaluating(network))
        stack.enter_context(_running_everything(network))
        for leaf in leaves.values():
            stack.callback(leaf.register_forward_hook(record).remove)
        stack.enter_context(torch.no_grad())
        counter = stack.enter_context(FlopCounterMode(display=False))
        image = torch.empty(1, channels, height, width, device="meta")
        try:
            torch.func.functional_call(network, ghosts, (image,), tie_weights=True)
        except RuntimeError as error:
            raise StudyError(
                f"deploy_size: the network cannot take an image of {height}x{width} ({error}). Height and width "
                f"must be divisible by the network's stride{_stride(network)}"
            ) from error
    return Trace(calls, counter.get_total_flops() // 2)


def _stride(network: nn.Module) -> str:
    stride = getattr(network, "stride", None)
    return f" {stride}" if isinstance(stride, int) else ""


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, because a batch norm in training mode refuses one image of one pixel."""
    training = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in training:
            module.training = mode


@contextmanager
def _running_everything(network: nn.Module) -> Iterator[None]:
    """Let the choices of this model space run all candidates; overrides instances, never NNI's classes."""
    from ednas_nni import compat

    compat.apply()
    from nni.nas.nn.pytorch import LayerChoice, Repeat

    changed: list[nn.Module] = []
    try:
        for module in network.modules():
            if isinstance(module, LayerChoice):
                module.__dict__["forward"] = _all_candidates(module)
                changed.append(module)
            elif isinstance(module, Repeat):
                module.__dict__["forward"] = _all_blocks(module)
                changed.append(module)
        yield
    finally:
        for module in changed:
            del module.__dict__["forward"]


def _all_candidates(choice: Any) -> Any:
    def forward(*args: Any, **kwargs: Any) -> Any:
        outputs = [choice[name](*args, **kwargs) for name in choice.names]
        return outputs[0]

    return forward


def _all_blocks(repeat: Any) -> Any:
    def forward(x: Any) -> Any:
        for block in repeat.blocks:
            x = block(x)
        return x

    return forward
