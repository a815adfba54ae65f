"""Layer calls and data flow of a network or a model space, from one forward pass without data.

The pass runs on torch's meta device: parameters are replaced for the call by tensors that have shapes only, so
neither memory nor weights are touched and the module's own parameters stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from nni.mutable import Mutable
from torch import nn

from ednas_nni.cost.recording import Call, Merged, Recorder, Shape, Step
from ednas_nni.errors import StudyError

__all__ = ["Call", "Merged", "Step", "Trace", "evaluating", "running_everything", "trace"]

Merge = Callable[[nn.Module, Sequence[tuple[Any, Any]]], Any]
"""(a choice or repeat, pairs of a value and what it gives) -> what stands for all of them."""


@dataclass(frozen=True)
class Trace:
    """What one forward pass did.

    Attributes:
        steps: Layer calls and operators in the order in which they ended.
        shapes: Shape of each tensor; number 0 is the image.
        merged: Tensors that are results of choices.
        results: Tensors that the network gives back.
        macs: Multiply-adds of the whole pass as torch counts them from the operators, whichever module ran them.
    """

    steps: tuple[Step, ...] = field(repr=False)
    shapes: tuple[Shape, ...] = field(repr=False)
    merged: Mapping[int, Merged] = field(repr=False)
    results: tuple[int, ...]
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
    ghosts = {
        name: tensor.to("meta")
        for named in (network.named_parameters, network.named_buffers)
        for name, tensor in named()
    }
    image = torch.empty(1, channels, height, width, device="meta")
    recorder = Recorder(network, image)
    with ExitStack() as stack:
        stack.enter_context(evaluating(network))
        stack.enter_context(running_everything(network, recorder.merge))
        stack.enter_context(torch.no_grad())
        stack.enter_context(recorder.watching())
        try:
            output = torch.func.functional_call(network, ghosts, (image,), tie_weights=True)
        except RuntimeError as error:
            raise StudyError(
                f"deploy_size: the network cannot take an image of {height}x{width} ({error}). Height and width "
                f"must be divisible by the network's stride{_stride(network)}"
            ) from error
    return Trace(
        tuple(recorder.steps),
        tuple(recorder.shapes),
        recorder.merged,
        tuple(dict.fromkeys(recorder.numbers(output))),
        recorder.flops // 2,
    )


def _stride(network: nn.Module) -> str:
    stride = getattr(network, "stride", None)
    return f" {stride}" if isinstance(stride, int) else ""


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, because a batch norm in training mode refuses one image of one pixel."""
    training = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in training:
            module.training = mode


@contextmanager
def running_everything(network: nn.Module, merge: Merge | None = None) -> Iterator[None]:
    """Let the choices of this model space run all candidates; overrides instances, never NNI's classes.

    Args:
        network: The space.
        merge: Makes the result of a choice or repeat from what each of its values would give: module, pairs of value
            and tensor -> tensor. Without it the first candidate's output and the last block's are passed on.
    """
    from ednas_nni.compat.nas import LayerChoice, Repeat

    changed: list[nn.Module] = []
    try:
        for module in network.modules():
            if isinstance(module, LayerChoice):
                module.__dict__["forward"] = _all_candidates(module, merge)
                changed.append(module)
            elif isinstance(module, Repeat):
                module.__dict__["forward"] = _all_blocks(module, merge)
                changed.append(module)
        yield
    finally:
        for module in changed:
            del module.__dict__["forward"]


def _all_candidates(choice: Any, merge: Merge | None) -> Any:
    def forward(*args: Any, **kwargs: Any) -> Any:
        outputs = [(name, choice[name](*args, **kwargs)) for name in choice.names]
        return outputs[0][1] if merge is None else merge(choice, outputs)

    return forward


def _all_blocks(repeat: Any, merge: Merge | None) -> Any:
    def forward(x: Any) -> Any:
        outputs = [(0, x)]
        for depth, block in enumerate(repeat.blocks, 1):
            outputs.append((depth, block(outputs[-1][1])))
        return (
            outputs[-1][1] if merge is None or not isinstance(repeat.depth_choice, Mutable) else merge(repeat, outputs)
        )

    return forward
