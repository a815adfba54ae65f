"""The nano space: activity, identity, networks, members."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ednas_nni.cost import cost_table
from ednas_nni.errors import DataError, PluginError, SampleError, StudyError
from ednas_nni.nn.tree import build, domains_of, walk
from ednas_nni.testing.spaces import check_activity, check_identity, check_network, check_space, structure
from search_spaces import EdnasSpace, nano

torch.set_num_threads(1)
TASKS = {"segmentation": 13, "depth": 1, "normals": 3}
SPACE = nano(TASKS)
DOMAINS = domains_of(SPACE)
OPS = ("ibn_k3_e3", "ibn_k3_e6", "ibn_k5_e3", "ibn_k5_e6", "fused_k3_e3", "fused_k3_e6", "fused_k5_e3")

samples = st.tuples(*(st.sampled_from(d.values) for d in DOMAINS.dimensions)).map(
    lambda values: dict(zip(DOMAINS.labels, values, strict=True))
)


def test_labels_values_and_size():
    expected = []
    for i in range(1, 5):
        expected += [f"stage{i}_depth", *(f"stage{i}_block{j}_op" for j in (1, 2, 3))]
    assert list(DOMAINS.labels) == expected == list(SPACE.simplify())
    assert all(d.values == ((1, 2, 3) if d.label.endswith("depth") else OPS) for d in DOMAINS.dimensions)
    assert SPACE.domains == DOMAINS
    assert DOMAINS.size() == (7 + 7**2 + 7**3) ** 4 == 25_344_958_401


@settings(max_examples=100, deadline=None)
@given(samples)
def test_activity_is_what_nni_reads(sample):
    check_activity(SPACE, DOMAINS, sample)
    by_hand = {
        label: value
        for label, value in sample.items()
        if label.endswith("depth") or int(label.split("block")[1][0]) <= sample[label.split("_")[0] + "_depth"]
    }
    assert DOMAINS.active(sample) == by_hand
    assert DOMAINS.decode(DOMAINS.encode(sample)) == DOMAINS.canonical(sample)


@settings(max_examples=6, deadline=None)
@given(samples, st.integers(0, 2**32))
def test_ids_equal_iff_networks_equal(sample, seed):
    check_identity(SPACE, DOMAINS, sample, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "identify",
    [
        lambda sample: json.dumps(sample, sort_keys=True),  # forgets that inactive labels do not matter
        lambda sample: json.dumps(
            {k: v for k, v in DOMAINS.active(sample).items() if "block3" not in k}
        ),  # loses labels
    ],
)
def test_the_judge_rejects_broken_ids(identify):
    sample = {d.label: 2 if d.label.endswith("depth") else OPS[1] for d in DOMAINS.dimensions}
    sample["stage2_depth"] = 3
    with pytest.raises(PluginError, match=r"gives (the same|another) id but (the same|another) network"):
        check_identity(SPACE, DOMAINS, sample, np.random.default_rng(0), identify)


def test_the_oracle_rejects_broken_activity():
    sample = {d.label: d.values[0] for d in DOMAINS.dimensions}
    with pytest.raises(PluginError, match="does not read"):
        check_activity(SPACE, DOMAINS, sample, active=lambda s: s)


def test_contract():
    check_space(lambda: nano({"segmentation": 5, "depth": 1}), samples=2)


@settings(max_examples=3, deadline=None)
@given(samples)
def test_networks_run_and_learn(sample):
    check_network(SPACE, sample, (32, 64))


def test_shapes_at_another_size():
    network = build(SPACE, SPACE.member("mobilenet_v2")).eval()
    with torch.no_grad():
        outputs = network(torch.rand(1, 3, 96, 32))
    assert {k: tuple(v.shape) for k, v in outputs.items()} == {
        "segmentation": (1, 13, 96, 32),
        "depth": (1, 1, 96, 32),
        "normals": (1, 3, 96, 32),
    }


def test_build_equals_freeze():
    rng = np.random.default_rng(3)
    for _ in range(2):
        sample = DOMAINS.random(rng)
        built, frozen = build(SPACE, sample), SPACE.freeze(sample)
        assert structure(built) == structure(frozen)
        assert list(built.state_dict()) == list(frozen.state_dict())
        with torch.no_grad():
            frozen.load_state_dict(built.state_dict())
            image = torch.rand(1, 3, 32, 32)
            ours, theirs = built.eval()(image), frozen.eval()(image)
        assert all(torch.equal(ours[t], theirs[t]) for t in TASKS)


def test_build_is_reproducible_by_seed():
    sample = SPACE.member("mobilenet_v2")
    networks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        networks.append(build(SPACE, sample).stem.conv.weight)
    assert torch.equal(networks[0], networks[1]) and not torch.equal(networks[0], networks[2])


def test_leaves_that_hold_have_the_parameters_of_the_network():
    rng = np.random.default_rng(4)
    leaves = list(walk(SPACE))
    for _ in range(3):
        sample = DOMAINS.random(rng)
        held = [x for x in leaves if all(any(sample[y.label] in y.values for y in c) for c in x.condition)]
        network = build(SPACE, sample)
        expected = [tuple(p.shape) for p in network.parameters()]
        assert [tuple(p.shape) for x in held for p in x.module.parameters()] == expected


def test_output_bias():
    network = build(SPACE, SPACE.member("mobilenet_v2"))
    network.set_output_bias("normals", torch.tensor([0.0, 1.0, 2.0]))
    assert network.heads["normals"].predict.bias.tolist() == [0, 1, 2]
    SPACE.set_output_bias("depth", torch.tensor([1.5]))
    assert SPACE.heads["depth"].predict.bias.tolist() == [1.5]
    with pytest.raises(StudyError, match="Did you mean 'normals'"):
        network.set_output_bias("normal", torch.zeros(3))
    with pytest.raises(StudyError, match="3 finite values"):
        network.set_output_bias("normals", torch.zeros(2))
    with pytest.raises(StudyError, match="3 finite values"):
        network.set_output_bias("normals", torch.tensor([0.0, float("nan"), 0.0]))


def test_members_and_description():
    assert set(SPACE.member_names) == {"mobilenet_v2", "mobilenet_v2_small", "efficientnet_edgetpu"}
    mobile = SPACE.member("mobilenet_v2")
    assert mobile == DOMAINS.canonical(mobile)
    active = DOMAINS.active(mobile)
    assert [active[f"stage{i}_depth"] for i in (1, 2, 3, 4)] == [1, 2, 3, 2]
    assert {v for k, v in active.items() if k.endswith("_op")} == {"ibn_k3_e6"}
    edge = DOMAINS.active(SPACE.member("efficientnet_edgetpu"))
    assert edge["stage1_block1_op"] == edge["stage2_block2_op"] == "fused_k3_e6"
    assert edge["stage3_block1_op"] == "ibn_k3_e6" and edge["stage4_block1_op"] == "ibn_k5_e6"
    with pytest.raises(StudyError, match="Did you mean 'mobilenet_v2'"):
        SPACE.member("mobilenetv2")
    text = SPACE.describe(mobile)
    lines = text.splitlines()
    assert lines[0] == f"architecture {DOMAINS.architecture_id(mobile)}"
    assert lines[3].split() == ["stage1", "4", "24", "ibn_k3_e6"]
    assert lines[6].split() == ["stage4", "32", "96", "ibn_k3_e6", "ibn_k3_e6"]
    with pytest.raises(SampleError, match="stage1_depth"):
        SPACE.describe({**mobile, "stage1_depth": 9})


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ({}, "at least one task"),
        (None, "at least one task"),
        (["depth"], "at least one task"),
        ({"a task": 1}, "not usable as a name"),
        ({"a.b": 1}, "not usable as a name"),
        ({3: 1}, "not usable as a name"),
        ({"values": 1}, "not usable as a name"),
        ({"depth": 0}, "depth = 0"),
        ({"depth": 1.0}, "depth = 1.0"),
        ({"depth": True}, "depth = True"),
        ({"depth": "1"}, "depth = '1'"),
    ],
)
def test_wrong_tasks(tasks, words):
    with pytest.raises(StudyError, match=words):
        nano(tasks)


def test_wrong_options_and_presets():
    with pytest.raises(StudyError, match=r"search space nano: unknown field 'head'\. Did you mean 'heads'"):
        nano(TASKS, head=2)
    with pytest.raises(StudyError, match="unknown field 'preset'"):
        nano(TASKS, preset="mobile")
    with pytest.raises(StudyError, match=r"search space nano: heads.channels = 12 must be a multiple of 8"):
        nano(TASKS, heads={"kinds": ["conv"], "channels": 12})
    with pytest.raises(StudyError, match="no published encoders; use the space `pretrained`"):
        nano(TASKS, encoder_weights="x")
    with pytest.raises(StudyError, match=r"'nanno'\. Did you mean 'nano'"):
        EdnasSpace(TASKS, preset="nanno")


@pytest.mark.parametrize("shape", [(1, 3, 16, 32), (1, 1, 64, 64), (3, 64, 64), (1, 3, 0, 32)])
def test_wrong_images(shape):
    with pytest.raises(DataError, match="at least 32"):
        SPACE(torch.zeros(shape))


def test_any_number_of_tasks():
    space = nano({"edges": 1})
    assert list(build(space, space.member("mobilenet_v2"))(torch.rand(2, 3, 32, 32))) == ["edges"]
    assert EdnasSpace().tasks == tuple(TASKS)


def test_sizes_between_strides_are_padded_priced_and_cut():
    """720 rows are computed as 736: what is predicted, and what it costs, is that of the padded image."""
    network = build(SPACE, SPACE.member("mobilenet_v2")).eval()
    image = torch.rand(1, 3, 40, 70)
    larger = torch.nn.functional.pad(image, (0, 26, 0, 24))
    for task, output in network(image).items():
        assert output.shape[2:] == (40, 70)
        assert torch.equal(output, network(larger)[task][..., :40, :70])
        assert not torch.equal(output, network(larger.roll(24, 2))[task][..., :40, :70]), "any place would pass"
    odd, even = cost_table(SPACE, deploy_size=(40, 70)), cost_table(SPACE, deploy_size=(64, 96))
    sample = [SPACE.member("mobilenet_v2")]
    assert (odd(sample) == even(sample)).all()
    assert (odd.deploy_size, odd.priced_size) == ((40, 70), (64, 96))
    assert odd.size_text == "40 x 70 px, which the network pads to 64 x 96 px" and even.size_text == "64 x 96 px"
