"""The Edge TPU's model: what ships is what its rows give, and costs behave as physics asks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import edge_tpu
import edge_tpu_tables
import numpy as np
import pytest
from edge_tpu import LOWER, network_totals
from edge_tpu_fit.fit import bootstrap, leave_one_out
from edge_tpu_fit.published import published_networks
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from devices.edge_tpu.device import MAXIMA, SUMS, UPPER, EdgeTPU, design_matrix
from devices.edge_tpu.profile import COEFFICIENTS, EXAMPLE, SystolicProfile, shipped
from ednas_nni.cost.features import SpaceFeatures, Term
from ednas_nni.cost.layers import layer_records
from ednas_nni.cost.profiles import read_profile
from ednas_nni.cost.records import convolution, elementwise
from ednas_nni.cost.table import CostTable
from ednas_nni.errors import PluginError
from ednas_nni.nn.elementwise import Activation
from ednas_nni.study.objectives import Constraint
from ednas_nni.testing.devices import network_totals as contract_totals

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PROFILE = shipped("edge_tpu")
NETWORKS = {network.name: network for network in published_networks()}
RESULT = json.loads((BENCHMARKS / "results" / "edge_tpu.json").read_text(encoding="utf-8"))


def changed(model, **fields):
    return model.model_copy(update=fields)


@pytest.fixture(scope="module")
def table():
    return edge_tpu.Table([network for network in NETWORKS.values() if not network.left_out], PROFILE)


# ------------------------------------------------------------------ what ships
def stale(profile, table):
    """What the profile says that its rows do not give."""
    model = table.fit()
    wrong = ["on_chip_mb"] if model.threshold != profile.on_chip_mb else []
    wrong += [
        name
        for name, value in zip(COEFFICIENTS, model.coefficients, strict=True)
        if abs(value - dict(profile.coefficients)[name]) > 1e-3 * max(value, 1e-3)
    ]
    return wrong


def test_shipped_coefficients_come_from_the_shipped_rows(table):
    assert stale(PROFILE, table) == []
    assert stale(changed(PROFILE, on_chip_mb=7.0), table) == ["on_chip_mb"]
    broken = PROFILE.coefficients.model_copy(update={"dense": 1.7})
    assert stale(changed(PROFILE, coefficients=broken), table) == ["dense"]
    assert PROFILE.error == RESULT["regimes"]["all"]["mape"]


def test_shipped_ensemble_is_the_first_draws_of_the_shipped_rows(table):
    few = bootstrap(table.design, table.measured, LOWER, edge_tpu.THRESHOLDS, 6, strata=table.regimes)
    np.testing.assert_allclose(PROFILE.spread.coefficients[:6], few.coefficients, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(PROFILE.spread.on_chip_mb[:6], few.thresholds)
    other = bootstrap(table.design, table.measured, LOWER, edge_tpu.THRESHOLDS, 1, seed=1, strata=table.regimes)
    assert not np.allclose(PROFILE.spread.coefficients[:1], other.coefficients, rtol=1e-3)


def test_published_errors_are_what_leave_one_out_gives(table):
    predicted, models = leave_one_out(table.design, table.measured, LOWER, edge_tpu.THRESHOLDS)
    rows = {row["network"]: row for row in RESULT["rows"]}
    for network, value, model in zip(table.networks, predicted, models, strict=True):
        assert rows[network.name]["predicted_ms"] == pytest.approx(value, abs=2e-3)
        assert rows[network.name]["on_chip_mb"] == model.threshold
    errors = np.abs(predicted / table.measured - 1)
    odd = np.array([network.name == "InceptionResNetV2" for network in table.networks])
    assert RESULT["regimes"]["all"]["mape"] == pytest.approx(errors.mean(), abs=1e-3)
    assert errors[~odd].mean() < 0.10 and errors.mean() < 0.13 and np.median(errors) < 0.09
    dense = [i for i, network in enumerate(table.networks) if network.dense]
    far = [table.networks[i].name for i in dense if errors[i] > 0.30]
    assert far == ["UNet-MobileNetV2-256"]  # explained in docs/hardware.md


def test_bounds_hold_for_as_many_rows_as_they_should():
    held = [row["published_ms"] <= row["upper90_ms"] for row in RESULT["rows"] if not row["left_out"]]
    assert 0.85 <= np.mean(held) <= 1.0
    assert RESULT["regimes"]["all"]["under_upper90"] == pytest.approx(np.mean(held), abs=1e-3)


def test_documentation_has_the_benchmarks_tables():
    tried = json.loads((edge_tpu_tables.RESULTS / "edge_tpu_tried.json").read_text(encoding="utf-8"))
    text = (BENCHMARKS / "results" / "README.md").read_text(encoding="utf-8")
    rendered = edge_tpu_tables.tables(RESULT, tried)
    name = edge_tpu_tables.IN_DOCS
    assert f"<!-- {name}:begin -->\n{rendered[name]}\n<!-- {name}:end -->" in text
    assert len(rendered["edge-tpu-rows"].splitlines()) == 2 + len(RESULT["rows"])


def test_columns_say_what_they_are():
    latency, upper, host = EdgeTPU().columns
    assert (latency.name, latency.upper, upper.name, host.name) == ("latency_ms", UPPER, UPPER, "host_ms")
    assert {column.origin for column in EdgeTPU().columns} == {"modelled"}
    for words in ("no measurement", "held-out error", "host_ms", "DenseNet121"):
        assert words in latency.note
    assert "upper 90 %" in upper.note and "checked here" in upper.note
    assert "enlarging" in host.note


# ------------------------------------------------------------------ features and formula
SIZE = (64, 64)


def features(record, **changes):
    return EdgeTPU().layer_features(replace(record, **changes))


def test_features_of_one_layer():
    conv = convolution("c", 16, 32, SIZE, SIZE, kernel=(3, 3), bias=True)
    found = features(conv, image_elements=3 * 4096)
    assert found["parameter_bytes"] == 16 * 32 * 9 + 4 * 32
    assert found["outputs"] == 32 * 4096 and found["peak_bytes"] == 48 * 4096 and found["image_bytes"] == 3 * 4096
    assert "depthwise_macs" not in found and found["dense_cycles"] == 3 * (2 * 64 + 64 + 4096 - 2) - 1
    depthwise = features(convolution("d", 16, 16, SIZE, SIZE, kernel=(3, 3), groups=16))
    assert depthwise["depthwise_macs"] == 16 * 9 * 4096 and "dense_cycles" not in depthwise
    resize = elementwise("r", "resize", 13, 13, (16, 16), SIZE)
    assert features(resize)["outputs"] == 13 * 4096
    full = features(resize, full_size=True)
    assert (full["host_elements"], full["handed_bytes"]) == (13 * 4096, 13 * 256) and "outputs" not in full
    largest = elementwise("a", "host", 13, 1, SIZE, SIZE)
    assert features(largest)["handed_bytes"] == 13 * 4096  # the host has to receive what it looks at
    assert features(largest, full_size=True)["handed_bytes"] == 0  # it enlarged it itself
    assert features(elementwise("n", "batch_norm", 8, 8, SIZE, SIZE, params=16)) == {"image_bytes": 0}


def test_parameters_and_the_largest_activation_share_the_memory():
    totals = {
        "parameter_bytes": np.array([8.0, 9.0, 5.0, 5.0, 1.0]) * 1e6,
        "peak_bytes": np.array([0.0, 0.0, 3.0, 4.0, 50.0]) * 1e6,
    }
    streamed = design_matrix(totals, PROFILE, 8.0)[:, 2]
    np.testing.assert_allclose(streamed, [0, 1, 0, 1, 1], atol=1e-9)  # never more than all parameters


def test_costs_of_a_network_by_hand():
    device = EdgeTPU()
    c = dict(PROFILE.coefficients)
    totals = {
        "dense_cycles": np.array([480e3]),
        "depthwise_macs": np.array([64 * 480e3]),
        "parameter_bytes": np.array([1e6]),
        "outputs": np.array([2e6]),
        "handed_bytes": np.array([1e6]),
        "image_bytes": np.array([2e6]),
        "host_elements": np.array([3e6]),
        "peak_bytes": np.array([100e6]),
    }
    expected = (
        c["dense"]
        + c["depthwise"]
        + c["stream_ms_per_mb"]
        + 2 * c["activation_ms_per_million"]
        + 3 * c["link_ms_per_mb"]
        + c["constant_ms"]
    )
    found = device.costs(totals)
    assert found["latency_ms"][0] == pytest.approx(expected)
    assert found["host_ms"][0] == pytest.approx(3 * c["host_ms_per_million"])


@st.composite
def grown(draw):
    """Features of a network, and of one with more of some of them."""
    top = {"dense_cycles": 1e7, "depthwise_macs": 5e8, "parameter_bytes": 3e7, "outputs": 1e8, "handed_bytes": 1e6}
    top |= {"host_elements": 2e7, "peak_bytes": 3e7, "image_bytes": 3e6}
    small = {name: draw(st.floats(0, 1)) * most for name, most in top.items()}
    large = {name: value + draw(st.one_of(st.just(0.0), st.floats(0, 1))) * top[name] for name, value in small.items()}
    return {name: np.array([small[name], large[name]]) for name in top}


def falls(device, totals):
    return [name for name, found in device.costs(totals).items() if found[1] < found[0] * (1 - 1e-9)]


@settings(max_examples=60, deadline=None)
@given(grown())
def test_more_of_anything_never_costs_less(totals):
    assert falls(EdgeTPU(), totals) == []


def test_the_check_for_that_rejects_a_negative_coefficient():
    spread = PROFILE.spread
    broken = changed(spread, coefficients=spread.coefficients * np.where(np.arange(7) == 1, -1.0, 1.0))
    totals = {name: np.array([1e6, 1e6]) for name in SUMS + MAXIMA} | {"depthwise_macs": np.array([0.0, 5e8])}
    assert falls(EdgeTPU(changed(PROFILE, spread=broken)), totals) == [UPPER]


# ------------------------------------------------------------------ interval and limits
def test_the_bound_is_the_quantile_of_the_members():
    device = EdgeTPU()
    totals = network_totals(device, [network.layers for network in NETWORKS.values()])
    members = device.members(totals)
    assert members.shape == (len(NETWORKS), 200)
    by_hand = np.stack(
        [
            design_matrix(totals, PROFILE, threshold)[:, :-1] @ coefficients[:-1] * ratio
            for threshold, coefficients, ratio in zip(
                PROFILE.spread.on_chip_mb, PROFILE.spread.coefficients, PROFILE.spread.ratios, strict=True
            )
        ],
        axis=1,
    )
    np.testing.assert_allclose(members, by_hand, rtol=1e-9)
    upper = device.costs(totals)[UPPER]
    assert ((by_hand <= upper[:, None] * (1 + 1e-9)).mean(axis=1) >= 0.9).all()
    assert ((by_hand < upper[:, None] * (1 - 1e-9)).mean(axis=1) < 0.9).all()
    assert (upper > device.costs(totals)["latency_ms"]).all()


def test_bounds_do_not_depend_on_how_many_are_priced_at_once():
    device = EdgeTPU()
    rng = np.random.default_rng(0)
    totals = {name: rng.uniform(0, 1e7, 3000) for name in SUMS + MAXIMA}
    together = device.costs(totals)[UPPER]
    alone = [device.costs({name: x[i : i + 1] for name, x in totals.items()})[UPPER][0] for i in (0, 1023, 1024, 2999)]
    np.testing.assert_allclose(together[[0, 1023, 1024, 2999]], alone, rtol=1e-12)


def domain_table(device):
    from ednas_nni.space.domains import Dimension, Domains

    values = np.zeros((4, len(SUMS)))
    values[:, 0] = [1e6, 2e6, 4e6, 8e6]
    names = tuple(f"0:{name}" for name in SUMS)
    return CostTable(
        SpaceFeatures(names, (Term(("a",), values),), Domains([Dimension("a", (0, 1, 2, 3))])), [device], SIZE
    )


def test_a_limit_is_checked_on_the_bound_and_an_objective_is_the_fit():
    from ednas_nni.cost import feasible_share

    table = domain_table(EdgeTPU())
    limit = Constraint("latency_ms", "<=", 5.0)
    assert table.checked(limit) == Constraint(UPPER, "<=", 5.0)
    assert table.checked(Constraint("latency_ms", ">=", 5.0)).name == "latency_ms"
    assert table.checked(table.checked(limit)) == table.checked(limit)
    costs = dict(zip(table.names, table.encoded(np.arange(4)[:, None]).T, strict=True))
    between = Constraint("latency_ms", "<=", (costs["latency_ms"][1] + costs[UPPER][1]) / 2)
    assert costs["latency_ms"][1] <= between.bound < costs[UPPER][1]
    share = feasible_share(table, [between])
    assert share == pytest.approx(0.25, abs=0.03)  # the fit alone would let twice as many pass


def test_without_an_ensemble_there_is_no_bound():
    device = EdgeTPU(changed(PROFILE, spread=None))
    assert [column.name for column in device.columns] == ["latency_ms", "host_ms"]
    table = domain_table(device)
    limit = Constraint("latency_ms", "<=", 5.0)
    assert table.checked(limit) is limit
    assert table.extrapolated(np.zeros((1, 1), int))["edge_tpu"].all()


# ------------------------------------------------------------------ range
def test_no_fitted_row_is_extrapolated_and_larger_networks_are():
    device = EdgeTPU()
    fitted = [network.layers for network in NETWORKS.values() if not network.left_out]
    totals = network_totals(device, fitted)
    assert not device.extrapolated(totals).any()
    for name, factor in (
        ("dense_cycles", 3),
        ("depthwise_macs", 3),
        ("outputs", 3),
        ("peak_bytes", 3),
        ("image_bytes", 3),
    ):
        largest = int(np.argmax(totals[name]))
        assert device.extrapolated({**totals, name: totals[name] * factor})[largest], name


def test_an_unusual_mixture_is_extrapolated_though_no_part_of_it_is():
    device = EdgeTPU()
    one = {name: np.array([0.0]) for name in SUMS + MAXIMA}
    one["outputs"] = np.array([7e7])  # as many outputs as the largest row, and nothing else
    wide = changed(PROFILE.spread, leverage=1e9)
    assert device.extrapolated(one).all()
    assert not EdgeTPU(changed(PROFILE, spread=wide)).extrapolated(one).any()


@pytest.mark.parametrize(
    ("activation", "mapped"),
    [
        (nn.ReLU6, True),
        (nn.GELU, False),
        (lambda: Activation(8, "relu6"), True),
        (lambda: Activation(8, "hswish"), False),
    ],
)
def test_an_activation_that_the_compiler_does_not_map_is_extrapolated(activation, mapped):
    device = EdgeTPU(changed(PROFILE, spread=changed(PROFILE.spread, leverage=1e9)))
    network = nn.Sequential(nn.Conv2d(3, 8, 3), activation())
    totals = contract_totals(device, [layer_records(network, (64, 128))])
    assert device.extrapolated(totals).all() != mapped


# ------------------------------------------------------------------ profiles
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "lookup"}, "kind"),
        ({"coefficients": {"dense": -1}}, "dense"),
        ({"coefficients": {"depthwize": 1}}, "did you mean"),
        ({"array": [64]}, "array"),
        ({"on_chip_mb": 0}, "on_chip_mb"),
    ],
)
def test_wrong_profiles_are_named(change, words):
    good = {
        "kind": "systolic",
        "name": "x",
        "title": "x",
        "array": [8, 8],
        "clock_mhz": 100,
        "on_chip_mb": 1,
        "coefficients": dict.fromkeys(COEFFICIENTS, 1.0),
    }
    assert read_profile(SystolicProfile, good, "x.yml", EXAMPLE).array == (8, 8)
    with pytest.raises(PluginError, match=f"(?i){words}"):
        read_profile(SystolicProfile, {**good, **change}, "x.yml", EXAMPLE)


def test_unknown_profiles_are_named():
    for name in ("edge_tpo", "coral_networks"):
        with pytest.raises(PluginError, match="edge_tpu"):
            shipped(name)
