"""Measuring and keeping: which machine, what is on disk, when a measurement ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from devices.parts import measure
from devices.parts.measure import Rounds, measured
from devices.parts.probe_graphs import probe_graphs
from devices.parts.timings import Machine, Store, Timing, comparable, this_machine
from ednas_nni.cost import registry
from ednas_nni.errors import DataError, StudyError
from ednas_nni.graphs.graph import Constant, Graph, Node

MACHINE = Machine("A CPU", "family 1", "0a0b0c0d", 4, "1.0", 1)
X86 = """\
processor\t: 0
vendor_id\t: X
cpu family\t: 6
model\t\t: 1
model name\t: A CPU
stepping\t: 2
flags\t\t: a b
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nHardware\t: later\n"


def relu(side: int) -> Graph:
    return Graph({"x": (1, 1, side, side)}, ("y",), (Node("Relu", ("x",), "y", (1, 1, side, side)),), {})


def graphs(*sides: int) -> dict[str, Graph]:
    return {graph.signature: graph for graph in map(relu, sides)}


def unloaded(graph: Graph) -> measure.Opened:
    return lambda: None


class Scripted:
    """Stands in for a loaded session: the time of each visit is written down."""

    script: dict[str, list[float]]
    loaded: list[str]

    def __init__(self, signature: str, opened: measure.Opened, threads: int) -> None:
        self.signature = signature
        self.times: list[float] = []
        self.loaded.append(signature)

    def visit(self, rounds: Rounds) -> None:
        self.times.append(self.script[self.signature][len(self.times)])

    disagreement = measure._Visited.disagreement


@pytest.fixture
def scripted(monkeypatch):
    """Probe graphs always take 2 ms."""
    own = {signature: [2.0] * 9 for signature in probe_graphs()}
    monkeypatch.setattr(measure, "_Visited", Scripted)
    monkeypatch.setattr(Scripted, "script", own, raising=False)
    monkeypatch.setattr(Scripted, "loaded", [], raising=False)
    return Scripted


def test_the_smallest_time_counts_and_rounds_end_when_halves_agree(scripted, tmp_path: Path) -> None:
    found = graphs(2, 3)
    calm, restless = found
    scripted.script |= {calm: [1.5, 1.0, 1.0, 3.0, 1.0, 1.0], restless: [5.0, 4.0, 4.5, 4.2, 4.0, 9.0]}
    timings = measured(found, Store(MACHINE, tmp_path), unloaded, Rounds(least=4, most=6), quiet=True)
    assert timings[calm] == Timing(1.0, pytest.approx(2.0), 5, 0.0)
    assert timings[restless] == Timing(4.0, pytest.approx(2.0), 5, 0.0)  # 4.5 against 4.0 until the fifth round


def test_a_restless_graph_ends_with_the_last_round(scripted, tmp_path: Path) -> None:
    found = graphs(2)
    (restless,) = found
    scripted.script[restless] = [5.0, 4.0, 5.0, 4.0, 5.0]
    timings = measured(found, Store(MACHINE, tmp_path), unloaded, Rounds(least=2, most=5), quiet=True)
    assert timings[restless] == Timing(4.0, pytest.approx(2.0), 5, pytest.approx(0.25))


def test_what_is_known_is_not_measured_again(scripted, tmp_path: Path) -> None:
    first, both = graphs(2), graphs(2, 3)
    scripted.script |= {signature: [1.0] * 9 for signature in both}
    store = Store(MACHINE, tmp_path)
    measured(first, store, unloaded, Rounds(2, 2), quiet=True)
    measured(both, store, unloaded, Rounds(2, 2), quiet=True)
    assert [signature for signature in scripted.loaded if signature in both] == list(both)


