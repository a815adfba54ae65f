"""Choices that decide sizes: resolution, output stride, levels; their costs are those of the network that is built."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ednas_nni.cost import cost_table, table
from ednas_nni.errors import StudyError
from ednas_nni.nn.sizes import check_resolutions
from ednas_nni.nn.tree import build, domains_of
from ednas_nni.testing.architectures import check_architectures, check_costs
from ednas_nni.testing.spaces import check_space
from search_spaces import EdnasSpace, presets

TASKS = {"segmentation": 4, "depth": 1}
SIZE = (64, 128)
SPACE = {
    "preset": "nano",
    "stem": [8, 16],
    "stages": [{"channels": 8, "depth": 1}, {"channels": [8, 16], "depth": 1}, {"channels": 16, "depth": [1, 2]}],
    "ops": ["ibn_k3_e1"],
    "fusion": {"kinds": ["fpn"], "channels": [8, 16], "levels": [3, 2]},
    "heads": {"kinds": ["separable"], "channels": [8, 16], "stride": [4, 8]},
    "sharing": ["shared", "own_fusion"],
    "resolution": [1, 0.75],
}


def small(**changes: object) -> EdnasSpace:
    return EdnasSpace(tasks=TASKS, **{**SPACE, **changes})


@pytest.fixture(scope="module")
def space() -> EdnasSpace:
    torch.set_num_threads(1)
    return small()


def test_the_contract_of_spaces(space: EdnasSpace) -> None:
    rng, domains = np.random.default_rng(1), domains_of(space)
    check_space(small, SIZE, samples=1)
    check_architectures(small, 6, SIZE)
    check_costs(space, [domains.random(rng) for _ in range(12)], SIZE)


def test_costs_of_every_size_are_those_of_a_space_of_that_size_alone(space: EdnasSpace, monkeypatch) -> None:
    """On devices of all kinds; and the broken twin that reads the space at one size for all."""
    devices = ["edge_tpu", "peak_memory"]
    searched, rng = cost_table(space, devices, SIZE), np.random.default_rng(0)
    monkeypatch.setattr(table, "over_sizes", lambda labels, read: read[0])
    once = cost_table(space, devices, SIZE)
    monkeypatch.undo()
    for resolution, stride in ((1, "8"), (0.75, "4")):
        alone = cost_table(small(resolution=resolution, heads={**SPACE["heads"], "stride": int(stride)}), devices, SIZE)
        inner = [alone.domains.random(rng) for _ in range(20)]
        outer = [{**sample, "resolution": resolution, "output_stride": stride} for sample in inner]
        assert searched.names == alone.names
        np.testing.assert_allclose(searched(outer), alone(inner), rtol=1e-12)
        assert not np.allclose(once(outer), alone(inner))


def test_a_network_answers_at_the_labels_size(space: EdnasSpace) -> None:
    domains = domains_of(space)
    sample = {d.label: d.values[0] for d in domains.dimensions} | {"resolution": 0.75, "output_stride": "8"}
    network, image = build(space, sample).eval(), torch.rand(2, 3, *SIZE)
    with torch.no_grad():
        whole, entered = network(image), network(network.entry(image), shrunk=True)
        odd = network(torch.rand(1, 3, 70, 129))
    assert all(torch.equal(whole[task], entered[task]) and whole[task].shape[2:] == SIZE for task in TASKS)
    assert network.entry(image).shape[2:] == (48, 96) and odd["depth"].shape[2:] == (70, 129)
    flat = torch.full((1, 3, *SIZE), 0.5)
    assert torch.allclose(network.entry(flat), flat[..., :48, :96])  # shrinking averages


@pytest.mark.parametrize(
    ("shares", "stride", "train", "deploy", "message"),
    [
        ((1, 0.75), 32, (64, 128), (512, 1024), r"0\.75 of train_size 64 x 128 is 48 x 96.*stride 32.*: 0\.5, 1\."),
        ((1, 0.75, 0.5), 16, (64, 128), (512, 1024), ""),
        ((0.5,), 32, (96, 128), (512, 1024), r"0\.5 of train_size 96 x 128 is 48 x 64.*: 1\."),
        ((1, 0.5), 32, (64, 128), (720, 1280), r"0\.5 of deploy_size 720 x 1280 is 360 x 640.*: 1\."),
        ((1,), 32, (64, 128), (720, 1280), ""),
        ((0.3,), 16, (64, 128), (512, 1024), r"is 19\.2 x 38\.4, which.*: 0\.25, 0\.5, 0\.75, 1\."),
    ],
)
def test_resolutions_that_do_not_fit_are_told_with_those_that_do(shares, stride, train, deploy, message) -> None:
    sizes = {"train_size": train, "deploy_size": deploy}
    if not message:
        check_resolutions(shares, stride, sizes)
        return
    with pytest.raises(StudyError, match=message):
        check_resolutions(shares, stride, sizes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": [1, 2]}, r"resolution = \[1, 2\] must be a share"),
        ({"resolution": [0.5, 0.5]}, "different ones"),
        ({"heads": {**SPACE["heads"], "stride": 16}}, r"heads.stride = 16 must be 4, 8 or \[4, 8\]"),
        ({"fusion": {**SPACE["fusion"], "levels": [2]}}, "largest must be the number of stages, 3"),
        ({"fusion": {**SPACE["fusion"], "levels": [3, 1]}}, "fusion.levels"),
        ({"sharing": ["shared", "own_stage3"]}, "own stages"),
    ],
)
def test_wrong_fields_are_told(changes, message) -> None:
    options = {name: value for name, value in {**SPACE, **changes}.items() if name != "preset"}
    with pytest.raises(StudyError, match=message):
        presets.load("nano", options)


def test_families_scaled_by_hand_are_members_of_compound_alone() -> None:
    space = EdnasSpace(tasks=TASKS, preset="compound")
    names, domains = space.member_names, space.domains
    families = {name.rpartition("_")[0] for name in names}
    assert len(names) == 15 and families == {"mobilenet_v2", "mobilenet_v3", "efficientnet_lite"}
    assert "mobilenet_v2_100" not in EdnasSpace(tasks=TASKS, preset="nano").member_names
    for family in families:
        members = (build(space, space.member(f"{family}_{width}")) for width in ("035", "050", "075", "100", "140"))
        sizes = [sum(p.numel() for p in network.parameters()) for network in members]
        assert sizes == sorted(set(sizes)) and sizes[-1] > 8 * sizes[0]
    drawing = space.describe({**space.member("mobilenet_v3_050"), "resolution": 0.5, "fusion_levels": "2"})
    assert "0.5 of height and width" in drawing and "stage3" not in drawing
    assert drawing.endswith("depth head              8        16  separable")
    lite = domains.active(space.member("efficientnet_lite_100"))
    assert [lite[f"stage3_block{i}_op"] for i in (1, 6)] == ["ibn_k3_e6", "ibn_k5_e6"]
    assert (lite["stem_width"], lite["stage3_width"], lite["output_stride"]) == (32, 96, "8")
