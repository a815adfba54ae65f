"""peak_memory_bytes against a simulation of the instantiated network, and by hand."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from devices.peak_memory import peak
from ednas_nni import plugins
from ednas_nni.cost import cost_table
from ednas_nni.cost.layers import kind_of
from ednas_nni.cost.records import elementwise
from ednas_nni.cost.space_layers import Operation, SpaceLayers
from ednas_nni.errors import PluginError, StudyError
from ednas_nni.space.domains import Dimension, Domains, Literal

SIZE = (64, 128)
TASKS = {"segmentation": 13, "depth": 1, "normals": 3}


def simulated(network: nn.Module, size: tuple[int, int] = SIZE, late: bool = True) -> int:
    """Largest number of live elements, from hooks on the modules; `late` = a tensor is freed after its last reader."""
    calls: list[tuple[str | None, list[torch.Tensor], torch.Tensor]] = []

    def seen(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        kind = "batch_norm" if isinstance(module, nn.BatchNorm2d) else kind_of(module)
        calls.append((kind, [x for x in inputs if isinstance(x, torch.Tensor)], output))

    for module in network.modules():
        if next(module.children(), None) is None:
            module.register_forward_hook(seen)
    image = torch.zeros(1, 3, *size, device="meta")
    with torch.no_grad():
        results = list(network.to("meta").eval()(image).values())
    calls = [(kind, inputs, output) for kind, inputs, output in calls if not any(output is x for x in inputs)]
    readers = Counter(key for _, inputs, _ in calls for key in {id(x) for x in inputs})
    readers.update(id(x) for x in results)
    buffer = {id(image): id(image)}
    size_of, born, last = {id(image): image.numel()}, {id(image): 0}, {id(image): 0}
    for step, (kind, inputs, output) in enumerate(calls, 1):
        for tensor in inputs:
            last[buffer[id(tensor)]] = step
        if kind in ("batch_norm", "activation") and readers[id(inputs[0])] == 1:
            buffer[id(output)] = buffer[id(inputs[0])]
        else:
            buffer[id(output)] = id(output)
            size_of[id(output)], born[id(output)], last[id(output)] = output.numel(), step, step
    for tensor in results:
        last[buffer[id(tensor)]] = len(calls) + 1
    if not late:
        last = {tensor: min(step, born[tensor] + 1) for tensor, step in last.items()}
    return max(sum(size_of[t] for t in size_of if born[t] <= n <= last[t]) for n in range(len(calls) + 2))


def samples(domains, count: int, seed: int = 0) -> list[dict]:
    rng = random.Random(seed)
    return [domains.canonical({d.label: rng.choice(d.values) for d in domains.dimensions}) for _ in range(count)]


@pytest.fixture(scope="module")
def nano():
    space = plugins.load("search_spaces", "nano")(tasks=TASKS)
    return space, cost_table(space, ["peak_memory"], SIZE)


def column(table, found: list[dict], name: str = "peak_memory_bytes") -> np.ndarray:
    return table(found)[:, table.names.index(name)]


def test_exact_for_the_instantiated_network(nano) -> None:
    from ednas_nni.nn.tree import build

    space, table = nano
    found = samples(table.domains, 25)
    wanted = [simulated(build(space, sample)) for sample in found]
    assert column(table, found).tolist() == wanted
    assert len(set(wanted)) > 2


def test_the_simulation_rejects_tensors_that_are_freed_too_early(nano) -> None:
    """Features that a later fusion reads must stay alive."""
    from ednas_nni.nn.tree import build

    space, table = nano
    found = samples(table.domains, 10)
    assert [simulated(build(space, sample), late=False) for sample in found] != column(table, found).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["mobile", "edge_tpu"])
def test_exact_where_tasks_leave_the_trunk(preset: str) -> None:
    from ednas_nni.nn.tree import build

    space = plugins.load("search_spaces", preset)(tasks=TASKS)
    table = cost_table(space, ["peak_memory"], SIZE)
    found = samples(table.domains, 40, seed=3)
    assert column(table, found).tolist() == [simulated(build(space, sample)) for sample in found]


def test_never_below_the_largest_live_pair(nano) -> None:
    """Input and output of an operation live at once; a convolution's are two tensors."""
    from ednas_nni.cost import layer_records
    from ednas_nni.nn.tree import build

    space, table = nano
    found = samples(table.domains, 10, seed=1)
    for sample, bytes_ in zip(found, column(table, found), strict=True):
        records = layer_records(build(space, sample), SIZE)
        assert bytes_ >= max(r.elements_read + r.elements_written for r in records if r.kind in ("conv", "depthwise"))


