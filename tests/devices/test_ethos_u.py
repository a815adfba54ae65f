"""The device ethos_u: parts against Vela on whole networks, fallbacks, what is on disk, and a child that dies."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from devices.ethos_u import EthosU
from devices.ethos_u.parts import AROUND, Estimates, VelaEstimate, estimate, estimates, surrounded
from devices.ethos_u.vela import NpuTarget, Vela, installed
from devices.parts.block_table import BlockTable
from devices.parts.blocks import blocks_of
from ednas_nni import plugins
from ednas_nni.cost import cost_table, smallest
from ednas_nni.cost.features import SpaceFeatures, Term, joined, sums
from ednas_nni.errors import DataError, NetworkError, StudyError
from ednas_nni.graphs.capture import capture, network_graph
from ednas_nni.graphs.graph import Graph, cut
from ednas_nni.graphs.inference_graph import inference_graph
from ednas_nni.graphs.tflite_file import tflite_bytes
from ednas_nni.networks.export.base import EXPORTERS, Order, facts_for
from ednas_nni.nn.elementwise import LargestClass, Resize
from ednas_nni.nn.tree import build
from ednas_nni.space.domains import Dimension, Domains
from ednas_nni.tasks.decoding import Decoding
from ednas_nni.testing.devices import check_device
from ednas_nni.testing.exporters import example_images

SIZE = (64, 128)
TARGET = NpuTarget("ethos-u55-256", "", "", "5.2.0")


@pytest.fixture(scope="module")
def vela():
    pytest.importorskip("ethosu")
    with Vela(replace(TARGET, vela=installed())) as running:
        yield running


@pytest.fixture(scope="module")
def priced(tmp_path_factory):
    """A space, the device and its table."""
    pytest.importorskip("ethosu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDNAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        stages = [{"channels": width, "depth": [1, 2]} for width in (16, 24, 32, 48)]
        preset = plugins.load("search_spaces", "nano")
        space = preset(tasks={"depth": 1}, ops=["ibn_k3_e3", "fused_k3_e3"], stages=stages)
        device = EthosU()
        device.quiet = True
        yield space, device, cost_table(space, [device], SIZE)


def body(channels: int = 24) -> Graph:
    layers = nn.Sequential(
        nn.Conv2d(channels, 96, 1), nn.ReLU6(), nn.Conv2d(96, 96, 3, padding=1, groups=96), nn.ReLU6()
    )
    return capture(layers, (torch.empty(1, channels, 16, 32, device="meta"),))


def test_the_contract() -> None:
    pytest.importorskip("ethosu")
    check_device(EthosU("u85-512"))
    with pytest.raises(StudyError, match=r"ethos-u55-256: .*No_Such"):
        estimates({"a": body()}, Estimates(replace(EthosU(system="No_Such").target), Path("/nonexistent")), quiet=True)


def test_networks_cost_what_vela_says_of_their_files(priced, vela) -> None:
    space, _, table = priced
    rng = np.random.default_rng(1)
    samples = [table.domains.random(rng) for _ in range(5)]
    whole = [estimate(cut(network_graph(space, sample, SIZE), SIZE), vela) for sample in samples]
    latency, sram, share = table(samples)[:, :3].T
    assert latency == pytest.approx([network.milliseconds for network in whole], rel=0.05)
    assert sram == pytest.approx([network.sram_bytes for network in whole], rel=0.3)
    assert (share == 1).all() and not any(network.left for network in whole)


@pytest.mark.slow
def test_an_exported_file_costs_what_the_table_says(priced, vela, tmp_path: Path) -> None:
    """LiteRT's converter and quantiser write the same operators as our file, and Vela estimates the same of both."""
    exporter = EXPORTERS.load("litert-int8")()
    try:
        exporter.check_installed(exporter.writes_with)
    except NetworkError as error:
        pytest.skip(str(error))
    space, _, table = priced
    sample = table.domains.random(np.random.default_rng(3))
    graph = inference_graph(build(space, sample), {"depth": Decoding()}, SIZE)
    path = tmp_path / "network.int8.tflite"
    facts = facts_for(exporter, graph, network="small", architecture="0")
    exporter.write(Order(graph, facts, example_images(size=SIZE)), path)
    exported = vela.compiled(path.read_bytes())
    ours = vela.compiled(tflite_bytes(cut(network_graph(space, sample, SIZE), SIZE)))
    assert len(ours.operators) == len(exported.operators)
    assert ours.cycles == pytest.approx(exported.cycles, rel=0.05)
    assert table([sample])[0, 0] == pytest.approx(exported.cycles / exported.hertz * 1e3, rel=0.05)


