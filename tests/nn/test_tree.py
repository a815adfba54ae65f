"""Reading any NNI model space: toy spaces with every construct; NNI itself and instantiated networks are the judges."""

from __future__ import annotations

import itertools
from functools import partial

import nni
import pytest
import torch
from nni.mutable import MutableExpression
from torch import nn

from ednas_nni.compat.nas import InputChoice, LayerChoice, ModelSpace, MutableBatchNorm2d, MutableConv2d, Repeat
from ednas_nni.errors import PluginError, SampleError
from ednas_nni.nn.choice import layer_choice
from ednas_nni.nn.elementwise import Add
from ednas_nni.nn.tree import build, domains_of, walk
from ednas_nni.space.domains import Literal
from ednas_nni.testing.spaces import _Reads, structure

torch.set_num_threads(1)


def literal(label, *values):
    return (Literal(label, frozenset(values)),)


class Nested(ModelSpace):
    """Choices in choices in a Repeat, one label used twice."""

    def __init__(self, wide: int = 4):
        super().__init__()
        self.first = MutableConv2d(3, wide, 1)
        self.pick = LayerChoice(
            {
                "plain": MutableConv2d(wide, wide, 1),
                "deep": Repeat(
                    lambda i: layer_choice(
                        {"k1": lambda: nn.Conv2d(wide, wide, 1), "k3": lambda: nn.Conv2d(wide, wide, 3, padding=1)},
                        f"inner{i}",
                    ),
                    (1, 3),
                    label="depth",
                ),
                "tied": nn.Sequential(
                    LayerChoice(
                        {"k1": nn.Conv2d(wide, wide, 1), "k3": nn.Conv2d(wide, wide, 3, padding=1)}, label="inner0"
                    ),
                    nn.ReLU(),
                ),
            },
            label="pick",
        )

    def forward(self, x):
        return self.pick(self.first(x))


