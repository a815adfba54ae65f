"""The fit, and that the shipped coefficients are what the shipped rows give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ednas_nni.errors import PluginError, StudyError
from ednas_nni.hardware.devices.edge_tpu import EdgeTPU, design_matrix, network_totals, refit
from ednas_nni.hardware.devices.fit import fit, relative_nnls
from ednas_nni.hardware.devices.profile import COEFFICIENTS, parse_profile, shipped_profile
from ednas_nni.hardware.published import expand, published_networks

PROFILE = shipped_profile("edge_tpu")
NETWORKS = {network.name: network for network in published_networks()}
FITTED = [NETWORKS[name] for name in PROFILE.fitted]


def predicted(names):
    device = EdgeTPU()
    totals = network_totals(device, [NETWORKS[name].layers for name in names])
    return device.costs(totals)["latency_ms"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_exact_search_is_at_least_as_good_as_lawson_hanson(seed):
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(9, 4)) + 0.5, rng.uniform(1, 5, 9)
    reference, residual = optimize.nnls(x / y[:, None], np.ones(9))
    ours = relative_nnls(x, y)
    assert (ours >= 0).all()
    assert np.linalg.norm(x / y[:, None] @ ours - 1) <= residual + 1e-9
    np.testing.assert_allclose(ours, reference, atol=1e-6)


def test_known_coefficients_are_recovered_across_scales():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 1, (20, 3)) * [1e9, 1.0, 1e-3]
    truth = np.array([2e-9, 0.0, 4e3])
    np.testing.assert_allclose(relative_nnls(x, x @ truth), truth, rtol=1e-6, atol=1e-12)


def test_a_held_out_row_does_not_see_itself():
    x = np.array([[1.0], [1.0], [1.0]])
    errors = fit(x, [1.0, 1.0, 2.0]).held_out_errors
    assert errors[2] == pytest.approx(-0.5)


def test_non_positive_measurements_are_refused():
    with pytest.raises(ValueError, match="positive"):
        relative_nnls(np.ones((2, 1)), np.array([1.0, 0.0]))


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())
def test_layer_lists_have_the_published_number_of_parameters(network):
    # Lists fold batch norms (two vectors) into one bias per channel, hence the one percent.
    assert sum(layer.params for layer in network.layers) == pytest.approx(network.params, rel=0.01)


def test_published_macs_of_the_layer_lists():
    published = {"MobileNetV1": 569e6, "MobileNetV2": 300e6, "VGG16": 15.47e9, "EfficientNetEdgeTPU-S": 1.81e9}
    for name, macs in published.items():
        assert sum(layer.macs for layer in NETWORKS[name].layers) == pytest.approx(macs, rel=0.02), name


def stale(profile):
    """What the profile says that its rows do not give."""
    rows = [NETWORKS[name] for name in profile.fitted]
    found = refit(profile, [row.layers for row in rows], [row.latency_ms for row in rows])
    wrong = [
        name
        for name, value in zip(COEFFICIENTS, found.coefficients, strict=True)
        if abs(value - profile.coefficients[name]) > 1e-3 * value
    ]
    held_out = np.abs(found.held_out_errors)
    if abs(held_out.mean() - profile.held_out_error_mean) > 1e-3:
        wrong.append("held_out_error_mean")
    if abs(held_out.max() - profile.held_out_error_max) > 1e-3:
        wrong.append("held_out_error_max")
    for row, error, left_out in zip(rows, found.errors, found.held_out_errors, strict=True):
        stated = profile.fitted[row.name]
        if abs(stated["error"] - error) > 1e-3 or abs(stated["held_out"] - left_out) > 1e-3:
            wrong.append(row.name)
    return wrong


def test_shipped_coefficients_and_errors_come_from_the_shipped_rows():
    assert stale(PROFILE) == []
    assert stale(replace(PROFILE, on_chip_mb=7.5)) != []
    assert stale(replace(PROFILE, held_out_error_mean=0.01)) == ["held_out_error_mean"]


def test_threshold_sensitivity_is_as_stated():
    layers, latency = [row.layers for row in FITTED], [row.latency_ms for row in FITTED]
    for megabytes, most in ((6.5, 0.06), (7.5, 0.06), (8.0, 0.06)):
        errors = refit(replace(PROFILE, on_chip_mb=megabytes), layers, latency).held_out_errors
        assert np.abs(errors).mean() < most


def test_the_documented_misses_are_misses():
    dense, inception = predicted(["DenseNet121", "InceptionResNetV2"])
    assert dense < 0.5 * NETWORKS["DenseNet121"].latency_ms
    assert inception > 2 * NETWORKS["InceptionResNetV2"].latency_ms
    assert set(PROFILE.not_fitted) == {"DenseNet121", "InceptionResNetV2"}
    assert set(PROFILE.fitted) | set(PROFILE.not_fitted) == set(NETWORKS)


def test_column_says_what_the_figure_is():
    (column,) = EdgeTPU().columns
    assert (column.name, column.unit, column.origin) == ("latency_ms", "ms", "modelled")
    for words in ("3-6 %", "no measurement", "work of the host", "DenseNet121"):
        assert words in column.note


def test_streaming_starts_beyond_the_on_chip_memory():
    totals = {"parameter_bytes": np.array([0.0, 6.9e6, 7.9e6])}
    excess = design_matrix(totals, PROFILE)[:, 2]
    np.testing.assert_allclose(excess, [0, 0, 1], atol=1e-9)


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
    assert parse_profile(good, "x.yml").array == (8, 8)
    with pytest.raises(PluginError, match=f"(?i){words}"):
        parse_profile({**good, **change}, "x.yml")


def test_unknown_profile_and_unknown_layer_are_named():
    with pytest.raises(PluginError, match="edge_tpu"):
        shipped_profile("edge_tpo")
    with pytest.raises(StudyError, match="conw"):
        expand([{"op": "conw", "out": 3}], 32)
    with pytest.raises(StudyError, match="add"):
        expand([{"op": "branches", "join": "add", "paths": [[], [{"op": "conv", "out": 7}]]}], 32)