def test_columns_say_what_they_were_compared_with(priced) -> None:
    _, device, table = priced
    latency = table.columns[0]
    assert (latency.origin, latency.device) == ("compiled", "ethos_u55_256")
    assert latency.error is not None and latency.error < 0.05 and "8 whole networks" in latency.compared
    assert "nothing is left" in table.columns[2].note
    assert smallest(table, "latency_ms").exact
    assert device.whole


def test_surroundings_do_not_count_and_are_needed(vela) -> None:
    """Three blocks in a row: the middle one's operators cost what it costs in surroundings, not what it costs alone."""
    row = nn.Sequential(*(nn.Conv2d(8 if i == 0 else 64, 64, 1) for i in range(4)), nn.Conv2d(64, 8, 1))
    whole = vela.compiled(tflite_bytes(capture(row, (torch.empty(1, 8, 32, 64, device="meta"),))))
    part = capture(nn.Conv2d(64, 64, 1), (torch.empty(1, 64, 32, 64, device="meta"),))
    inner = surrounded(part, SIZE)
    assert [node.output.startswith(AROUND) for node in inner.nodes] == [True, False, True]
    assert estimate(inner, vela).cycles == pytest.approx(whole.operators[2].cycles, rel=0.02)
    assert abs(estimate(part, vela).cycles / whole.operators[2].cycles - 1) > 0.02  # as a file of its own


def test_what_other_parts_read_as_well_takes_memory() -> None:
    part = body()
    plain, later = surrounded(part, SIZE), surrounded(part, SIZE, others={"x0": "later"})
    earlier = surrounded(part, SIZE, ends=True, others={"x0": "earlier"})
    assert [len(graph.outputs) for graph in (plain, later, earlier)] == [1, 2, 2]
    assert "later" in later.outputs[0] and "earlier" in earlier.outputs[1]  # Vela runs what leads to the first one last
    assert len({graph.signature for graph in (plain, later, earlier)}) == 3


def test_blocks_say_who_else_reads_what_they_are_given() -> None:
    """The fused feature waits for the first task's head, which compilers run last; other candidates do not count."""
    space = plugins.load("search_spaces", "nano")(tasks={"segmentation": 5, "depth": 1})
    calls = {block.path: block.calls[0] for block in blocks_of(space, SIZE)}
    first, second = (calls[f"heads.{task}"] for task in ("segmentation", "depth"))
    assert (first.others, second.others, first.ends, second.ends) == (("earlier",), ("later",), True, True)
    others = {path.rpartition(".")[0]: call.others for path, call in calls.items() if path.endswith("fused_k3_e3")}
    assert others["stages.1.blocks.0"] == ("later",)  # the fusion reads the stage before as well
    assert others["stages.1.blocks.1"] == others["stages.0.blocks.0"] == ("never",)


