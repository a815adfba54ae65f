"""Sharing, fusion kinds, heads and searched widths: a small space that has them all."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ednas_nni.cost import cost_table
from ednas_nni.cost.layers import layer_records
from ednas_nni.errors import PluginError
from ednas_nni.nn import sharing
from ednas_nni.nn.sharing import OwnBranch
from ednas_nni.nn.spec import FusionSpec, HeadSpec, StageSpec, TemplateSpec
from ednas_nni.nn.template import MultiTaskSpace
from ednas_nni.nn.tree import build, domains_of
from ednas_nni.testing.spaces import check_identity, check_space
from search_spaces.table import table

torch.set_num_threads(1)
TASKS = {"segmentation": 5, "depth": 1, "normals": 3}


class Rich(MultiTaskSpace):
    """Every kind of choice, each as small as it gets."""

    spec = TemplateSpec(
        stem=8,
        stages=(
            StageSpec(channels=(8, 16), depth=(1, 2), ops=("ibn_k3_e3", "fused_k3_e1_se")),
            StageSpec(channels=(16,), depth=(1, 1), ops=("ibn_k3_e3",)),
            StageSpec(channels=(16, 24), depth=(1, 2), ops=("ibn_k3_e3", "ibn_k5_e3_se")),
        ),
        fusion=FusionSpec(kinds=("fpn", "bifpn", "aspp"), channels=(8, 16)),
        heads=HeadSpec(kinds=("conv", "separable", "ibn"), channels=8),
        sharing=("shared", "own_fusion", "own_stage3", "own_stage2"),
        activation="hswish",
    )

    def __init__(self, tasks=None):
        super().__init__()
        self.assemble(tasks or TASKS, self.spec)


SPACE = Rich()
DOMAINS = domains_of(SPACE)
samples = st.tuples(*(st.sampled_from(d.values) for d in DOMAINS.dimensions)).map(
    lambda values: dict(zip(DOMAINS.labels, values, strict=True))
)


def test_contract():
    check_space(lambda: Rich({"segmentation": 5, "depth": 1}), size=(32, 64), samples=3)


def test_labels():
    labels = set(DOMAINS.labels)
    assert {"stage1_width", "stage3_depth", "fusion", "fusion_width", "depth_head", "depth_sharing"} <= labels
    assert {"depth_stage3_block2_op", "depth_stage3_width", "depth_fusion"} <= labels
    # A single value is no choice: one width, one operation, one depth.
    assert not labels & {"stage2_width", "stage2_depth", "stage2_block1_op", "depth_stage2_width"}


@settings(max_examples=5, deadline=None)
@given(samples, st.integers(0, 2**32))
def test_ids_equal_iff_networks_equal(sample, seed):
    check_identity(SPACE, DOMAINS, sample, np.random.default_rng(seed))


def test_the_judge_rejects_a_space_that_keeps_what_nobody_reads():
    class Forgetful(Rich):
        def liveness(self):
            return {}

    space = Forgetful()
    sample = domains_of(space).canonical({**DOMAINS.random(np.random.default_rng(0)), **dict.fromkeys(
        ("segmentation_sharing", "depth_sharing", "normals_sharing"), "own_stage3")})  # fmt: skip
    with pytest.raises(PluginError, match="the same network"):
        check_identity(space, domains_of(space), sample, np.random.default_rng(0))


@pytest.mark.parametrize("ways", [*itertools.combinations_with_replacement(Rich.spec.sharing, 3)])
def test_what_nobody_reads_is_no_part_of_the_network(ways):
    sample = DOMAINS.random(np.random.default_rng(1))
    sample |= {sharing.label(task): way for task, way in zip(TASKS, ways, strict=True)}
    network = build(SPACE, sample)
    assert len(network.stages) == max(sharing.trunk_stages(way, 3) for way in ways)
    assert (network.fusion is not None) == ("shared" in ways)
    for task, way in zip(TASKS, ways, strict=True):
        branch = network.branches[task]
        own = 3 - sharing.trunk_stages(way, 3)
        assert len(branch.stages) == own if isinstance(branch, OwnBranch) else way == "shared"
    outputs = network.train()(torch.rand(2, 3, 32, 32))
    assert {task: tuple(y.shape) for task, y in outputs.items()} == {t: (2, n, 32, 32) for t, n in TASKS.items()}
    sum(y.square().mean() for y in outputs.values()).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_tasks_that_share_nothing_do_not_disturb_each_other():
    sample = DOMAINS.random(np.random.default_rng(2))
    sample |= {"segmentation_sharing": "own_stage2", "depth_sharing": "shared", "normals_sharing": "shared"}
    network = build(SPACE, sample).train()
    network(torch.rand(2, 3, 32, 32))["segmentation"].square().mean().backward()
    touched = {name for name, p in network.named_parameters() if p.grad is not None}
    assert not any(name.startswith(("stages.1", "stages.2", "fusion", "branches.depth")) for name in touched)
    assert any(name.startswith("stages.0") for name in touched)


def test_a_single_task_has_nobody_to_share_with():
    domains = domains_of(Rich({"depth": 1}))
    assert not [label for label in domains.labels if "sharing" in label]
    assert (
        len(domains) == len([x for x in DOMAINS.labels if not x.startswith(("segmentation", "normals", "depth"))]) + 1
    )


def test_costs_are_those_of_the_network():
    space = Rich({"segmentation": 5, "depth": 1})
    priced = cost_table(space, ["macs", "params"], deploy_size=(64, 128))
    rng = np.random.default_rng(3)
    for _ in range(6):
        sample = domains_of(space).random(rng)
        network = build(space, sample)
        macs, params = priced([sample])[0]
        assert macs == sum(record.macs for record in layer_records(network, (64, 128)))
        assert params == sum(p.numel() for p in network.parameters())


def test_the_drawing_shows_where_tasks_leave():
    sample = DOMAINS.random(np.random.default_rng(4))
    sample |= {"segmentation_sharing": "own_stage3", "depth_sharing": "shared", "normals_sharing": "own_fusion"}
    lines = table(DOMAINS, Rich.spec, tuple(TASKS), sample).splitlines()
    names = [re.match(r"([│├└─ ]*[a-z0-9 ]+?)(?:  |$)", line)[1] for line in lines[2:]]
    assert names == [
        "stem", "stage1", "stage2", "├─ stage3", "│  ├─ fusion", "│  │  depth head", "│  └─ normals fusion",
        "│     normals head", "└─ segmentation stage3", "   segmentation fusion", "   segmentation head",
    ]  # fmt: skip
