"""Devices that are measured on this machine: their table, their calibration, their place in a study."""

from __future__ import annotations

import math

import numpy as np
import pytest

from devices.parts.timings import Timing
from devices.parts.whole_networks import factor, held_out_errors, spread_out
from ednas_nni import plugins
from ednas_nni.cost import cost_table, registry, smallest
from ednas_nni.cost.features import SpaceFeatures, Term, joined, renamed, scaled, sums
from ednas_nni.errors import PluginError, StudyError
from ednas_nni.nn.tree import domains_of
from ednas_nni.search.assembled import device
from ednas_nni.space.domains import Dimension, Domains
from ednas_nni.study import parse
from tests.cost import spaces

SIZE = (64, 96)
SLOWER = 1.25
"""What whole networks take in the stand-in below, over the sum of their operators."""


def work(graph) -> float:
    """A latency that adds up: for each operator its elements, and its weights."""
    weights = sum(math.prod(constant.shape) for constant in graph.constants.values() if not constant.structural)
    return 1e-4 * (sum(node.elements for node in graph.nodes if node.op != "ReduceMean") + weights)


RUNTIMES = {"cpu_onnxruntime": "onnxruntime", "litert_cpu": "ai_edge_litert"}


@pytest.fixture(params=RUNTIMES)
def additive(request, monkeypatch, tmp_path):
    """A device on a machine where every graph takes its `work`."""
    pytest.importorskip(RUNTIMES[request.param])
    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path))

    def measured(graphs, store, opened, rounds, title, quiet):
        whole = {signature for signature, graph in graphs.items() if any(n.op == "ReduceMean" for n in graph.nodes)}
        return {s: Timing((SLOWER if s in whole else 1) * work(graph), 1.0, 8, 0.01) for s, graph in graphs.items()}

    monkeypatch.setattr("devices.parts.measure.measured", measured)
    return registry.device(request.param)


def test_a_network_is_the_sum_of_its_blocks_times_the_factor(additive) -> None:
    space = spaces.Everything()
    table = cost_table(space, [additive, "edge_tpu"], SIZE)
    assert table.names[:2] == ("latency_ms", "edge_tpu_latency_ms")
    rng = np.random.default_rng(3)
    samples = [table.domains.random(rng) for _ in range(30)]
    expected = [SLOWER * work(additive.network(space, sample, SIZE)) for sample in samples]
    assert table(samples)[:, 0] == pytest.approx(expected, rel=1e-6)
    without = cost_table(space, ["edge_tpu"], SIZE)
    assert table(samples)[:, table.names.index("macs")] == pytest.approx(
        without(samples)[:, without.names.index("macs")]
    )


def test_the_column_says_where_it_was_measured_and_how_far_off_it_is(additive) -> None:
    column = cost_table(spaces.Everything(), [additive], SIZE).columns[0]
    assert (column.name, column.unit, column.device, column.origin) == (
        "latency_ms",
        "ms",
        additive.name,
        "measured",
    )
    machine = additive.machine
    assert (machine.engine, machine.precision) == {
        "cpu_onnxruntime": ("onnxruntime", "float32"), "litert_cpu": ("LiteRT", "int8")
    }[additive.name]  # fmt: skip
    parts = (machine.cpu, machine.features, machine.engine, machine.runtime, machine.precision, "1 thread")
    for part in (*parts, "8 whole networks", "0.0% on average"):
        assert part in column.note


def test_the_smallest_latency_is_proved(additive) -> None:
    found = smallest(cost_table(spaces.Everything(), [additive], SIZE), "latency_ms")
    assert found.exact


def test_the_factor_is_the_best_relative_one_and_errors_are_of_unseen_networks() -> None:
    rng = np.random.default_rng(0)
    whole = rng.uniform(5, 50, 12)
    added = whole / 1.1 * rng.uniform(0.97, 1.03, 12)
    best = factor(added, whole)
    assert best == pytest.approx(1.1, rel=0.02)
    loss = [np.sum((f * added / whole - 1) ** 2) for f in (best * 0.999, best, best * 1.001)]
    assert loss[1] < min(loss[0], loss[2])
    errors = held_out_errors(added, whole)
    for i in range(12):
        rest = np.delete(np.arange(12), i)
        assert errors[i] == pytest.approx(factor(added[rest], whole[rest]) * added[i] / whole[i] - 1)
    assert np.abs(errors).mean() > np.abs(best * added / whole - 1).mean()  # what was seen would look better


def test_calibration_networks_are_spread_over_the_range() -> None:
    values = np.random.default_rng(0).permutation(100.0 * np.arange(80))
    assert sorted(values[spread_out(values, 8)]) == [100.0 * i for i in range(5, 80, 10)]
    assert sorted(spread_out(values[:5], 8)) == [0, 1, 2, 3, 4]


