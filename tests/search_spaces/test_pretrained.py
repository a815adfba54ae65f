"""Published encoders: torchvision's own networks are the judge; weights come from files of this machine alone."""

from __future__ import annotations

import re
import socket
import urllib.request
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import nn

from ednas_nni.compat.vision import models
from ednas_nni.errors import PluginError, StudyError
from ednas_nni.nn import encoders
from ednas_nni.nn.elementwise import Elementwise
from ednas_nni.nn.encoders import ENCODERS, encoder
from ednas_nni.nn.layer_graph import layer_graph
from ednas_nni.nn.tree import build
from ednas_nni.testing.architectures import check_costs, check_size
from ednas_nni.testing.spaces import check_space
from search_spaces import EdnasSpace, presets, pretrained
from search_spaces.space import encoder_files

torch.set_num_threads(1)
TORCHVISION = [name for name, published in ENCODERS.items() if isinstance(published, encoders.Taps)]
TASKS = {"segmentation": 5, "depth": 1}
SHIPPED = presets.load("pretrained").encoders
TINY = {"encoders": ["mobilenet_v3_small", "regnet_x_400mf"], "fusion": {"kinds": ["fpn", "aspp"], "channels": 16}}


def whole(name, seed=0):
    """torchvision's model with statistics that are not those of a fresh one."""
    torch.manual_seed(seed)
    model = models.get_model(name, weights=None)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.running_mean, -0.1, 0.1)
            nn.init.uniform_(m.running_var, 0.5, 1.5)
    return model.eval()


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in SHIPPED else pytest.mark.slow) for n in TORCHVISION])
def test_features_are_torchvisions(name):
    model, taps = whole(name), ENCODERS[name]
    ours = layer_graph(model, taps.modules)
    extractor = import_module("torchvision.models.feature_extraction")
    theirs = extractor.create_feature_extractor(model, list(taps.modules), suppress_diff_warning=True).eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        found, expected = ours(image), theirs(image)
    assert [tuple(x.shape[1:]) for x in found] == [
        (c, 64 // stride, 96 // stride) for c, stride in zip(taps.channels, (4, 8, 16, 32), strict=True)
    ]
    for x, path in zip(found, taps.modules, strict=True):
        assert torch.equal(x, expected[path])
    assert set(ours.state_dict()) <= set(model.state_dict())
    leaves = [m for m in ours.modules() if next(m.children(), None) is None]
    assert all(isinstance(m, (nn.Conv2d, nn.BatchNorm2d, Elementwise)) for m in leaves)
    assert not ours.training, "the mode stays"


def test_gradients_reach_every_parameter_of_an_encoder():
    network = encoder("efficientnet_b0").train()
    sum(x.square().mean() for x in network(torch.rand(2, 3, 64, 64))).backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in network.parameters())


class Foreign(nn.Module):
    def __init__(self, layer=None):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.layer = layer

    def forward(self, x):
        y = self.conv(x)
        return torch.flip(y, (1,)) if self.layer is None else self.layer(y)


@pytest.mark.parametrize(
    ("layer", "words"), [(None, "operation .*flip"), (nn.GELU(), "layer GELU"), (nn.AvgPool2d(2), "layer AvgPool2d")]
)
def test_an_operation_without_a_cost_is_named(layer, words):
    outer = nn.Sequential(Foreign(layer), nn.Identity())
    with pytest.raises(PluginError, match=words):
        layer_graph(outer, ["0"])


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_of_a_file_see_the_image_as_they_were_trained(tmp_path, suffix):
    model = whole("resnet18", seed=3)
    file = tmp_path / f"resnet18{suffix}"
    save(model.state_dict(), file)
    network = encoder("resnet18", file).eval()
    assert torch.equal(network.get_parameter("layer1.0.conv1.weight"), model.layer1[0].conv1.weight)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (encoders.MEAN, encoders.STD))
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        found = network.bn1(network.conv1(image))
        expected = model.bn1(model.conv1((image - mean) / std))
        raw = model.bn1(model.conv1(image))
    inner = (..., slice(3, -3), slice(3, -3))  # at the border zeros are padded: black here, the mean colour there
    assert torch.allclose(found[inner], expected[inner], atol=1e-4)
    assert not torch.allclose(raw[inner], expected[inner], atol=0.1), "the comparison tells a forgotten fold"


def save(tensors, file):
    if file.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({k: t.contiguous() for k, t in tensors.items()}, file)
    else:
        torch.save(tensors, file)


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """Every way to a download raises, and no earlier download can be found."""

    def refuse(*args, **kwargs):
        raise AssertionError("a download was attempted")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch_home"))
    for place, name in (
        (torch.hub, "load_state_dict_from_url"),
        (torch.hub, "download_url_to_file"),
        (models._api, "load_state_dict_from_url"),
        (urllib.request, "urlopen"),
        (socket.socket, "connect"),
    ):
        monkeypatch.setattr(place, name, refuse)


def test_nothing_is_downloaded(no_network, tmp_path):
    with pytest.raises(AssertionError, match="download was attempted"):
        models.get_model("mobilenet_v3_small", weights="DEFAULT")  # the guard holds
    space = pretrained(TASKS, **TINY)
    build(space, space.member("regnet_x_400mf"))
    file = tmp_path / "mobilenet_v3_small-047dcff4.pth"
    torch.save(whole("mobilenet_v3_small").state_dict(), file)
    space = pretrained(TASKS, encoder_weights=str(tmp_path), encoders=["mobilenet_v3_small"])
    network = build(space, space.domains.random(np.random.default_rng(0)))
    stored = torch.load(file, weights_only=True)["features.4.block.0.0.weight"]
    assert torch.equal(network.encoder.get_parameter("features.4.block.0.0.weight"), stored)
    with pytest.raises(StudyError, match=r"must hold one file for resnet18.*Nothing is downloaded"):
        pretrained(TASKS, encoder_weights=str(tmp_path), encoders=["resnet18"])


