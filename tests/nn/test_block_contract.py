"""Every registered block keeps the contract, and the suite rejects one broken block per rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import torch
from torch import nn

from ednas_nni.compat.nas import MutableConv2d
from ednas_nni.errors import EdnasError, PluginError, StudyError
from ednas_nni.nn.blocks import base
from ednas_nni.nn.blocks.base import BLOCKS, Block, Slot, flag, number, operation
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.elementwise import Add
from ednas_nni.testing.blocks import check_block

torch.set_num_threads(1)


@pytest.mark.parametrize("kind", BLOCKS.names())
def test_every_registered_block_keeps_the_contract(kind):
    check_block(BLOCKS.load(kind))


class Body(nn.Module):
    """A convolution with a residual; `extra` is where the broken variants differ."""

    def __init__(self, slot, kernel):
        super().__init__()
        self.conv = ConvNorm(slot.inputs, slot.outputs, kernel, slot.stride, activation=None)
        self.add = Add(slot.outputs) if slot.residual else None
        self.extra(slot)

    def extra(self, slot):
        pass

    def forward(self, x):
        y = self.conv(x)
        return y if self.add is None else self.add(x, y)


@dataclass(frozen=True)
class Plain(Block):
    kernel: Annotated[int, number("k", (3, 5))] = 3

    def build(self, slot):
        return Body(slot, self.kernel)


def of(body):
    """A kind of block with another module."""

    @dataclass(frozen=True)
    class Other(Plain):
        def build(self, slot):
            return body(slot, self.kernel)

    return Other


@of
class Unstrided(Body):
    def extra(self, slot):
        self.conv = ConvNorm(slot.inputs, slot.outputs, 3)


@of
class Unpadded(Body):
    """Right at even sizes, one pixel short at odd ones."""

    def extra(self, slot):
        self.conv = MutableConv2d(slot.inputs, slot.outputs, 2 if slot.stride == 2 else 1, stride=slot.stride)


@of
class Forgetful(Body):
    def extra(self, slot):
        self.add = None


@of
class Late(Body):
    """Activates after the addition."""

    def forward(self, x):
        y = super().forward(x)
        return y if self.add is None else torch.relu(y)


@of
class Dead(Body):
    def extra(self, slot):
        self.unused = nn.Conv2d(3, 3, 1)


@of
class Severed(Body):
    def forward(self, x):
        return super().forward(x.detach())


@of
class Infinite(Body):
    def forward(self, x):
        return super().forward(x) / 0


@of
class Lucky(Body):
    def forward(self, x):
        return super().forward(x) * torch.rand(1)


@of
class Seedless(Body):
    def extra(self, slot):
        with torch.no_grad():
            self.conv.conv.weight.fill_(
                float(torch.empty(1).random_(generator=torch.Generator().manual_seed(id(self))))
            )


@of
class Numbers(Body):
    """Of torch's own layers, which take numbers only."""

    def extra(self, slot):
        self.conv = nn.Conv2d(slot.inputs, slot.outputs, 3, slot.stride, padding=1)


@of
class Halved(Body):
    """Keeps its weights where the cost table does not look."""

    def extra(self, slot):
        self.conv.scale = nn.Parameter(torch.ones(()))
        self.forward = lambda x: Body.forward(self, x * self.conv.scale)


@of
class Unpriced(Body):
    def forward(self, x):
        return super().forward(torch.matmul(x, torch.eye(x.shape[-1], device=x.device)))


class Nameless(Plain):
    suffix = "_k3"


class Foreign(Plain):
    suffix = property(lambda self: f"-k{self.kernel}")

    @classmethod
    def read(cls, suffix):
        return cls(int(suffix[2:]))


class Mute(Plain):
    def build(self, slot):
        return None


def test_an_honest_block_passes():
    check_block(Plain)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Unstrided, r"must become \(2, 16, 4, 6\)"),
        (Unpadded, r"must become \(2, 16, 5, 7\), not \(2, 16, 4, 6\)"),
        (Forgetful, "the input must be added"),
        (Late, "the input must be added"),
        (Dead, "unused.weight gets no gradient"),
        (Severed, "the input gets no gradient"),
        (Infinite, "not finite"),
        (Lucky, "two passes in evaluation mode differ"),
        (Seedless, "the same seed gives two modules"),
        (Numbers, "cannot be built with searched widths"),
        (Halved, "belong to a module that has children"),
        (Unpriced, "A space of Other: layers account for .* called as a function"),
        (Nameless, "its suffix '_k3' is read as"),
        (Foreign, "letters, digits and underscores"),
        (Mute, "must return a torch module"),
    ],
)
def test_each_rule_rejects_its_broken_variant(kind, words):
    with pytest.raises(EdnasError, match=words):
        check_block(kind)


# ------------------------------------------------------------------ names
@dataclass(frozen=True)
class Wordy(Block):
    """A number, a flag, a text by hand."""

    kernel: Annotated[int, number("k", (1, 11))]
    way: Annotated[str, base.Option({"_up": "up", "_down": "down"})]
    squeeze: Annotated[bool, flag("se")] = False

    def build(self, slot):
        return nn.Identity()


def test_options_are_read_from_the_name():
    assert Wordy.read("_k11_down_se") == Wordy(11, "down", True) and Wordy(1, "up").suffix == "_k1_up"
    assert len(Wordy.examples()) == 8 and all(Wordy.read(block.suffix) == block for block in Wordy.examples())
    for wrong in ("", "_k1", "_k111_up", "_up_k1", "_k1_up_se_se", "k1_up"):
        with pytest.raises(ValueError, match=r"in this order: kernel _k1 or _k11, way _up or _down, squeeze _se"):
            Wordy.read(wrong)


@pytest.fixture
def registered(monkeypatch):
    """`wordy` and `wordy_k1` are registered, beside a class that is not a block."""
    kinds = {"wordy": Wordy, "wordy_k1": Plain, "odd": Slot}
    monkeypatch.setattr(BLOCKS, "names", lambda: sorted(kinds))
    monkeypatch.setattr(base.BLOCKS, "load", lambda name: kinds[name])
    operation.cache_clear()
    yield
    operation.cache_clear()


def test_the_longest_registered_kind_is_meant(registered):
    assert operation("wordy_k11_up") == Wordy(11, "up") and operation("wordy_k1_k5") == Plain(5)
    with pytest.raises(StudyError, match=r"'wordy_k2_up'\. Options follow .*; for example wordy_k1_up\."):
        operation("wordy_k2_up")
    with pytest.raises(StudyError, match=r"'wordi_k1': a name begins with the kind of block.*Did you mean 'wordy'"):
        operation("wordi_k1")


def test_what_is_not_a_block_is_rejected(monkeypatch):
    monkeypatch.setattr(BLOCKS, "names", lambda: ["odd"])
    monkeypatch.setattr("ednas_nni.plugins.load", lambda group, name: Slot)
    operation.cache_clear()
    with pytest.raises(PluginError, match=r"Slot is not a subclass of ednas_nni\.nn\.blocks\.base\.Block"):
        operation("odd_k3")
    operation.cache_clear()


def test_an_option_must_say_how_it_is_written():
    @dataclass(frozen=True)
    class Silent(Block):
        kernel: int = 3

        def build(self, slot):
            return nn.Identity()

    with pytest.raises(PluginError, match=r"Silent\.kernel does not say how it is written"):
        check_block(Silent)