def test_an_interrupted_measurement_goes_on_after_the_last_group(scripted, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(measure, "SESSIONS", 1)
    found = graphs(2, 3)
    first, second = (next(iter(group)) for group in measure._groups(found))
    scripted.script |= {first: [1.0] * 9, second: [1.0]}  # its second round fails
    store = Store(MACHINE, tmp_path)
    with pytest.raises(IndexError):
        measured(found, store, unloaded, Rounds(2, 4), quiet=True)
    assert set(store.read()) == {first}


def test_slower_times_of_the_machine_are_compared_over_the_probes(scripted, tmp_path: Path) -> None:
    fast, slow = graphs(2), graphs(3)
    store = Store(MACHINE, tmp_path)
    scripted.script |= {signature: [3.0] * 9 for signature in fast}
    measured(fast, store, unloaded, Rounds(2, 2), quiet=True)
    scripted.script |= {signature: [2.2] * 9 for signature in probe_graphs()}  # ten percent slower
    scripted.script |= {signature: [3.3] * 9 for signature in slow}
    found = measured(fast | slow, store, unloaded, Rounds(2, 2), quiet=True)
    assert [timing.ms for timing in found.values()] == pytest.approx([3.0, 3.0])
    assert sorted(timing.ms for timing in store.read().values()) == pytest.approx([3.0, 3.3])  # as measured


def test_nothing_is_printed_where_nothing_is_measured(scripted, tmp_path: Path, capsys) -> None:
    found = graphs(2)
    scripted.script |= {signature: [1.0] * 9 for signature in found}
    store = Store(MACHINE, tmp_path)
    measured(found, store, unloaded, Rounds(2, 2), "a title")
    said = capsys.readouterr().err
    assert "a title: measuring 1 of 1 on A CPU" in said
    assert str(store.path) in said
    measured(found, store, unloaded, Rounds(2, 2), "a title")
    assert capsys.readouterr().err == ""


def test_groups_are_bounded(monkeypatch) -> None:
    found = graphs(*range(2, 12))
    monkeypatch.setattr(measure, "SESSIONS", 4)
    assert [len(group) for group in measure._groups(found)] == [4, 4, 2]
    monkeypatch.setattr(measure, "SESSION_BYTES", 1)
    assert [len(group) for group in measure._groups(found)] == [1] * 10  # one is always loaded, however large


def test_stores_add_to_each_other(tmp_path: Path) -> None:
    one, two = Store(MACHINE, tmp_path), Store(MACHINE, tmp_path)
    assert one.read() == {}
    one.add({"a": Timing(1.0, 2.0, 8, 0.0)})
    two.add({"b": Timing(2.0, 2.0, 9, 0.1)})
    one.add({"a": Timing(3.0, 2.0, 8, 0.0)})
    assert two.read() == {"a": Timing(3.0, 2.0, 8, 0.0), "b": Timing(2.0, 2.0, 9, 0.1)}
    assert not list(tmp_path.glob("*.partial-*"))


def test_timings_of_another_machine_are_never_used(tmp_path: Path) -> None:
    store = Store(MACHINE, tmp_path)
    assert store.path.name == "179e42613f3e2736.json"  # of files from before there was a second runtime
    store.add({"a": Timing(1.0, 2.0, 8, 0.0)})
    changes = ({"cpu": "B"}, {"features": "1"}, {"runtime": "2"}, {"threads": 2}, {"cores": 8}, {"protocol": 0})
    for change in (*changes, {"engine": "LiteRT"}, {"precision": "int8"}):
        other = Store(replace(MACHINE, **change), tmp_path)
        assert other.read() == {}
        other.path.write_text(store.path.read_text())  # as if a file had been renamed
        with pytest.raises(DataError, match=r"holds figures of .*'A CPU'.*, not of .*rm '"):
            other.read()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1, "machine": {}, "timings": {"a": {"ms": 1}}}'])
def test_damaged_files_are_named(tmp_path: Path, text: str) -> None:
    store = Store(MACHINE, tmp_path)
    store.path.write_text(text)
    with pytest.raises(DataError, match=r"are damaged.*delete the file"):
        store.read()


