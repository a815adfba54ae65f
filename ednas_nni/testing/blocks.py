"""The contract of a block, for a test of its author: `check_block(MyBlock)`; see docs/adding_a_block.md.

All checks raise `PluginError` with what is wrong and how to correct it; each can also be called alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import nni
import numpy as np
import torch
from torch import nn

from ednas_nni.compat.nas import ModelSpace
from ednas_nni.errors import EdnasError, PluginError
from ednas_nni.nn.blocks.base import Block, Slot
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.capabilities import Capabilities
from ednas_nni.nn.choice import choice_or_only
from ednas_nni.nn.elementwise import freeze_channels
from ednas_nni.nn.heads import Head
from ednas_nni.nn.tree import domains_of
from ednas_nni.space.domains import Sample
from ednas_nni.testing.architectures import check_costs
from ednas_nni.testing.rules import broken, rule
from ednas_nni.testing.spaces import check_space

SLOTS = (Slot(8, 16), Slot(8, 16, stride=2), Slot(16, 8, stride=2, activation="hswish"), Slot(8, 8, residual=True))
SIZES = ((8, 12), (9, 13))
"""Even and odd heights and widths, in pixels."""


def check_block(kind: type[Block], seed: int = 0) -> None:
    """Run the whole contract on the examples of a kind of block."""
    check_names(kind)
    for block in kind.examples():
        for slot in SLOTS:
            check_module(block, slot, seed)
        check_residual(block, seed)
    check_in_a_space(kind.examples(), seed)


def check_names(kind: type[Block]) -> None:
    """`read` undoes `suffix`, and different blocks have different names."""
    examples = kind.examples()
    if not examples:
        raise PluginError(f"{kind.__name__}.examples() is empty, so there is nothing to check.")
    for block in examples:
        try:
            again = kind.read(block.suffix)
        except ValueError as error:
            raise PluginError(f"{block}: its suffix {block.suffix!r} cannot be read again ({error}).") from None
        if again != block:
            raise PluginError(f"{block}: its suffix {block.suffix!r} is read as {again}.")
        if not f"kind{block.suffix}".isidentifier() or not block.suffix.isascii():
            raise PluginError(f"{block}: the suffix {block.suffix!r} must be of letters, digits and underscores.")


def check_module(block: Block, slot: Slot, seed: int = 0) -> None:
    """Shapes at even and odd sizes, gradients of everything, one module from one seed, no chance in `eval`."""
    where = f"{block} at {slot}"
    torch.manual_seed(seed)
    module = _built(block, slot)
    torch.manual_seed(seed)
    again = _built(block, slot)
    first, second = module.state_dict(), again.state_dict()
    if list(first) != list(second) or not all(torch.equal(first[name], second[name]) for name in first):
        raise broken(where, "the same seed gives two modules. Draw weights from torch's global generator only.")
    for height, width in SIZES:
        x = torch.randn(2, _fixed(slot.inputs), height, width, requires_grad=True)
        y = module.train()(x)
        shape = (2, _fixed(slot.outputs), -(-height // slot.stride), -(-width // slot.stride))
        if tuple(y.shape) != shape:
            raise broken(where, f"{tuple(x.shape)} must become {shape}, not {tuple(y.shape)}. Is the padding half?")
        module.zero_grad()
        y.square().mean().backward()
        gradients = {"the input": x.grad, **{name: p.grad for name, p in module.named_parameters()}}
        for name, gradient in gradients.items():
            if gradient is None:
                raise broken(where, f"{name} gets no gradient: it takes no part in the output.")
            rule(where, bool(torch.isfinite(gradient).all()), f"the gradient of {name} is not finite at the start.")
        with torch.no_grad():
            rule(where, torch.equal(module.eval()(x), module(x)), "two passes in evaluation mode differ.")


def check_residual(block: Block, seed: int = 0) -> None:
    """Where the slot asks for it, the input is added: with equal weights the outputs differ by exactly the input."""
    torch.manual_seed(seed)
    plain, residual = _built(block, Slot(8, 8)), _built(block, Slot(8, 8, residual=True))
    weights = list(plain.state_dict().values())
    names = list(residual.state_dict())
    if len(names) == len(weights):
        residual.load_state_dict(dict(zip(names, weights, strict=True)))
    x = torch.randn(2, 8, 8, 12)
    with torch.no_grad():
        difference = residual.eval()(x) - plain.eval()(x)
    if not torch.allclose(difference, x, atol=1e-5):
        raise broken(
            f"{block} at {Slot(8, 8, residual=True)}", "the input must be added to the output, after everything else."
        )


def check_in_a_space(blocks: Sequence[Block], seed: int = 0) -> None:
    """As candidates of a space with searched widths: NNI's construction, identities of networks, exact costs."""
    make = _space(blocks)
    try:
        space = make()
    except EdnasError:
        raise
    except Exception as error:  # whatever an author's code does with channels that are no numbers yet
        raise PluginError(
            f"{blocks[0]} cannot be built with searched widths ({type(error).__name__}: {error}). Channels may be NNI "
            "expressions: make layers with weights of NNI's Mutable* layers, and compute channels with + - * // only."
        ) from error
    check_space(make, size=(16, 32), samples=3, seed=seed)
    rng, domains = np.random.default_rng(seed), domains_of(space)
    samples: list[Sample] = [domains.random(rng) for _ in range(6)]
    check_costs(space, samples, size=(20, 36))


def _space(blocks: Sequence[Block]) -> type[ModelSpace]:
    """The smallest space in which a block stands where blocks stand: behind a width, changing it, and repeated."""

    class AroundBlocks(Capabilities, ModelSpace):
        tasks = ("task",)
        stride = 4

        def __init__(self) -> None:
            super().__init__()
            narrow, wide = nni.choice("narrow", [8, 16]), nni.choice("wide", [16, 24])
            self.stem = ConvNorm(3, narrow, 3, stride=2)
            self.change = _choice(blocks, Slot(narrow, wide, stride=2), "change")
            self.keep = _choice(blocks, Slot(wide, wide, residual=True), "keep")
            self.head = Head(wide, 2, 8, 4)

        def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"task": self.head(self.keep(self.change(self.stem(image))))}

        def freeze(self, sample: Sample) -> nn.Module:
            network = super().freeze(sample)
            freeze_channels(network, sample)
            return network

        def set_output_bias(self, task: str, values: torch.Tensor) -> None:
            self.head.set_output_bias(values)

    AroundBlocks.__name__ = f"A space of {type(blocks[0]).__name__}"
    return AroundBlocks


def _choice(blocks: Sequence[Block], slot: Slot, label: str) -> nn.Module:
    return choice_or_only({f"block{block.suffix}": partial(block.build, slot) for block in blocks}, label)


def _built(block: Block, slot: Slot) -> nn.Module:
    module = block.build(slot)
    rule(
        f"{block} at {slot}",
        isinstance(module, nn.Module),
        f"build must return a torch module, not a {type(module).__name__}.",
    )
    return module


def _fixed(channels: object) -> int:
    assert isinstance(channels, int)
    return channels
