"""`deploy_outputs: classes`: what is priced is what the device then runs and gives back to the host."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from devices.edge_tpu.device import EdgeTPU
from devices.edge_tpu.profile import shipped
from ednas_nni.cost import cost_table
from ednas_nni.cost.layers import layer_records
from ednas_nni.cost.lint import left_to_the_host
from ednas_nni.errors import StudyError
from ednas_nni.graphs.capture import network_graph
from ednas_nni.graphs.graph import Graph, cut
from ednas_nni.nn.heads import Head, answering_classes
from ednas_nni.nn.tree import build
from search_spaces import EdnasSpace
from tests.small_networks import small_study

SIZE = (64, 128)
ASKED = ("segmentation",)
MAPS = EdgeTPU(shipped("edge_tpu").model_copy(update={"argmax": True, "spread": None}))
LEAVES = EdgeTPU(shipped("edge_tpu").model_copy(update={"spread": None}))


@pytest.fixture(scope="module")
def space():
    few = {
        "stages": [{"channels": 16, "depth": [1, 2]}, {"channels": [16, 24], "depth": 1}, {"channels": 24, "depth": 1}]
    }
    return EdnasSpace(
        tasks={"segmentation": 13, "depth": 1}, preset="compound", ops=["ibn_k3_e3", "fused_k3_e3"], **few
    )


@pytest.fixture(scope="module")
def priced(space):
    """(device, tasks that answer with classes) -> their table, made once."""
    return functools.cache(lambda device, asked: cost_table(space, [device], SIZE, classes=asked))


def file_of(space, sample, asked) -> Graph:
    """What an exported int8 file holds."""
    with answering_classes(asked):
        return cut(network_graph(space, sample, SIZE), SIZE)


def bytes_back(graph: Graph) -> int:
    """Of all outputs: int8 scores, and int32 classes as LiteRT's ARG_MAX gives them."""
    nodes = {node.output: node for node in graph.nodes}
    return sum(nodes[name].elements * (4 if nodes[name].op == "Cast" else 1) for name in graph.outputs)


def wrong(table, space, samples, device, asked) -> list[str]:
    """Features of samples that are not those of the instantiated network and of its file."""
    faults = []
    totals = table.own_totals(0, table.totals(np.stack([table.domains.encode(sample) for sample in samples])))
    for i, sample in enumerate(samples):
        with answering_classes(asked):
            layers = [device.layer_features(layer) for layer in layer_records(build(space, sample), SIZE)]
        for name in ("host_elements", "handed_bytes", "outputs"):
            if totals[name][i] != sum(layer.get(name, 0) for layer in layers):
                faults.append(name)
        scores = bytes_back(file_of(space, sample, ()))
        back = bytes_back(file_of(space, sample, asked)) if device.profile.argmax else scores
        if totals["handed_bytes"][i] != back:
            faults.append("bytes")
    return faults


@pytest.mark.parametrize("device", [MAPS, LEAVES], ids=["maps", "leaves it to the host"])
def test_costs_are_those_of_the_file_with_classes_and_without(space, priced, device) -> None:
    plain, table = (priced(device, asked) for asked in ((), ASKED))
    rng = np.random.default_rng(0)
    samples = [table.domains.canonical(table.domains.random(rng)) for _ in range(2)]
    assert wrong(plain, space, samples, device, ()) == [] == wrong(table, space, samples, device, ASKED)
    assert "host_elements" in wrong(plain, space, samples, device, ASKED)  # a table that prices no change
    costs = [dict(zip(table.names, one(samples).T, strict=True)) for one in (plain, table)]
    assert (costs[1]["host_ms"] < costs[0]["host_ms"]).all() and (costs[1]["macs"] == costs[0]["macs"]).all()
    assert (costs[1]["latency_ms"] < costs[0]["latency_ms"]).all() == (device is MAPS)


def test_the_file_gives_one_index_for_all_scores(space) -> None:
    sample = space.domains.canonical({d.label: d.values[0] for d in space.domains.dimensions})
    graph = file_of(space, sample, ASKED)
    (chosen,) = [node for node in graph.nodes if node.op == "ArgMax"]
    scores = next(node for node in graph.nodes if node.output == chosen.inputs[0])
    assert scores.shape == (1, 13, *chosen.shape[2:]) and chosen.attributes == {"axis": 1, "keepdims": 1}
    assert math.prod(chosen.shape) * 13 == scores.elements and chosen.shape[2:] == (16, 32)
    assert not [node for node in graph.nodes if node.op == "Resize" and node.shape[2:] == SIZE]


def test_check_says_who_leaves_the_choice_to_the_host(priced) -> None:
    (line,) = left_to_the_host(priced(LEAVES, ASKED))
    assert "does not run ARG_MAX" in line and line.endswith("every network has it")  # whichever head it has
    assert not list(left_to_the_host(priced(MAPS, ASKED)))


def test_what_cannot_be_is_rejected(monkeypatch: pytest.MonkeyPatch, space) -> None:
    with pytest.raises(StudyError, match=r"deploy_outputs = 'classes': none of the tasks depth picks .* raw"):
        _ = small_study(("depth",), deploy_outputs="classes").table
    with pytest.raises(StudyError, match=r"deploy_outputs.*classes"):
        small_study(deploy_outputs="indices")
    monkeypatch.setattr(Head, "answer", lambda head, scores: head.resize(scores))  # a space of another author
    with pytest.raises(StudyError, match=r"deploy_outputs = 'classes': .*`TaskHead.answer`.*deploy_outputs: raw"):
        cost_table(space, [MAPS], SIZE, classes=ASKED)


def test_studies_without_it_are_what_they_were() -> None:
    plain, same, other = (small_study(**given).study.digest for given in ({}, {"deploy_outputs": "raw"}, CLASSES))
    assert plain == same != other


CLASSES = {"deploy_outputs": "classes"}
