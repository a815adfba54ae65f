"""The table equals the network that a sample builds, for every feature of every device."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from devices.edge_tpu import EdgeTPU
from devices.edge_tpu.profile import shipped
from ednas_nni.cost import AdditiveDevice, CostColumn, cost_table, layer_records, reading, registry
from ednas_nni.cost import table as table_module
from ednas_nni.errors import PluginError, SampleError, StudyError
from ednas_nni.nn.tree import build
from ednas_nni.study.objectives import Constraint
from search_spaces import nano
from tests.cost import spaces

TASKS = {"segmentation": 13, "depth": 1, "normals": 3}


class Traffic(AdditiveDevice):
    """A device that prices every kind of layer by what it reads and writes."""

    name = "traffic"
    columns = (CostColumn("traffic_elements", "element", "traffic", "counted", "all layers"),)

    def layer_features(self, layer):
        return {f"read_{layer.kind}": layer.elements_read, f"written_{layer.kind}": layer.elements_written}

    def costs(self, totals):
        return {"traffic_elements": sum(totals.values())}


DEVICES = (EdgeTPU(), Traffic())


def network_totals(table, network, size):
    """The slow way: features over the records of the instantiated network."""
    found = dict.fromkeys(table.feature_names, 0.0)
    for record in layer_records(network, size):
        for number, device in enumerate(table.devices):
            for name, value in device.layer_features(record).items():
                if value:
                    key, largest = f"{number}:{name}", name in device.maxima
                    found[key] = max(found[key], value) if largest else found[key] + value
    return found


def instantiate(space, sample):
    network = build(space, sample)
    return spaces.Instantiated(network) if isinstance(space, spaces.Everything) else network


def inexact(table, space, size, n, seed=0):
    """Features in which the table differs from the network, over n random samples."""
    rng = np.random.default_rng(seed)
    wrong = []
    for _ in range(n):
        sample = table.domains.random(rng)
        network = instantiate(space, sample)
        truth = network_totals(table, network, size)
        row = table.totals(table.domains.encode(sample)[None])[0]
        wrong += [name for name, value in zip(table.feature_names, row, strict=True) if value != truth[name]]
        macs, params = table([sample])[0][[table.names.index("macs"), table.names.index("params")]]
        if params != sum(p.numel() for p in network.parameters()):
            wrong.append("numel")
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network.to("meta").eval()(torch.empty(1, 3, *size, device="meta"))
        if counter.get_total_flops() != 2 * macs:
            wrong.append("flops")
    return wrong


@pytest.fixture(scope="module")
def nano_space():
    return nano(TASKS)


@pytest.fixture(scope="module")
def small_space():
    return spaces.Everything()


@pytest.fixture(scope="module")
def nano_table(nano_space):
    return cost_table(nano_space, DEVICES, (64, 128))


def test_nano_is_exact(nano_space, nano_table):
    assert inexact(nano_table, nano_space, (64, 128), n=6) == []


def test_searched_widths_nested_choices_and_liveness_are_exact():
    space = spaces.Everything()
    table = cost_table(space, DEVICES, (32, 64))
    assert inexact(table, space, (32, 64), n=25) == []


def forget_shortcuts(layers):
    return [operation for operation in layers.operations if not operation.path.endswith("shortcut")]


def forget_depth(layers):
    for operation in layers.operations:
        kept = tuple(clause for clause in operation.condition if clause[0].label != "depth")
        yield dataclasses.replace(operation, condition=kept)


def forget_liveness(layers):
    for operation in layers.operations:
        yield dataclasses.replace(operation, condition=()) if operation.path.startswith("fused") else operation


def forget_block(layers):
    return [operation for operation in layers.operations if not operation.path.startswith("rest.blocks.1")]


@pytest.mark.parametrize("broken", [forget_shortcuts, forget_depth, forget_liveness, forget_block])
def test_exactness_check_rejects_broken_tables(monkeypatch, broken):
    space, read = spaces.Everything(), reading.read_space

    def spoiled(*given):
        layers = read(*given)
        return dataclasses.replace(layers, operations=tuple(broken(layers)))

    monkeypatch.setattr(reading, "read_space", spoiled)
    assert inexact(cost_table(space, DEVICES, (32, 64)), space, (32, 64), n=12) != []


def test_exactness_check_rejects_largest_values_that_are_added_up(monkeypatch):
    space, read = spaces.Everything(), table_module.space_features
    monkeypatch.setattr(table_module, "space_features", lambda *given: read(*given[:2]))
    wrong = inexact(cost_table(space, DEVICES, (32, 64)), space, (32, 64), n=3)
    assert set(wrong) == {"0:peak_bytes"}  # the image is read once, so its sum and its largest are the same


def test_forgotten_layers_are_noticed_while_building(monkeypatch):
    steps = reading.counted_steps

    def forgetful(seen):
        return (step for step in steps(seen) if not isinstance(step.module, torch.nn.Linear))

    monkeypatch.setattr(reading, "counted_steps", forgetful)
    with pytest.raises(StudyError, match="never ran"):
        cost_table(spaces.Everything(), (), (32, 64))
    monkeypatch.setattr(reading._Reader, "check_all_ran", lambda self: None)
    with pytest.raises(StudyError, match="MACs"):
        cost_table(spaces.Everything(), (), (32, 64))


def test_inactive_labels_do_not_change_costs(nano_table):
    for table in (cost_table(spaces.Everything(), DEVICES, (32, 64)), nano_table):
        limits = [len(dimension.values) for dimension in table.domains.dimensions]
        codes = np.random.default_rng(1).integers(0, limits, (400, len(limits)))
        canonical = np.stack([table.domains.encode(table.domains.decode(row)) for row in codes])
        assert (codes != canonical).any()
        np.testing.assert_array_equal(table.encoded(codes), table.encoded(canonical))


def test_samples_and_codes_agree_in_any_number(nano_table):
    rng = np.random.default_rng(2)
    samples = [nano_table.domains.random(rng) for _ in range(7)]
    codes = np.stack([nano_table.domains.encode(sample) for sample in samples])
    np.testing.assert_array_equal(nano_table(samples), nano_table.encoded(codes))
    many = np.tile(codes, (4000, 1))
    np.testing.assert_array_equal(nano_table.encoded(many), np.tile(nano_table(samples), (4000, 1)))
    assert nano_table([]).shape == (0, len(nano_table.names))
    assert nano_table.encoded(codes[:0]).shape == (0, len(nano_table.names))


def test_space_is_left_as_it_was(nano_space):
    before = {name: (p.device.type, p.data_ptr()) for name, p in nano_space.named_parameters()}
    modes = [module.training for module in nano_space.modules()]
    cost_table(nano_space, (), (64, 128))
    assert {name: (p.device.type, p.data_ptr()) for name, p in nano_space.named_parameters()} == before
    assert [module.training for module in nano_space.modules()] == modes
    assert not any(module._forward_hooks or "forward" in module.__dict__ for module in nano_space.modules())


# ------------------------------------------------------------------ monotone
def neighbours(sample, domains):
    """Pairs (smaller, larger): one more block, a larger kernel, a larger expansion."""
    for label, value in domains.active(sample).items():
        grown = [value + 1] if label.endswith("_depth") else [value.replace("k3", "k5"), value.replace("e3", "e6")]
        for candidate in grown:
            if candidate != value and candidate in domains[label].values:
                yield sample, domains.canonical({**sample, label: candidate})


def falls(table, n=40):
    """Pairs in which the larger network costs less in any column."""
    rng = np.random.default_rng(3)
    pairs = [pair for _ in range(n) for pair in neighbours(table.domains.random(rng), table.domains)]
    small, large = (table([pair[side] for pair in pairs]) for side in (0, 1))
    assert len(pairs) > 10 * n / 4
    return int((large < small).any(axis=1).sum())


def test_no_cost_falls_when_a_network_grows(nano_space, nano_table):
    assert falls(nano_table) == 0
    profile = shipped("edge_tpu")
    broken = profile.model_copy(update={"coefficients": profile.coefficients.model_copy(update={"depthwise": -9.0})})
    assert falls(cost_table(nano_space, [EdgeTPU(broken)], (64, 128))) > 0


# ------------------------------------------------------------------ columns and devices
def test_columns_and_origins(small_space, nano_table):
    edge_tpu = ("latency_ms", "latency_ms_upper90", "host_ms")
    assert nano_table.names == (*edge_tpu, "traffic_elements", "macs", "params")
    assert [column.origin for column in nano_table.columns] == ["modelled"] * 3 + ["counted"] * 3
    assert cost_table(small_space, (), (16, 32)).names == ("macs", "params")


PHONE = "roofline/phone_cpu"
SEVERAL = [
    ["edge_tpu", PHONE],
    [PHONE, "edge_tpu"],
    ["edge_tpu", "edge_tpu", "roofline/microcontroller", "edge_tpu"],
    ["peak_memory/int8", "peak_memory/float32", PHONE, PHONE],
]


def check_several(table, space, devices):
    """Each device's costs are those that it has alone, under names of its own, the first one's as they are."""
    assert len(set(table.names)) == len(table.names) and len(set(table.device_names)) == len(table.devices)
    samples = [table.domains.random(np.random.default_rng(seed)) for seed in range(4)]
    costs, at = table(samples), 0
    for number, name in enumerate(devices):
        alone = cost_table(space, [name], (16, 32))
        width = len(alone.devices[0].columns)
        assert np.array_equal(costs[:, at : at + width], alone(samples)[:, :width])
        for column, one in zip(table.columns[at : at + width], alone.columns, strict=False):
            owner = table.device_names[number]
            earlier = {c.name for c in table.columns[:at]}
            assert column.device == owner and table.owner(column.name) == (number, one.name)
            assert column.name in (one.name, f"{owner}_{one.name}"), "one rule"
            assert column.name == one.name or earlier & {c.name for c in alone.columns}, "no name without need"
            # A limit holds for the bound of the same device, whose name begins as the cost's.
            bound = column.name.removesuffix(one.name) + one.upper if one.upper else column.name
            assert table.checked(Constraint(column.name, "<=", 9)).name == bound in table.names
        at += width


@pytest.mark.parametrize("devices", SEVERAL, ids=lambda devices: "+".join(devices))
def test_several_devices_are_priced_side_by_side(small_space, monkeypatch, devices):
    check_several(cost_table(small_space, devices, (16, 32)), small_space, devices)
    monkeypatch.setattr(table_module, "_device_names", lambda given: ["device"] * len(given))
    with pytest.raises((AssertionError, PluginError)):
        check_several(cost_table(small_space, devices, (16, 32)), small_space, devices)


@pytest.mark.parametrize(
    ("name", "message"),
    [("macs/3", "has no option"), ("roofline/phone_cp", "'phone_cpu'"), ("cpu_onnxruntime/x", "whole number")],
)
def test_the_first_option_after_a_slash(name, message):
    with pytest.raises((PluginError, StudyError), match=message):
        registry.device(name)


def test_unknown_devices_are_named(small_space):
    with pytest.raises(PluginError, match="edge_tpu"):
        cost_table(small_space, ["edge_tpo"], (16, 32))
    with pytest.raises(PluginError, match="contract"):
        cost_table(small_space, [object()], (16, 32))


def test_registered_names_work(small_space):
    names = cost_table(small_space, ["edge_tpu", "params"], (16, 32)).names
    assert names == ("latency_ms", "latency_ms_upper90", "host_ms", "params", "macs")


def test_wrong_codes_are_named(nano_table):
    good = np.zeros((2, len(nano_table.domains)), int)
    for bad in (good[0], good[:, 1:], good.astype(float)):
        with pytest.raises(SampleError, match="codes"):
            nano_table.encoded(bad)
    for value in (-1, 99):
        wrong = good.copy()
        wrong[1, 3] = value
        with pytest.raises(SampleError, match=nano_table.domains.labels[3]):
            nano_table.encoded(wrong)


# ------------------------------------------------------------------ what cannot be priced
def wrap(make, **options):
    return spaces.OneLayer(make, **options)


def test_layers_without_a_rule_are_named():
    for make in (lambda: torch.nn.ConvTranspose2d(3, 4, 2), lambda: torch.nn.GroupNorm(1, 3), torch.nn.PReLU):
        space = wrap(make)
        for price in (lambda s=space: cost_table(s, (), (32, 32)), lambda s=space: layer_records(s, (32, 32))):
            with pytest.raises(StudyError, match=rf"layer.*{type(space.layer).__name__}"):
                price()


def test_arithmetic_outside_of_layers_is_noticed():
    for price in (cost_table, lambda space, _, size: layer_records(space, size)):
        with pytest.raises(StudyError, match="MACs"):
            price(wrap(spaces.Product), (), (32, 32))


def test_unused_layers_and_stray_parameters_are_named():
    space = wrap(lambda: torch.nn.Conv2d(3, 4, 1))
    space.unused = torch.nn.Conv2d(3, 4, 1)
    with pytest.raises(StudyError, match=r"unused.*never ran"):
        cost_table(space, (), (32, 32))
    space = wrap(lambda: torch.nn.Conv2d(3, 4, 1))
    space.scale = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(StudyError, match="scale"):
        cost_table(space, (), (32, 32))


def test_choice_that_changes_a_size_is_named():
    kernel = spaces.nni.choice("kernel", [3, 5])
    with pytest.raises(StudyError, match="layer"):
        cost_table(wrap(lambda: spaces.MutableConv2d(3, 4, kernel, padding=1)), (), (32, 32))


def test_stock_layers_and_operators_follow_searched_widths():
    space = spaces.Stock()
    table = cost_table(space, DEVICES, (32, 64))
    assert inexact(table, space, (32, 64), n=8) == []


def test_layers_of_unknown_width_are_refused_only_where_they_are_priced():
    width = spaces.nni.choice("width", [4, 8])

    def make():
        return torch.nn.Sequential(spaces.MutableConv2d(3, width, 1), torch.nn.PixelShuffle(2))

    assert cost_table(wrap(make), (), (32, 32)).names == ("macs", "params")
    with pytest.raises(StudyError, match=r"layer\.1.*elementwise"):
        cost_table(wrap(make), [Traffic()], (32, 32))


def test_sizes_that_do_not_fit_are_refused(nano_space):
    for size in ((0, 64), (-32, 64)):
        with pytest.raises(StudyError, match="deploy_size"):
            cost_table(nano_space, (), size)


def test_pricing_needs_no_torch():
    code = (
        "import sys, ednas_nni.cost.table, ednas_nni.cost.summary, devices.edge_tpu; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