@pytest.mark.parametrize("ms", [0, -1, float("nan")])
def test_impossible_latencies_are_refused(tmp_path: Path, ms: float) -> None:
    store = Store(MACHINE, tmp_path)
    store.add({"a": Timing(1.0, 2.0, 8, 0.0)})
    data = json.loads(store.path.read_text())
    data["timings"]["a"]["ms"] = ms
    store.path.write_text(json.dumps(data))
    with pytest.raises(DataError, match="is no positive number"):
        store.read()


def test_machines_are_told_apart(tmp_path: Path) -> None:
    def machine(text: str, threads: int = 1) -> Machine:
        path = tmp_path / "cpuinfo"
        path.write_text(text)
        return this_machine(threads, "1.0", cpuinfo=path)

    first = machine(X86)
    assert (first.cpu, first.revision.split(", ")[:4]) == (
        "A CPU",
        ["vendor_id X", "family 6", "model 1", "stepping 2"],
    )
    assert machine(X86 + "\n" + X86.replace("A CPU", "B")) == first  # the first processor speaks for all
    assert machine(X86.replace("a b", "b a")) == first
    different = [machine(X86.replace("a b", "a b c")), machine(X86.replace("model\t\t: 1", "model\t\t: 2"))]
    different += [machine(ARM), machine(X86, 2), this_machine(1, "1.0", cpuinfo=tmp_path / "missing")]
    assert len({first, *different}) == 6
    assert "CPU part 0xd0b" in machine(ARM).revision


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cpu_onnxruntime", r"need onnx and onnxruntime.*pip install 'ednas-nni\[onnx\]'"),
        ("litert_cpu", r"litert_cpu need ai-edge-litert.*pip install 'ednas-nni\[tflite\]'"),
    ],
)
def test_the_missing_extra_is_named(monkeypatch, name: str, words: str) -> None:
    from importlib import metadata

    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    with pytest.raises(StudyError, match=words):
        registry.device(name)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "package"), [("cpu_onnxruntime", "onnxruntime"), ("litert_cpu", "ai_edge_litert")])
def test_more_work_takes_longer(tmp_path: Path, name: str, package: str) -> None:
    pytest.importorskip(package)
    device = registry.device(name)

    def conv(size: int) -> Graph:
        """Processors with matrix units take as long for 16 channels as for 64; pixels cost all of them the same."""
        attributes = {"pads": [1, 1, 1, 1], "strides": [1, 1], "dilations": [1, 1], "group": 1}
        node = Node("Conv", ("x", "w"), "y", (1, 32, size, size), attributes)
        return Graph({"x": (1, 32, size, size)}, ("y",), (node,), {"w": Constant((32, 32, 3, 3))})

    found = {graph.signature: graph for graph in map(conv, (32, 64, 128))}
    timings = list(measured(found, Store(device.machine, tmp_path), device.opened, Rounds(4, 12), quiet=True).values())
    assert 2 < timings[1].ms / timings[0].ms < 8  # four times the work, at more or less the same rate
    assert 2 < timings[2].ms / timings[1].ms < 8


def test_what_is_measured_for_others_moves_nothing(scripted, tmp_path: Path) -> None:
    """A search goes on with the latencies that its journal holds; the broken variant compares over the whole store."""
    mine, other = graphs(2), graphs(3)
    store = Store(MACHINE, tmp_path)
    scripted.script |= {signature: [5.0] * 9 for signature in mine | other}
    before = measured(mine, store, unloaded, Rounds(2, 2), quiet=True)
    scripted.script |= {signature: [1.8] * 9 for signature in probe_graphs()}  # the machine has become faster
    measured(other, store, unloaded, Rounds(2, 2), quiet=True)
    assert measured(mine, store, unloaded, Rounds(2, 2), quiet=True) == before
    assert {signature: comparable(store.read())[signature] for signature in mine} != before
