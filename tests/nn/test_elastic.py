"""Shared weights: a network of the supernet is the network of the sample, for every space of ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ednas_nni.compat.nas import LayerChoice, ModelSpace, model_context
from ednas_nni.errors import PluginError
from ednas_nni.nn import elastic
from ednas_nni.nn.elastic import Address, SharedWeights, addresses
from ednas_nni.nn.tree import build, domains_of
from search_spaces import EdnasSpace

TASKS = {"segmentation": 4, "depth": 1}
OPS = ["ibn_k3_e3", "ibn_k5_e6_se", "fused_k3_e3", "conv_k3", "separable_k5"]
SPACES = {
    "widths": {"stages": [{"channels": [16, 24], "depth": [1, 3]}, {"channels": [24, 32], "depth": 1}], "ops": OPS},
    "sharing": {
        "stages": [{"channels": 16, "depth": 1}, {"channels": [24, 32], "depth": [1, 2]}],
        "ops": OPS[:2],
        "sharing": ["shared", "own_fusion", "own_stage2"],
        "fusion": {"kinds": ["fpn", "bifpn"], "channels": [16, 24]},
        "heads": {"kinds": ["conv", "separable"], "channels": 16},
    },
    "sizes": {
        "stem": [8, 16],
        "stages": [{"channels": 16, "depth": 1}, {"channels": [16, 24], "depth": 1}, {"channels": 24, "depth": [1, 2]}],
        "ops": OPS[:1],
        "fusion": {"kinds": ["fpn", "bifpn", "aspp"], "channels": [8, 16], "levels": [3, 2], "doubling": True},
        "heads": {"kinds": ["separable"], "channels": [8, 16], "stride": [4, 8]},
        "resolution": [1, 0.75, 0.5],
    },
    "encoders": {"preset": "pretrained", "encoders": ["resnet18", "mobilenet_v2"]},
}


@pytest.fixture(scope="module", params=SPACES)
def weights(request):
    options = {"preset": "nano", **SPACES[request.param]}
    for stage in options.get("stages", []):
        stage["depth"] = stage["depth"] if isinstance(stage["depth"], list) else [stage["depth"]] * 2
    torch.manual_seed(0)
    space = EdnasSpace(tasks=TASKS, **options)
    return space, SharedWeights(space)


def difference(space, weights, sample, image):
    """Largest difference of an output of the supernet and of the network taken out of it, both in training mode."""
    network = build(space, sample)
    network.load_state_dict(weights.network(sample)[1], strict=False)
    one, other = weights.train().run(sample, image), network.train()(image)
    return max(float((one[task] - other[task]).abs().max().detach()) for task in TASKS)


def test_a_network_answers_as_the_supernet_does(weights, monkeypatch):
    """Invariant 10, and its broken twin: a kernel whose corner is taken instead of its centre."""
    space, shared = weights
    domains, rng = domains_of(space), np.random.default_rng(0)
    image = torch.rand(2, 3, 64, 64)
    samples = [domains.random(rng) for _ in range(6)]
    assert max(difference(space, shared, sample, image) for sample in samples) <= 1e-5

    def corner(address, tensor):
        return tensor[tuple(slice(n) for n in address.shape)]

    run = shared.run

    def wrong(sample, image):
        with monkeypatch.context() as patch:
            patch.setattr(Address, "of", corner)
            return run(sample, image)

    monkeypatch.setattr(shared, "run", wrong)
    kernels = any(label.endswith("_op") for label in domains.labels)  # `encoders` has none that share
    apart = max(difference(space, shared, sample, image) for sample in samples)
    assert apart > 1e-3 if kernels else apart == 0


def test_what_is_shared():
    space = EdnasSpace(tasks={"depth": 1}, preset="nano", ops=["ibn_k3_e3", "ibn_k5_e6", "fused_k3_e3"])
    sample = dict.fromkeys(domains_of(space).labels, "ibn_k3_e3") | {f"stage{i}_depth": 1 for i in range(1, 5)}
    where = addresses(build(space, sample))
    depthwise = where["stages.1.0.depthwise.conv.weight"]
    assert depthwise == Address("stages.1.0@InvertedBottleneck.depthwise.conv.weight", (72, 1, 3, 3))
    assert where["stages.1.0.depthwise.norm.weight"].tensor == "stages.1.0@ibn_k3_e3.depthwise.norm.weight"
    own = addresses(build(space, sample), elastic=False)
    assert own["stages.1.0.depthwise.conv.weight"].tensor == "stages.1.0@ibn_k3_e3.depthwise.conv.weight"
    large = addresses(build(space, {**sample, "stage2_block1_op": "ibn_k5_e6"}))["stages.1.0.depthwise.conv.weight"]
    assert large.tensor == depthwise.tensor and large.shape == (144, 1, 5, 5)
    array = np.arange(144 * 25, dtype=np.float32).reshape(144, 1, 5, 5)
    assert (depthwise.of(array) == array[:72, :, 1:4, 1:4]).all()
    assert (depthwise.of(torch.from_numpy(array)).numpy() == depthwise.of(array)).all()


def test_gradients_reach_only_what_the_network_uses(weights):
    space, shared = weights
    sample = domains_of(space).random(np.random.default_rng(1))
    shared.zero_grad()
    sum(output.square().mean() for output in shared.train().run(sample, torch.rand(2, 3, 64, 64)).values()).backward()
    used = {address.tensor for address in addresses(build(space, sample)).values()}
    reached = {name for name, tensor in shared.named_tensors() if tensor.grad is not None}
    assert reached and reached <= used


def test_output_biases_and_sizes_are_ours_alone():
    from nni.mutable import Categorical

    before = Categorical.freeze
    space = EdnasSpace(
        tasks={"depth": 1},
        preset="nano",
        heads={"kinds": ["conv", "ibn"], "channels": 32},
        fusion={"kinds": ["fpn"], "channels": [16, 32]},
    )
    shared = SharedWeights(space, biases={"depth": torch.tensor([0.25])})
    assert Categorical.freeze is before
    biases = [t for name, t in shared.named_tensors() if name.startswith("heads") and name.endswith("predict.bias")]
    assert len(biases) == 2 and all(float(bias.detach()) == 0.25 for bias in biases)
    shapes = {name: tuple(t.shape) for name, t in shared.named_tensors()}
    assert shapes["heads.depth@conv.features.conv.weight"] == (32, 32, 3, 3)


def test_a_choice_that_leaves_no_mark_is_rejected():
    class Foreign(ModelSpace):
        def __init__(self):
            super().__init__()
            self.part = LayerChoice(
                {"a": torch.nn.Conv2d(3, 4, 1), "b": torch.nn.Conv2d(3, 4, 3, padding=1)}, label="part"
            )

        def forward(self, x):
            return {"depth": self.part(x)}

    with pytest.raises(PluginError, match=r"part: its candidates cannot be told apart.*layer_choice"):
        SharedWeights(Foreign())
    with model_context({"part": "a"}):
        assert list(elastic.addresses(Foreign())) == ["part.weight", "part.bias"]
