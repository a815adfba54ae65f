"""The layer lists of published networks, against published counts and against torchvision's own networks."""

from __future__ import annotations

import dataclasses

import pytest
from edge_tpu_fit.layer_lists import expand
from edge_tpu_fit.published import published_networks

from ednas_nni.compat.vision import models
from ednas_nni.cost import layer_records
from ednas_nni.errors import StudyError

NETWORKS = {network.name: network for network in published_networks()}


def counted(layers):
    return sum(layer.macs for layer in layers)


def wrong_counts(networks):
    """Networks whose list has not the published number of parameters or MACs."""
    # Lists fold batch norms (two vectors) into one bias per channel, hence the one percent. Published MACs are rounded
    # to two digits for some, and tools differ in whether pooled 1 x 1 layers count.
    return [
        network.name
        for network in networks
        if (network.params and sum(r.params for r in network.layers) != pytest.approx(network.params, rel=0.01))
        or (network.macs and counted(network.layers) != pytest.approx(network.macs, rel=0.05))
    ]


def test_lists_have_the_published_counts_and_the_check_rejects_a_shorter_one():
    assert wrong_counts(NETWORKS.values()) == []
    checked = [network for network in NETWORKS.values() if network.params or network.macs]
    assert len(checked) == 23
    cut = [dataclasses.replace(network, layers=network.layers[: len(network.layers) // 2]) for network in checked]
    assert len(wrong_counts(cut)) == 23


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("MobileNetV2", models.mobilenet_v2),
        ("VGG16", models.vgg16),
        ("VGG19", models.vgg19),
        ("DenseNet121", models.densenet121),
        ("InceptionV3", lambda: models.inception_v3(aux_logits=False, init_weights=False, transform_input=False)),
    ],
)
def test_lists_equal_torchvisions_networks(name, make):
    import torch

    with torch.device("meta"):
        network = make().eval()
    size = NETWORKS[name].size
    found = layer_records(network, size)
    assert counted(found) == pytest.approx(counted(NETWORKS[name].layers), rel=0.002)
    widest = max(r.elements_read + r.elements_written for r in found if r.kind in ("conv", "depthwise"))
    listed = [r for r in NETWORKS[name].layers if r.kind in ("conv", "depthwise")]
    assert max(r.elements_read + r.elements_written for r in listed) == pytest.approx(widest, rel=0.01)


def test_every_row_has_a_place_and_a_source():
    assert {network.regime for network in NETWORKS.values()} == {"on_chip", "streaming", "dense"}
    assert [n.name for n in NETWORKS.values() if n.left_out] == ["DenseNet121"]
    assert sum(n.dense for n in NETWORKS.values()) == 12
    for network in NETWORKS.values():
        assert network.source in ("benchmarks", "models") and network.paper and network.latency_ms > 0
        assert network.layers[0].image_elements == 3 * network.size[0] * network.size[1]
        assert sum(record.image_elements > 0 for record in network.layers) == 1


def test_a_transposed_convolution_is_its_phases():
    records = expand([{"op": "transposed", "out": 5}], [8, 16], channels=7)
    assert counted(records) == 8 * 16 * 9 * 7 * 5  # each input element meets each of the 9 taps once
    assert sum(r.params for r in records) == 9 * 7 * 5 + 5
    assert sum(r.elements_written for r in records) == 16 * 32 * 5


def test_host_work_is_what_follows_the_full_size():
    deeplab = NETWORKS["DeepLabV3-MobileNetV2"].layers
    assert [(r.kind, r.full_size) for r in deeplab[-2:]] == [("resize", True), ("host", True)]
    assert [r.kind for r in NETWORKS["SSD-MobileNetV1"].layers].count("host") == 12


def test_unknown_layers_and_unequal_branches_are_named():
    with pytest.raises(StudyError, match="conw"):
        expand([{"op": "conw", "out": 3}], 32)
    with pytest.raises(StudyError, match="add"):
        expand([{"op": "branches", "join": "add", "paths": [[], [{"op": "conv", "out": 7}]]}], 32)
