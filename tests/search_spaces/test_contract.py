"""The contract suite for space authors accepts a small honest space and rejects one broken variant per rule."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ednas_nni.compat.nas import LayerChoice, ModelSpace, Repeat, current_model
from ednas_nni.errors import PluginError
from ednas_nni.nn.choice import layer_choice
from ednas_nni.space.domains import Literal
from ednas_nni.testing.spaces import check_samples, check_space

torch.set_num_threads(1)


class Honest(ModelSpace):
    """Two tasks, a choice, a depth; `extra` is where the broken variants differ."""

    stride = 2

    def __init__(self, tasks=None, channels=4):
        super().__init__()
        self.tasks = tuple(tasks or {"a": 2, "b": 1})
        self.stem = layer_choice(
            {"k1": lambda: nn.Conv2d(3, channels, 1), "k3": lambda: nn.Conv2d(3, channels, 3, padding=1)}, "stem"
        )
        self.body = Repeat(
            lambda i: layer_choice({"k1": lambda: nn.Conv2d(channels, channels, 1), "id": nn.Identity}, f"op{i}"),
            (1, 2),
            label="depth",
        )
        self.heads = nn.ModuleDict({t: nn.Conv2d(channels, n, 1) for t, n in (tasks or {"a": 2, "b": 1}).items()})
        self.extra(channels)

    def extra(self, channels):
        pass

    def forward(self, x):
        y = self.body(self.stem(x))
        return {t: head(y) for t, head in self.heads.items()}

    def set_output_bias(self, task, values):
        with torch.no_grad():
            self.heads[task].bias.copy_(values)


class Dead(Honest):
    def extra(self, channels):
        self.unused = nn.Conv2d(3, 3, 1)


class Hidden(Honest):
    def extra(self, channels):
        self.heads["a"].scale = nn.Identity()


class WrongLiveness(Honest):
    """Says that the stem is dead at depth 2, though the network keeps it."""

    def liveness(self):
        return {"stem": ((Literal("depth", frozenset({1})),),)}


class Twins(Honest):
    """Two candidates that are the same network."""

    def extra(self, channels):
        self.twins = layer_choice({"x": nn.Identity, "y": nn.Identity}, "twins")


class Small(Honest):
    def forward(self, x):
        return {t: y[:, :, ::2] for t, y in super().forward(x).items()}


class Infinite(Honest):
    def forward(self, x):
        return {t: y / 0 for t, y in super().forward(x).items()}


class Silent(Honest):
    def forward(self, x):
        return {"a": super().forward(x)["a"]}


class NoBias(Honest):
    def set_output_bias(self, task, values):
        pass


class Careless(Honest):
    """Sets the bias of every task."""

    def set_output_bias(self, task, values):
        for name in self.tasks:
            with torch.no_grad():
                self.heads[name].bias.fill_(float(values[0]))


class OnlyFrozen(Honest):
    """Differs between `freeze` and `model_context`."""

    def extra(self, channels):
        if current_model() is not None:
            self.stem = nn.Sequential(self.stem)


class Unread(Honest):
    """Has a choice that NNI never reads, because the module hides it."""

    class Hiding(LayerChoice):
        def check_contains(self, sample):
            return None

    def extra(self, channels):
        if current_model() is None:
            self.heads["a"] = self.Hiding(
                {"x": nn.Conv2d(channels, 2, 1), "y": nn.Conv2d(channels, 2, 1)}, label="head"
            )


def test_an_honest_space_passes():
    check_space(Honest, size=(8, 8))
    check_space(lambda: Honest({"only": 3}, channels=6), size=(8, 8))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Honest(channels=torch.tensor(4)), "plain data"),
        (Dead, "take no part in any output"),
        (Hidden, "a module that has children"),
        (WrongLiveness, "gives the same id but another network"),
        (Twins, "gives another id but the same network"),
        (Small, "a must be"),
        (Infinite, "not finite"),
        (Silent, "must return the tasks"),
        (NoBias, "must raise the raw output"),
        (Careless, "leave the other tasks alone"),
        (OnlyFrozen, "different networks"),
        (Unread, "tell the same story"),
    ],
)
def test_each_rule_rejects_its_broken_variant(make, words):
    with pytest.raises(PluginError, match=words):
        check_space(make, size=(8, 8))


def test_samples_must_agree_with_themselves():
    class Forgetful:
        def canonical(self, sample):
            return dict(sample)

        def encode(self, sample):
            return [0]

        def decode(self, codes):
            return {"a": 0}

    with pytest.raises(PluginError, match="must both be canonical"):
        check_samples(Forgetful(), {"a": 1})