def test_joined_features_are_both() -> None:
    domains = Domains([Dimension("a", (1, 2)), Dimension("b", (1, 2, 3)), Dimension("c", (1, 2))])
    rng = np.random.default_rng(0)
    first = SpaceFeatures(("x", "y"), (Term(("a", "b"), rng.random((2, 3, 2))), Term((), rng.random(2))), domains)
    second = SpaceFeatures(
        ("z",),
        (Term(("b",), rng.random((3, 1))), Term(("b", "c"), rng.random((3, 2, 1))), Term((), rng.random(1))),
        domains,
        fixed={"stem": {"z": 1.0}},
    )
    both = joined(first, scaled(renamed(second, "1:"), 2.0))
    assert both.names == ("x", "y", "1:z")
    assert both.fixed == {"stem": {"1:z": 2.0}}
    assert len(both.terms) == 2  # what every sample has is in a term of the first; of the second, one is new
    samples = [{"a": a, "b": b, "c": c} for a in (1, 2) for b in (1, 2, 3) for c in (1, 2)]
    expected = np.hstack([sums(first, samples), 2 * sums(second, samples)])
    assert sums(both, samples) == pytest.approx(expected)


def test_a_study_names_it_with_options() -> None:
    pytest.importorskip("onnxruntime")
    study = parse({"device": ["edge_tpu", {"name": "cpu_onnxruntime", "threads": 1}]})
    assert parse(study.dump()) == study
    assert study.dump()["device"] == ["edge_tpu", {"name": "cpu_onnxruntime", "threads": 1}]
    assert parse({"device": {"name": "cpu_onnxruntime"}}) == parse({"device": "cpu_onnxruntime"})
    assert device(study.device[1]).machine.threads == 1


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"name": "cpu_onnxruntime", "thread": 1}, "unknown option 'thread'. Did you mean 'threads'"),
        ({"name": "cpu_onnxruntime", "threads": "many"}, "threads = 'many'"),
        ({"name": "cpu_onnxruntime", "threads": 0}, "threads = 0; this machine has 1 to"),
        ({"name": "litert_cpu", "precision": "int4"}, "precision = 'int4'"),
        ({"name": "cpu_onnxruntim", "threads": 1}, "Did you mean 'cpu_onnxruntime'"),
        ({"name": "/a/mine.yml", "threads": 1}, "a profile has no options"),
    ],
)
def test_wrong_options_are_named(entry, text: str) -> None:
    study = parse({"device": entry})
    with pytest.raises((StudyError, PluginError)) as caught:
        device(study.device[0])
    assert text in str(caught.value)


@pytest.mark.parametrize("entry", [5, {"threads": 2}, [{"name": "macs", "x": 1}, {"name": "macs", "x": 1}]])
def test_wrong_entries_are_named(entry) -> None:
    with pytest.raises(StudyError, match=r"study: device"):
        parse({"device": entry})


def test_litert_prices_what_an_exported_file_gives() -> None:
    """Outputs are not enlarged to the image's size, in whole networks and in the blocks that end them."""
    pytest.importorskip("ai_edge_litert")
    space = plugins.load("search_spaces", "nano")(tasks={"segmentation": 5, "depth": 1})
    sample = domains_of(space).random(np.random.default_rng(0))
    whole, cut = (registry.device(name).network(space, sample, SIZE) for name in ("cpu_onnxruntime", "litert_cpu"))
    ends = [{n.output: n.shape[2:] for n in graph.nodes}[graph.outputs[0]] for graph in (whole, cut)]
    assert ends == [SIZE, (SIZE[0] // 4, SIZE[1] // 4)]


def test_timings_of_another_precision_or_runtime_are_others() -> None:
    pytest.importorskip("ai_edge_litert")
    made = [registry.device("litert_cpu"), registry.device("litert_cpu/float32")]
    made += [registry.device("litert_cpu", {"threads": 2})]
    assert [device.name for device in made] == ["litert_cpu", "litert_cpu_float32", "litert_cpu_2_threads"]
    assert [device.dtype for device in made] == ["int8", "float32", "int8"]
    assert len({str(device.machine.maker) for device in made}) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"), [("cpu_onnxruntime", {}), ("litert_cpu", {}), ("litert_cpu", {"precision": "float32"})]
)
def test_measured_here(name, options, monkeypatch, tmp_path) -> None:
    pytest.importorskip(RUNTIMES[name])
    from devices.parts.measure import Rounds, measured
    from devices.parts.timings import Store

    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path))
    device = registry.device(name, options)
    monkeypatch.setattr(type(device), "rounds", Rounds(4, 12))
    monkeypatch.setattr(type(device), "quiet", True)
    space = plugins.load("search_spaces", "nano")(
        tasks={"segmentation": 5, "depth": 1}, ops=["ibn_k3_e3", "fused_k3_e3"]
    )
    table = cost_table(space, [device], (128, 256))
    rng = np.random.default_rng(9)
    samples = [table.domains.random(rng) for _ in range(8)]
    graphs = [device.network(space, sample, (128, 256)) for sample in samples]
    found = measured({g.signature: g for g in graphs}, Store(device.machine), device.opened, Rounds(4, 12), quiet=True)
    whole = np.array([found[graph.signature].ms for graph in graphs])
    assert np.abs(table(samples)[:, 0] / whole - 1).mean() < 0.15
