"""The roofline by hand, its profiles, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from edge_tpu_fit.published import published_networks

from devices.roofline import UNIT_NETWORK, Roofline, RooflineProfile, shipped, unit_layers
from ednas_nni.cost import registry
from ednas_nni.cost.records import WEIGHT_KINDS, convolution, elementwise
from ednas_nni.errors import PluginError

PROFILE = RooflineProfile(
    name="box", title="a box", dtype="int8", gmacs_per_s=1, gbytes_per_s=2, depthwise_share=0.5, static_w=2
)
CONV = convolution("c", 8, 16, (10, 10), (10, 10), kernel=(3, 3), bias=True)
DEPTHWISE = convolution("d", 8, 8, (10, 10), (10, 10), kernel=(3, 3), groups=8)
ADD = elementwise("a", "add", 8, 8, (10, 10), (10, 10), inputs=2)


def totals(device, layers):
    found = {}
    for layer in layers:
        for name, value in device.layer_features(layer).items():
            found[name] = found.get(name, 0.0) + value
    return {name: np.array([value]) for name, value in found.items()}


def latency(profile, *layers):
    device = Roofline(profile)
    return float(device.costs(totals(device, layers))["latency_ms"][0])


def test_a_layer_takes_the_longer_of_arithmetic_and_traffic():
    assert latency(PROFILE, CONV) == pytest.approx(115200 / 1e6)  # 115,200 MACs against 3,616 bytes
    assert latency(PROFILE, ADD) == pytest.approx(2400 / 2 / 1e6)
    assert latency(PROFILE, DEPTHWISE) == pytest.approx(7200 / 0.5 / 1e6)
    slow = PROFILE.model_copy(update=dict(gbytes_per_s=0.001))
    assert latency(slow, CONV) == pytest.approx((800 + 1600 + 1152 + 4 * 16) / 0.001 / 1e6)
    wide = slow.model_copy(update=dict(dtype="float32"))
    assert latency(wide, CONV) == pytest.approx((4 * (800 + 1600 + 1152) + 4 * 16) / 0.001 / 1e6)


def test_every_layer_pays_its_overhead_and_folded_ones_pay_nothing():
    profile = PROFILE.model_copy(update=dict(layer_overhead_ms=1.0))
    norm = elementwise("n", "batch_norm", 8, 8, (10, 10), (10, 10), params=16)
    assert latency(profile, CONV, ADD, norm) == pytest.approx(latency(PROFILE, CONV, ADD) + 2)


def test_energy_is_relative_to_the_named_network():
    reference = next(n.layers for n in published_networks() if n.name == UNIT_NETWORK)
    for name in ("phone_cpu", "microcontroller", "embedded_gpu"):
        device = Roofline(name)
        found = device.costs(totals(device, reference))
        assert found["energy_rel"][0] == pytest.approx(1.0)
        twice = device.costs({key: 2 * value for key, value in totals(device, reference).items()})
        assert twice["energy_rel"][0] == pytest.approx(2.0)
        note = device.columns[1].note
        assert UNIT_NETWORK in note and "static part" in note and "dynamic part" in note
        assert "from memory" in note  # no figure of ours looks measured
    silent = PROFILE.model_copy(update=dict(static_w=0.0))
    assert [column.name for column in Roofline(silent).columns] == ["latency_ms"]


def moved(layer):
    weights = layer.params - layer.bias if layer.kind in WEIGHT_KINDS else 0
    return layer.kind == "depthwise", layer.macs, layer.elements_read + layer.elements_written + weights, layer.bias


def test_the_unit_networks_layers_are_those_of_the_layer_list():
    layers = [moved(layer) for n in published_networks() if n.name == UNIT_NETWORK for layer in n.layers]
    assert list(unit_layers()) == layers
    assert sum(macs for _, macs, _, _ in layers) == pytest.approx(3.0e8, rel=0.01)  # as the paper says
    assert list(unit_layers()) != layers[1:] + layers[:1]


def test_a_user_writes_a_profile_and_names_its_path(tmp_path):
    path = tmp_path / "mine.yml"
    fields = PROFILE.model_dump() | {"name": "mine", "origin": "data sheet"}
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    device = registry.device(str(path))
    assert device.name == "mine" and "data sheet" in device.columns[0].note
    assert device.layer_features(CONV) == Roofline(PROFILE).layer_features(CONV)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gmacs_per_s": 0}, "gmacs_per_s: 0 must be above 0"),
        ({"gbytes_per_s": "fast"}, "gbytes_per_s: 'fast'"),
        ({"pj_per_mac": -1}, "pj_per_mac: -1 must be at least 0"),
        ({"depthwise_share": 2}, "depthwise_share"),
        ({"dtype": "int4"}, "int8"),
        ({"gmacs": 3}, "gmacs_per_s"),
        ({"title": None}, "title"),
    ],
)
def test_wrong_profiles_are_refused_by_field(tmp_path, change, message):
    path = tmp_path / "mine.yml"
    fields = PROFILE.model_dump() | change
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    with pytest.raises(PluginError, match=message):
        registry.device(str(path))


def test_shipped_names_are_told():
    with pytest.raises(PluginError, match="phone_cpu"):
        shipped("phone_cpus")