def test_what_falls_back_is_named_and_priced(vela) -> None:
    enlarged = nn.Sequential(nn.Conv2d(24, 8, 1), Resize(8, 4))
    part = capture(enlarged, (torch.empty(1, 24, 16, 32, device="meta"),))
    found = estimate(surrounded(part, SIZE), vela)
    assert len(found.left) == 1 and found.left[0].startswith("RESIZE_BILINEAR: ") and "4" in found.left[0]
    assert (found.operators, found.left_elements) == (2, 8 * 64 * 128)
    device = EthosU(cpu_ns=50)
    totals = {"npu_ms": 1.0, "sram_bytes": 9.0, "operators": 2.0, "left": 1.0, "left_elements": found.left_elements}
    costs = device.costs({name: np.array([value]) for name, value in totals.items()})
    assert costs["latency_ms"][0] == pytest.approx(1.0 + 8 * 64 * 128 * 50e-6)
    assert costs["npu_share"][0] == 0.5
    at_the_end = estimate(surrounded(part, SIZE, ends=True), vela)
    assert (at_the_end.operators, at_the_end.left) == (1, ())  # an enlargement to the image's size is the host's


def test_the_choice_of_a_class_is_priced_up_to_127_of_them(vela) -> None:
    """U55 runs it as a depthwise layer, a pooling and a table; Vela does not say to what their cycles belong."""
    given = (torch.empty(1, 24, 16, 32),)

    def priced(*layers: nn.Module) -> VelaEstimate:
        return estimate(surrounded(capture(nn.Sequential(*layers), given), SIZE, ends=True), vela)

    scores, few, many = (nn.Conv2d(24, n, 1) for n in (13, 13, 128))
    alone, chosen, left = priced(scores), priced(few, LargestClass(13)), priced(many, LargestClass(128))
    assert chosen.left == () and chosen.operators == 2 and chosen.cycles > 2 * alone.cycles
    assert len(left.left) == 1 and "depth of the argmax: 128" in left.left[0] and left.left_elements == 16 * 32


def test_a_network_has_the_largest_memory_of_its_blocks() -> None:
    domains = Domains([Dimension("a", ("x", "y"))])
    table = BlockTable(domains, {}, (("stem", (), {(): ("s", "s")}), ("block", ("a",), {(0,): ("s",), (1,): ("t",)})))
    figures = {"s": {"ms": 1.0, "bytes": 5.0}, "t": {"ms": 4.0, "bytes": 7.0}}
    found = table.features(figures, frozenset({"bytes"}))
    assert {term.labels: term.values.tolist() for term in found.terms} == {(): [2.0, 5.0], ("a",): [[1, 5], [4, 7]]}
    assert found.fixed == {"stem": {"ms": 2.0, "bytes": 5.0}}
    other = SpaceFeatures(("macs",), (Term(("a",), np.array([[10.0], [20.0]])),), domains)
    assert sums(joined(other, found), [{"a": "x"}, {"a": "y"}]).tolist() == [[10, 3, 5], [20, 6, 7]]


def test_estimates_of_another_target_are_never_used(tmp_path: Path) -> None:
    store = Estimates(TARGET, tmp_path)
    known = {"a": VelaEstimate(5, 0.1, 64, 2, ("RESIZE: why",), 9)}
    store.add(known)
    assert store.read() == known
    for change in (
        {"accelerator": "ethos-u65-256"},
        {"system": "S"},
        {"memory": "M"},
        {"vela": "5.3.0"},
        {"protocol": 0},
    ):
        other = Estimates(replace(TARGET, **change), tmp_path)
        assert other.read() == {}
        other.path.write_text(store.path.read_text())
        with pytest.raises(DataError, match="not of Vela"):
            other.read()
    content = json.loads(store.path.read_text())
    content["timings"]["a"]["milliseconds"] = math.nan
    store.path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"estimates of Vela at .* are damaged .*delete the file"):
        store.read()


def test_a_child_that_dies_is_one_line(monkeypatch, tmp_path: Path) -> None:
    pytest.importorskip("ethosu")
    with Vela(TARGET) as vela, pytest.raises(StudyError, match=r"Vela 5.2.0 for ethos-u55-256: .+"):
        vela.compiled(b"no file at all")
    fake = tmp_path / "python"
    fake.write_text(f"#!{sys.executable}\nimport sys\nprint('out of luck', file=sys.stderr); sys.exit(3)\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    with pytest.raises(StudyError, match="out of luck"), Vela(TARGET):
        pass
