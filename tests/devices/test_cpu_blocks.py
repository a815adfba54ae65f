"""Blocks of a space: together they are the network, for every sample."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from devices.parts.block_table import block_table
from devices.parts.blocks import MOST_CASES, blocks_of
from ednas_nni import plugins
from ednas_nni.compat.nas import LayerChoice, ModelSpace, MutableConv2d
from ednas_nni.errors import StudyError
from ednas_nni.graphs.capture import network_graph
from ednas_nni.graphs.graph import Graph
from ednas_nni.nn.elementwise import Activation
from ednas_nni.nn.heads import answering_classes
from ednas_nni.nn.tree import domains_of
from tests.cost import spaces

TASKS = {"segmentation": 5, "depth": 1}
SIZE = (64, 96)
BETWEEN = {"ReduceMean", "Reshape"}
"""What the test's space does between its layers; no table of layers or blocks sees that."""


def operators(graph: Graph) -> Counter:
    """Every operator with its attributes, the shapes of its constants, and the elements that it writes."""
    return Counter(
        (
            node.op,
            str(sorted(node.attributes.items())),
            tuple(graph.constants[name].shape for name in node.inputs if name in graph.constants),
            node.elements,
        )
        for node in graph.nodes
        if node.op not in BETWEEN
    )


def signatures(table, sample) -> list[str]:
    """What a block table says of a sample."""
    codes = dict(zip(table.domains.labels, map(int, table.domains.encode(sample)), strict=True))
    return [s for _, labels, cases in table.terms for s in cases.get(tuple(codes[x] for x in labels), ())]


def check(space, table, count: int) -> None:
    """The operators of a network are those of its blocks."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        sample = table.domains.random(rng)
        whole = operators(network_graph(space, sample, SIZE))
        parts = sum((operators(table.graphs[s]) for s in signatures(table, sample)), Counter())
        assert parts == whole, (parts - whole, whole - parts)


@pytest.fixture(scope="module")
def nano():
    return plugins.load("search_spaces", "nano")(tasks=TASKS)


@pytest.fixture(scope="module")
def table(nano):
    return block_table(nano, SIZE)


def test_blocks_are_the_network(nano, table) -> None:
    check(nano, table, 5)


def test_blocks_are_the_network_with_searched_widths_and_parts_that_come_and_go() -> None:
    space = spaces.Everything()
    check(space, block_table(space, SIZE), 25)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobile", "edge_tpu", "pretrained"])
def test_blocks_are_the_network_in_large_spaces(name: str, monkeypatch) -> None:
    fewer = {"sharing": ["shared", "own_stage4"], "fusion": {"kinds": ["fpn", "aspp"], "channels": [32, 48]}}
    space = plugins.load("search_spaces", name)(tasks=TASKS, **(fewer if name != "pretrained" else {}))
    check(space, block_table(space, SIZE), 10)


def test_blocks_of_a_device_that_picks_classes_are_its_networks(nano, table) -> None:
    with answering_classes({"segmentation"}):
        check(nano, block_table(nano, SIZE), 2)
        with pytest.raises(AssertionError, match="ArgMax"):
            check(nano, table, 1)  # a table that prices no change


@pytest.mark.slow
def test_so_are_those_of_a_head_that_is_divided_into_layers() -> None:
    heads = {"kinds": ["conv"], "channels": list(range(8, 136, 8))}
    fusion = {"kinds": ["fpn"], "channels": [16, 24, 32, 48, 64]}
    space = plugins.load("search_spaces", "nano")(tasks=TASKS, heads=heads, fusion=fusion)
    with answering_classes({"segmentation"}):
        check(space, block_table(space, SIZE), 3)


def test_a_missing_block_is_noticed(nano, table) -> None:
    with pytest.raises(AssertionError):
        check(nano, replace(table, terms=table.terms[1:]), 1)


def test_blocks_are_as_large_as_the_choices_allow(nano) -> None:
    paths = [block.path for block in blocks_of(nano, SIZE)]  # whatever runs is in one block, and only in one
    assert {"stem", "fusion", "heads.segmentation", "stages.0.blocks.0.ibn_k3_e3"} <= set(paths)
    assert not any(a != b and b.startswith(a + ".") for a in paths for b in paths)


def test_layers_that_follow_each_other_are_one_block() -> None:
    blocks = {block.path: block for block in blocks_of(spaces.Everything(), SIZE)}
    assert {"stem", "fused"} <= set(blocks)
    assert not {"norm", "activation"} & set(blocks)
    ((graph, _),) = blocks["stem"].graphs({"width": 16, "kernel": 5})
    assert [node.op for node in graph.nodes] == ["Conv", "Clip"]


def test_a_block_with_many_cases_is_divided() -> None:
    assert MOST_CASES < 3**4
    space = plugins.load("search_spaces", "nano")(
        tasks={"depth": 1},
        stages=[{"channels": [8, 16, 24], "depth": [1, 1]}] * 4,
        ops=["ibn_k3_e1"],
        fusion={"kinds": ["fpn"], "channels": 8},
    )
    blocks = {block.path: block for block in blocks_of(space, SIZE)}
    assert "fusion" not in blocks
    assert blocks["fusion.laterals.2"].labels == ("stage3_width",)
    check(space, block_table(space, SIZE), 5)


def test_reading_a_space_leaves_it_alone() -> None:
    space = spaces.Everything()
    before = {name: tensor.clone() for name, tensor in space.state_dict().items()}
    widths = [module.channels for module in space.modules() if hasattr(module, "channels")]
    block_table(space, SIZE)
    after = space.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    same = [module.channels for module in space.modules() if hasattr(module, "channels")]
    assert all(a is b for a, b in zip(widths, same, strict=True))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in space.modules())


class Unknown(ModelSpace):
    """Widths are searched, and a block reads what a bare operator made of two tensors."""

    def __init__(self) -> None:
        super().__init__()
        import nni

        wide = nni.choice("width", [4, 8])
        self.a = MutableConv2d(3, wide, 1)
        self.choice = LayerChoice({"x": torch.nn.ReLU(), "y": Activation(wide)}, label="choice")

    def forward(self, x):
        return self.choice(self.a(x) + 1)


def test_a_tensor_of_unknown_width_is_named() -> None:
    with pytest.raises(StudyError, match=r"choice.x: it reads a tensor that no layer of known width wrote"):
        blocks_of(Unknown(), SIZE)


def test_conditions_of_labels_and_widths_meet_in_one_table() -> None:
    table = block_table(spaces.Everything(), SIZE)
    domains = domains_of(spaces.Everything())
    assert table.domains == domains
    for _, labels, cases in table.terms:
        assert list(labels) == [label for label in domains.labels if label in labels]
        assert all(len(at) == len(labels) for at in cases)