class Widths(ModelSpace):
    """Searched widths and kernels, a depth that is an expression of two labels, an elementwise operation."""

    def __init__(self):
        super().__init__()
        width = nni.choice("width", [4, 8])
        more = nni.choice("more", [0, 1])
        base = nni.choice("base", [1, 2])
        kernel = nni.choice("kernel", [1, 3])
        self.conv = MutableConv2d(3, width, kernel, padding=kernel // 2)
        self.norm = MutableBatchNorm2d(width)
        self.rest = Repeat(
            lambda i: LayerChoice({"a": MutableConv2d(width, width, 1), "b": nn.Identity()}, label=f"op{i}"),
            base + more,
        )
        self.add = Add(width)

    def forward(self, x):
        y = self.norm(self.conv(x))
        return self.add(y, self.rest(y))


class Shared(ModelSpace):
    """A trunk that is dead when both branches are their own: only `liveness` knows."""

    def __init__(self):
        super().__init__()
        self.trunk = layer_choice(
            {"p": lambda: nn.Conv2d(3, 2, 1), "q": lambda: nn.Conv2d(3, 2, 3, padding=1)}, "trunk_op"
        )
        for side in ("left", "right"):
            setattr(self, side, layer_choice({"shared": nn.Identity, "own": partial(self.own, side)}, side))
        if nni.nas.space.current_model() is not None and not self.alive(nni.nas.space.current_model()):
            self.trunk = nn.Identity()

    @staticmethod
    def own(side):
        return layer_choice({"x": lambda: nn.Conv2d(3, 2, 1), "y": lambda: nn.Conv2d(3, 2, 3, padding=1)}, f"{side}_op")

    @staticmethod
    def alive(sample):
        return "shared" in (sample["left"], sample["right"])

    def liveness(self):
        return {"trunk": ((Literal("left", frozenset({"shared"})), Literal("right", frozenset({"shared"}))),)}


SPACES = [Nested, Widths, Shared]


def every_sample(domains):
    for values in itertools.product(*(d.values for d in domains.dimensions)):
        yield dict(zip(domains.labels, values, strict=True))


@pytest.mark.parametrize("make", SPACES)
def test_activity_is_what_nni_reads(make):
    space = make()
    domains = domains_of(space)
    assert list(domains.labels) == list(space.simplify())
    for sample in every_sample(domains):
        reads = _Reads(sample)
        assert space.check_contains(reads) is None
        theirs = reads.seen & set(domains.labels)
        if make is Shared and not Shared.alive(sample):
            theirs -= {"trunk_op"}
        assert set(domains.active(sample)) == theirs, sample


@pytest.mark.parametrize("make", SPACES)
def test_ids_and_size_against_instantiated_networks(make):
    space = make()
    domains = domains_of(space)
    trees = {}
    for sample in every_sample(domains):
        trees.setdefault(structure(build(space, sample)), set()).add(domains.architecture_id(sample))
    if make is not Widths:
        assert all(len(ids) == 1 for ids in trees.values())
    ids = set().union(*trees.values())
    assert sum(map(len, trees.values())) == len(ids) == domains.size()
    broken = {tuple(sample.values()) for sample in every_sample(domains)}  # a name that forgets what is inactive
    assert len(broken) > len(ids)


def test_size_by_hand():
    # pick plain, tied (2), deep with 1 to 3 blocks of 2
    assert domains_of(Nested()).size() == 1 + 2 + (2 + 4 + 8)
    # width x kernel x (base 1, more 0: 2; base 1, more 1: 4; base 2, more 0: 4; base 2, more 1: 8)
    assert domains_of(Widths()).size() == 2 * 2 * (2 + 4 + 4 + 8)
    # both own: 4 without trunk; one own: 2 x 2 trunks, twice; none own: 2 trunks
    assert domains_of(Shared()).size() == 4 + 2 * 4 + 2


@pytest.mark.parametrize("make", [Nested, Widths])
def test_leaves_that_hold_are_exactly_the_network(make):
    """The multiset of leaf types and shapes whose condition holds is that of the instantiated network."""
    space = make()
    domains = domains_of(space)
    leaves = list(walk(space))
    for sample in itertools.islice(every_sample(domains), 0, None, 3):
        held = [x for x in leaves if all(any(sample[y.label] in y.values for y in c) for c in x.condition)]
        network = build(space, sample)
        theirs = [m for m in network.modules() if not list(m.children())]
        assert len(held) == len(theirs)
        names = [type(x.module).__name__.removeprefix("Mutable") for x in held]
        assert names == [type(m).__name__ for m in theirs]


def test_leaves_know_paths_and_conditions():
    leaves = {leaf.path: leaf for leaf in walk(Nested())}
    assert leaves["first"].condition == ()
    assert leaves["pick.plain"].condition == (literal("pick", "plain"),)
    assert leaves["pick.deep.blocks.2.k3"].condition == (
        literal("pick", "deep"),
        literal("depth", 3),
        literal("inner2", "k3"),
    )
    assert leaves["pick.deep.blocks.0.k1"].condition == (literal("pick", "deep"), literal("inner0", "k1"))
    space = Nested()
    assert all(space.get_submodule(leaf.path) is leaf.module for leaf in walk(space))
    trunk = next(leaf for leaf in walk(Shared()) if leaf.path == "trunk.p")
    assert trunk.condition == (
        (Literal("left", frozenset({"shared"})), Literal("right", frozenset({"shared"}))),
        literal("trunk_op", "p"),
    )


@pytest.mark.parametrize("make", [Nested, Widths])
def test_build_equals_freeze(make):
    space = make()
    for sample in itertools.islice(every_sample(domains_of(space)), 0, None, 5):
        built, frozen = build(space, sample), space.freeze(sample)
        shapes = [{n: tuple(p.shape) for n, p in m.state_dict().items()} for m in (built, frozen)]
        assert shapes[0] == shapes[1] and list(shapes[0]) == list(shapes[1])
        assert built(torch.rand(2, 3, 4, 4)).shape == frozen(torch.rand(2, 3, 4, 4)).shape
        assert not {id(p) for p in built.parameters()} & {id(p) for p in space.parameters()}


def test_build_takes_constructor_arguments_and_incomplete_samples():
    network = build(Nested(wide=6), {"pick": "plain"})
    assert network.pick.out_channels == 6 and type(network.pick) is nn.Conv2d
    with pytest.raises(SampleError, match="lacks depth, inner0"):
        build(Nested(), {"pick": "deep"})
    with pytest.raises(SampleError, match="Did you mean 'plain'"):
        build(Nested(), {"pick": "plan"})


def test_build_does_not_construct_unchosen_candidates():
    made = []

    def conv(size):
        made.append(size)
        return nn.Conv2d(3, 3, size)

    class Space(ModelSpace):
        def __init__(self):
            super().__init__()
            self.op = layer_choice({"a": lambda: conv(1), "b": lambda: conv(3)}, "op")

    space = Space()
    assert made == [1, 3]
    build(space, {"op": "b"})
    assert made == [1, 3, 3]


def test_elementwise_channels_follow_the_sample():
    space = Widths()
    assert isinstance(space.add.channels, MutableExpression)
    assert build(space, {"width": 8, "more": 0, "base": 1, "kernel": 1, "op0": "a"}).add.channels == 8


class Inputs(ModelSpace):
    def __init__(self):
        super().__init__()
        self.pick = InputChoice(2, label="pick")


class Twice(ModelSpace):
    def __init__(self):
        super().__init__()
        self.a = MutableConv2d(3, nni.choice("w", [1, 2]), 1)
        self.b = MutableConv2d(3, nni.choice("w", [1, 2, 3]), 1)


class Dotted(ModelSpace):
    def __init__(self):
        super().__init__()
        self.a = MutableConv2d(3, nni.choice("w.x", [1, 2]), 1)


class Lost(ModelSpace):
    def __init__(self):
        super().__init__()
        self.a = MutableConv2d(3, nni.choice("w", [1, 2]), 1)

    def liveness(self):
        return {"b": ()}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Inputs, "CategoricalMultiple"),
        (Twice, "different labels"),
        (Dotted, "dots and slashes"),
        (Lost, "do not exist: b"),
    ],
)
def test_unusable_spaces_are_refused(make, words):
    with pytest.raises(PluginError, match=words):
        domains_of(make())
