"""What a model space says of itself: ours by the mix-in, any other NNI space by an adapter with the defaults."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from torch import nn

from ednas_nni.compat.nas import ModelSpace
from ednas_nni.errors import StudyError
from ednas_nni.nn.capabilities import Capabilities, capabilities_of
from ednas_nni.nn.choice import layer_choice
from ednas_nni.nn.tree import domains_of
from ednas_nni.space.domains import Literal
from search_spaces import nano


class Plain(ModelSpace):
    """Knows NNI alone."""

    def __init__(self):
        super().__init__()
        self.op = layer_choice({"a": lambda: nn.Conv2d(3, 1, 1), "b": nn.Identity}, "op")


class Spoken(Plain):
    """Says the same as a space of ours, without the mix-in."""

    tasks = ("depth",)
    stride = 4
    weight_fingerprints = MappingProxyType({"file": "0123"})
    member_names = ("first",)

    def __init__(self):
        super().__init__()
        self.way = layer_choice({"through": nn.Identity, "around": nn.Identity}, "way")

    def liveness(self):
        return {"op": ((Literal("way", frozenset({"through"})),),)}

    def member(self, name):
        return {"op": "a"}

    def describe(self, sample):
        return "in my own words"


def test_a_space_of_nni_alone_has_the_defaults():
    space = Plain()
    seen, domains = capabilities_of(space), domains_of(space)
    assert seen is not space and (seen.tasks, seen.stride, seen.member_names) == ((), 1, ())
    assert seen.liveness() == {} and seen.weight_fingerprints == {}
    assert seen.describe({"op": "b"}, domains).splitlines()[1:] == ["  op: b"]
    with pytest.raises(StudyError, match="'x': this search space has no named members"):
        seen.member("x")


def test_what_a_foreign_space_says_is_read_by_name():
    space = Spoken()
    seen = capabilities_of(space)
    assert (seen.tasks, seen.stride, seen.member_names) == (("depth",), 4, ("first",))
    assert seen.liveness() == space.liveness() and seen.weight_fingerprints == {"file": "0123"}
    assert seen.member("first") == {"op": "a"} and seen.describe({}, domains_of(Plain())) == "in my own words"
    assert domains_of(space)["op"].conditions != domains_of(Plain())["op"].conditions, "liveness reaches the walk"


def test_ours_is_itself():
    space = nano({"depth": 1})
    assert isinstance(space, Capabilities) and capabilities_of(space) is space
    assert space.describe(space.member("mobilenet_v2")) == space.describe(space.member("mobilenet_v2"), space.domains)
