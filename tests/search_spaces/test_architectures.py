"""Many random architectures of every preset: they run, and ids tell networks apart; counted by hand where small."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from ednas_nni.errors import PluginError
from ednas_nni.nn.choice import layer_choice
from ednas_nni.nn.elementwise import Activation
from ednas_nni.nn.spec import FusionSpec, HeadSpec, StageSpec, TemplateSpec
from ednas_nni.nn.template import MultiTaskSpace
from ednas_nni.nn.tree import domains_of
from ednas_nni.space.domains import Domains, Literal
from ednas_nni.testing.architectures import check_architectures, check_costs, check_size
from search_spaces import EdnasSpace, presets

torch.set_num_threads(1)
TWO = ("segmentation", "depth")


@cache
def make(preset, tasks=("segmentation", "depth", "normals")):
    channels = {"segmentation": 5, "depth": 1, "normals": 3}
    kept = tasks[: presets.load(preset).max_tasks]
    return EdnasSpace({task: channels[task] for task in kept}, preset)


@pytest.mark.parametrize("preset", presets.names())
def test_a_few(preset):
    space = make(preset, TWO)
    check_architectures(lambda: space, count=5, size=(32, 32), neighbours=2)


@pytest.mark.parametrize("preset", ["mobile", "edge_tpu"])
def test_large_presets_have_names_and_an_exact_size(preset):
    space = make(preset, TWO)
    assert space.domains.size() > 10**25
    assert "mobilenet_v2_small" in space.member_names
    assert ("efficientnet_edgetpu" in space.member_names) == (preset == "edge_tpu")
    assert presets.load(preset).sharing[0] == "shared"


@pytest.mark.slow
@pytest.mark.parametrize("preset", presets.names())
def test_five_hundred(preset):
    check_architectures(lambda: make(preset), count=500, size=(32, 64), seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("preset", presets.names())
def test_costs_are_those_of_the_network(preset):
    space = make(preset)
    rng = np.random.default_rng(2)
    check_costs(space, [space.domains.random(rng) for _ in range(12)])


class Small(MultiTaskSpace):
    """A width, two fusions, two ways to share: small enough to try every sample."""

    spec = TemplateSpec(
        stem=8,
        stages=(
            StageSpec(channels=(8,), depth=(1, 1), ops=("ibn_k3_e1",)),
            StageSpec(channels=(8, 16), depth=(1, 1), ops=("ibn_k3_e1",)),
        ),
        fusion=FusionSpec(kinds=("fpn", "aspp"), channels=8),
        heads=HeadSpec(kinds=("conv",), channels=8),
        sharing=("shared", "own_stage2"),
    )

    def __init__(self):
        super().__init__()
        self.assemble({"a": 1, "b": 1}, self.spec)


class Simple(Small):
    """One stage's depth and operations, a width, two fusions."""

    spec = TemplateSpec(
        stem=8,
        stages=(
            StageSpec(channels=(8,), depth=(1, 3), ops=("ibn_k3_e1", "ibn_k5_e1")),
            StageSpec(channels=(8, 16), depth=(1, 1), ops=("ibn_k3_e1",)),
        ),
        fusion=FusionSpec(kinds=("fpn", "bifpn"), channels=8),
        heads=HeadSpec(kinds=("conv",), channels=8),
    )


@pytest.mark.parametrize("way", ["own_fusion", "own_stage4"])
def test_a_single_way_of_sharing(way):
    """Nothing is chosen then, and what nobody uses counts nothing."""
    space = EdnasSpace({"segmentation": 5, "depth": 1}, "nano", sharing=[way])
    assert not [label for label in space.domains.labels if label.endswith("sharing")]
    check_costs(space, [space.domains.random(np.random.default_rng(0))])


def test_size_by_instantiating_everything():
    check_size(Simple())
    assert domains_of(Simple()).size() == (2 + 4 + 8) * 2 * 2
    # Nobody, one or both leave: the trunk has a width and a fusion, each own branch has them too.
    check_size(Small())
    assert domains_of(Small()).size() == 4 + 2 * 4 * 4 + 4 * 4


def test_a_count_of_samples_is_rejected():
    """The broken variant: nothing is ever inactive."""
    space = Simple()
    raw = Domains([type(d)(d.label, d.values) for d in domains_of(space).dimensions])
    with pytest.raises(PluginError, match=r"size\(\) is 96, but its 96 samples have 96 ids and make 56"):
        check_size(space, raw)
    with pytest.raises(PluginError, match="has 96 samples; at most 50"):
        check_size(space, most=50)


class Twins(Simple):
    """Two candidates that are the same network."""

    def assemble(self, *args):
        super().assemble(*args)
        self.twins = layer_choice({"x": lambda: Activation(3), "y": lambda: Activation(3)}, "twins")

    def forward(self, image):
        return super().forward(self.twins(image))


class Silenced(Simple):
    """Says that the first stage's depth does not matter beyond one block, though the network has the others."""

    def liveness(self):
        return {"stages.0": ((Literal("fusion", frozenset({"fpn"})),),)}


@pytest.mark.parametrize(
    ("broken", "words"), [(Twins, "is the same network as another sample"), (Silenced, "stands for two networks")]
)
def test_ids_that_do_not_tell_networks_apart_are_rejected(broken, words):
    with pytest.raises(PluginError, match=words):
        check_architectures(broken, count=60, size=(32, 32))


def test_costs_of_a_network_that_keeps_what_nobody_reads_are_rejected():
    space = Silenced()
    rng = np.random.default_rng(0)
    with pytest.raises(PluginError, match="the cost table says"):
        check_costs(space, [domains_of(space).random(rng) for _ in range(6)], (32, 32))
    check_costs(Simple(), [domains_of(Simple()).random(rng) for _ in range(6)], (32, 32))