@pytest.mark.slow
def test_contract_and_costs():
    check_space(lambda: pretrained(TASKS, **TINY), size=(64, 64), samples=1)
    space = pretrained(TASKS, **TINY)
    rng = np.random.default_rng(1)
    check_costs(space, [space.domains.random(rng) for _ in range(2)], (64, 96))


def test_labels_size_and_members():
    small = {"encoders": ["mobilenet_v3_small", "resnet18"], "heads": {"kinds": ["conv"], "channels": 16}}
    small["fusion"] = {"kinds": ["fpn", "aspp"], "channels": 16}
    space = pretrained({"depth": 1}, **small)
    assert {d.label: d.values for d in space.domains.dimensions} == {
        "encoder": ("mobilenet_v3_small", "resnet18"),
        "fusion": ("fpn", "aspp"),
    }
    check_size(space)
    assert space.member_names == ("mobilenet_v3_small", "resnet18")
    assert space.member("resnet18") == {"encoder": "resnet18", "fusion": "fpn"}
    with pytest.raises(StudyError, match=r"Unknown member 'resnet8'.*Did you mean 'resnet18'"):
        space.member("resnet8")
    lines = space.describe(space.member("resnet18")).splitlines()
    assert lines[2].split(maxsplit=3) == ["encoder", "4-32", "64-128-256-512", "resnet18, random weights"]
    two = pretrained(TASKS, **small)
    assert two.domains["depth_sharing"].values == ("shared", "own_fusion")


def test_one_encoder_is_no_choice(tmp_path):
    torch.save(whole("resnet18").state_dict(), tmp_path / "resnet18.pth")
    space = EdnasSpace({"depth": 1}, "pretrained", {"resnet18": str(tmp_path / "resnet18.pth")}, encoders=["resnet18"])
    assert "encoder" not in space.domains.labels and space.member_names == ("resnet18",)
    assert "resnet18, weights of resnet18.pth" in space.describe(space.member("resnet18"))
    assert re.fullmatch("[0-9a-f]{16}", space.weight_fingerprints["encoder_weights.resnet18"])


def test_files_that_do_not_fit_are_named(tmp_path):
    state = whole("resnet18").state_dict()
    file = tmp_path / "x.pth"
    broken = {k: t for k, t in state.items() if k != "layer1.0.conv1.weight"} | {"layer9.x": torch.zeros(1)}
    broken["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    torch.save(broken, file)
    with pytest.raises(StudyError) as caught:
        encoder("resnet18", file)
    text = str(caught.value)
    for words in (str(file), "1 missing (layer1.0.conv1.weight)", "1 unexpected (layer9.x)", "another shape (conv1.we"):
        assert words in text
    torch.save({k: t for k, t in state.items() if not k.startswith("fc.")}, file)
    encoder("resnet18", file)  # without its classifier it is as good
    with pytest.raises(StudyError, match=r"x\.pth does not hold the weights of torchvision's mobilenet_v2"):
        encoder("mobilenet_v2", file)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"resnet81": "x.pth"}, "'resnet81' is not an encoder of this space. Did you mean 'resnet18'"),
        ({"resnet18": "x.pth"}, "no file for mobilenet_v2.*mobilenet_v2: null"),
        ({"resnet18": "/none/x.pth", "mobilenet_v2": None}, "/none/x.pth of resnet18 does not exist"),
        ({"resnet18": "x.pth", "mobilenet_v2": None}, "'x.pth' is a relative path.*From here it would be /"),
        ("/nowhere", "/nowhere is not a folder"),
        ("weights", "'weights' is a relative path"),
        (3, "must be a folder, or a mapping"),
    ],
)
def test_wrong_encoder_weights(given, words):
    with pytest.raises(StudyError, match=words):
        encoder_files(given, ["resnet18", "mobilenet_v2"])


def test_files_of_a_folder(tmp_path):
    for name in ("resnet18-f37072fd.pth", "efficientnet_b0_rwightman-7f5810bc.pth", "resnet18.txt", "resnet182.pth"):
        (tmp_path / name).write_bytes(b"")
    found = encoder_files(str(tmp_path), ["resnet18", "efficientnet_b0"])
    assert {k: p.name for k, p in found.items()} == {
        "resnet18": "resnet18-f37072fd.pth",
        "efficientnet_b0": "efficientnet_b0_rwightman-7f5810bc.pth",
    }
    (tmp_path / "resnet18.safetensors").write_bytes(b"")
    with pytest.raises(StudyError, match=r"there is resnet18-f37072fd.pth, resnet18.safetensors"):
        encoder_files(str(tmp_path), ["resnet18"])


def test_single_task_is_nano_with_one_task():
    one, nano = EdnasSpace({"depth": 1}, "single_task"), EdnasSpace({"depth": 1}, "nano")
    assert one.domains == nano.domains and one.spec.stages == nano.spec.stages
    sample = one.domains.random(np.random.default_rng(0))
    assert one.domains.architecture_id(sample) == nano.domains.architecture_id(sample)
    with pytest.raises(StudyError, match="single_task is for one task, but `tasks` names 2: segmentation, depth"):
        EdnasSpace(TASKS, "single_task")
    with pytest.raises(StudyError, match="unknown field 'max_tasks'"):
        EdnasSpace(TASKS, "single_task", max_tasks=2)