@pytest.mark.parametrize(("dtype", "size"), [("int8", 1), ("float16", 2), ("float32", 4)])
def test_bytes_of_an_element(nano, dtype: str, size: int) -> None:
    from devices.peak_memory import PeakMemory

    space, table = nano
    other = cost_table(space, [PeakMemory(dtype)], SIZE)
    found = samples(table.domains, 3)
    assert (column(other, found) == size * column(table, found)).all()
    assert dtype in other.columns[0].note
    with pytest.raises(PluginError, match="dtype = 'int4' is unknown"):
        PeakMemory("int4")


def by_hand() -> SpaceLayers:
    """The example of `peak.py`: x or y read the image, z reads what they wrote."""
    domains = Domains([Dimension("a", ("x", "y"))])
    records = tuple(elementwise(str(n), "add", 1, 1, (1, 10), (1, n)) for n in (4, 6, 5))
    chosen = {value: ((Literal("a", frozenset({value})),),) for value in "xy"}
    operations = (
        Operation("x", chosen["x"], (), np.array(0, np.int32), (0,), 1),
        Operation("y", chosen["y"], (), np.array(1, np.int32), (0,), 2),
        Operation("z", (), (), np.array(2, np.int32), (3,), 4),
    )
    merged = {3: ((chosen["x"], 1), (chosen["y"], 2))}
    return SpaceLayers(domains, records, operations, merged, (4,), 10)


@pytest.mark.parametrize("entries", [peak.MOST_ENTRIES, 1])
def test_the_example_by_hand(monkeypatch, entries: int) -> None:
    """However small tables have to be, the peaks are the same."""
    monkeypatch.setattr(peak, "MOST_ENTRIES", entries)
    found = peak.PeakElements(by_hand())
    assert found(np.array([[0], [1]])).tolist() == [14, 16]
    if entries > 1:
        (stretch,) = found.stretches
        assert stretch.rise.tolist() == [14, 16] and stretch.net.tolist() == [9, 11]


def test_too_many_choices_are_named(nano, monkeypatch) -> None:
    monkeypatch.setattr(peak, "LARGEST", 4)
    with pytest.raises(StudyError, match=r"choices decide how long one tensor lives .stage1_block1_op"):
        cost_table(nano[0], ["peak_memory"], SIZE)


def test_a_study_names_it_as_objective_or_constraint() -> None:
    """Beside a device it is counted in that device's element type; nothing else has to be said."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    study = parse({"objectives": ["quality", "peak_memory_bytes"], "constraints": ["peak_memory_bytes <= 6e6"],
                   "train_size": [64, 128], "deploy_size": [64, 128], "reference": None})  # fmt: skip
    assembled = Assembled(study)
    (found,) = (c for c in assembled.table.columns if c.name == "peak_memory_bytes")
    assert "int8" in found.note
    assert assembled.problem.cost_names


@pytest.mark.parametrize("types", [("int8", "float32"), ("float32", "int8")])
def test_a_study_prices_two_element_types_each_as_it_is_named(types: tuple[str, str]) -> None:
    """The bare name takes that of the device beside it, not that of the other `peak_memory`."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    named = {"int8": "peak_memory", "float32": {"name": "peak_memory", "dtype": "float32"}}
    study = {
        "space": "nano",
        "device": [named[one] for one in types],
        "train_size": [64, 128],
        "deploy_size": [64, 128],
    }
    table = Assembled(parse(study)).table
    costs = table([table.domains.random(np.random.default_rng(0))])[0]
    of = dict(zip(types, costs[:2], strict=True))
    assert [one.dtype for one in table.devices[:2]] == list(types) and of["float32"] == 4 * of["int8"]


@pytest.mark.parametrize(
    "study",
    [
        {"constraints": ["peak_memory_bytes<=9000000"]},
        {"objectives": ["quality", "min:peak_memory_bytes"]},
        {"hardware_aware": {"cost": "peak_memory_bytes", "target": 1e6}},
        {"objectives": ["quality", "latency_ms"]},
    ],
)
def test_it_is_counted_however_a_study_names_it(study, monkeypatch) -> None:
    from ednas_nni import cost as hardware
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    monkeypatch.setattr(hardware, "cost_table", lambda space, devices, **options: [d.name for d in devices])
    wanted = "peak_memory" in str(study)
    assembled = Assembled(parse(study))
    assembled.space = None
    assert ("peak_memory" in assembled.table) == wanted


@pytest.mark.parametrize(
    ("device", "width"),
    [
        (["edge_tpu", "peak_memory"], "int8"),
        (["peak_memory", "roofline/phone_cpu"], "float32"),
        ("peak_memory", "int8"),
        ([{"name": "peak_memory", "dtype": "float16"}, "edge_tpu"], "float16"),
    ],
)
def test_named_it_has_the_width_of_the_device_beside_it(device, width) -> None:
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    table = Assembled(
        parse({"device": device, "objectives": ["quality", "peak_memory_bytes"], "reference": None})
    ).table
    (found,) = (c for c in table.columns if c.name == "peak_memory_bytes")
    assert f"exact for {width} activations" in found.note
