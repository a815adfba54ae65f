"""Inference graphs against torch: the same outputs with a network's own weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from ednas_nni import plugins  # noqa: E402
from ednas_nni.errors import StudyError  # noqa: E402
from ednas_nni.graphs.capture import capture  # noqa: E402
from ednas_nni.graphs.graph import Constant, Graph  # noqa: E402
from ednas_nni.graphs.onnx_file import onnx_bytes  # noqa: E402
from ednas_nni.nn.blocks.base import BLOCKS, Slot  # noqa: E402
from ednas_nni.nn.blocks.bottleneck import IBN  # noqa: E402
from ednas_nni.nn.blocks.squeeze import SqueezeExcite  # noqa: E402
from ednas_nni.nn.elementwise import Activation, Add, Concat, GlobalPool, MaxPool, Resize, Scale, WeightedSum  # noqa: E402
from ednas_nni.nn.fusion import FUSIONS  # noqa: E402
from ednas_nni.nn.tree import build, domains_of  # noqa: E402

TASKS = {"segmentation": 5, "depth": 1}


def run(graph: Graph, *inputs: torch.Tensor) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(onnx_bytes(graph), providers=["CPUExecutionProvider"])
    return session.run(None, {name: x.numpy() for name, x in zip(graph.inputs, inputs, strict=True)})


def disturb(network: nn.Module) -> nn.Module:
    """Batch norms with statistics that a wrong folding would show."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def check(network: nn.Module, *inputs: torch.Tensor, spoil=lambda graph: graph) -> Graph:
    """The graph, after its outputs are compared with torch's: at most 1e-4 of the largest value."""
    disturb(network)
    with torch.no_grad():
        expected = network(*inputs)
    expected = list(expected.values()) if isinstance(expected, dict) else [expected]
    graph = capture(network, inputs, weights=True)
    for found, wanted in zip(run(spoil(graph), *inputs), expected, strict=True):
        assert found.shape == tuple(wanted.shape)
        assert np.abs(found - wanted.numpy()).max() <= 1e-4 * float(wanted.abs().max())
    return graph


def test_networks_compute_what_torch_computes() -> None:
    torch.manual_seed(0)
    space = plugins.load("search_spaces", "nano")(tasks=TASKS)
    network = build(space, domains_of(space).random(np.random.default_rng(1)))
    image = torch.randn(1, 3, 64, 96)
    graph = check(network, image)
    assert not any(node.op == "BatchNormalization" for node in graph.nodes)
    assert capture(network, (image,)).signature == graph.signature


@pytest.mark.parametrize("kind", BLOCKS.names())
def test_every_registered_block_computes_what_torch_computes(kind: str) -> None:
    torch.manual_seed(0)
    for block in BLOCKS.load(kind).examples():
        check(block.build(Slot(8, 4, stride=2)), torch.randn(1, 8, 9, 12))
        check(block.build(Slot(8, 8, residual=True)), torch.randn(1, 8, 9, 12))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nano", "mobile", "edge_tpu", "pretrained"])
def test_many_networks_compute_what_torch_computes(name: str) -> None:
    torch.manual_seed(0)
    space = plugins.load("search_spaces", name)(tasks=TASKS)
    domains, rng = domains_of(space), np.random.default_rng(2)
    for _ in range(5):
        check(build(space, domains.random(rng)), torch.randn(1, 3, 64, 64))


def test_a_wrong_weight_is_noticed() -> None:
    def without_bias(graph: Graph) -> Graph:
        name = graph.nodes[0].inputs[2]
        zero = Constant(graph.constants[name].shape, np.zeros(graph.constants[name].shape, np.float32))
        return replace(graph, constants={**graph.constants, name: zero})

    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    check(network, torch.randn(1, 3, 9, 9))
    with pytest.raises(AssertionError):
        check(network, torch.randn(1, 3, 9, 9), spoil=without_bias)


def test_zeros_around_a_convolutions_input_are_its_own_padding() -> None:
    image = torch.randn(1, 3, 9, 12)
    cases = {
        nn.Sequential(nn.ZeroPad2d((0, 1, 2, 3)), nn.Conv2d(3, 4, 3, 2, padding=1), nn.BatchNorm2d(4)): 0,
        nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(3, 4, 3)): 1,
        nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3, 2)): 1,
        nn.Sequential(nn.ZeroPad2d(1)): 1,
    }
    for network, pads in cases.items():
        check(network, image)
        nodes = capture(network.eval(), (image,)).nodes
        assert [node.op for node in nodes].count("Pad") == pads
    convolution = capture(next(iter(cases)), (image,)).nodes[0]
    assert convolution.attributes["pads"] == [3, 1, 4, 2], "top, left, bottom, right"


class Functional(nn.Module):
    """What a forward does without modules."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        y = self.conv(x) * 2.0 + x
        y = torch.relu_(y) - 0.5
        return self.linear(y.mean((2, 3)).flatten(1)) @ torch.ones(3, 2)


class SharedConvolution(nn.Module):
    """A convolution whose output is read before and after its norm: it must not be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x):
        y = self.conv(x)
        return y + self.norm(y)


class Pyramid(nn.Module):
    """A fusion of four levels."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.fusion = FUSIONS[kind]([4] * 4, 8, "hswish")
        self.pools = nn.ModuleList(MaxPool(4) for _ in range(3))

    def forward(self, x):
        levels = [nn.functional.pad(x, (0, 4, 0, 6))]
        for pool in self.pools:
            levels.append(pool(levels[-1]))
        return self.fusion(*levels)


class Several(nn.Module):
    """Modules with several inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.sum, self.add, self.scale, self.concat = WeightedSum(4, 3), Add(4), Scale(4), Concat(8)
        self.pool = GlobalPool(4)

    def forward(self, x):
        y = self.sum(x, x * 2, torch.tanh(x))
        return self.concat(self.add(x, y), self.scale(y, self.pool(x)))


STOCK = [
    nn.ReLU(),
    nn.ReLU6(inplace=True),
    nn.LeakyReLU(0.2),
    nn.LeakyReLU(),
    nn.ELU(),
    nn.GELU(),
    nn.SiLU(),
    nn.Hardswish(),
    nn.Hardtanh(-2, 0.5),
    nn.Hardtanh(),
    nn.Hardsigmoid(),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.Softplus(),
    nn.Softmax2d(),
    nn.MaxPool2d(3, 2, 1),
    nn.MaxPool2d(2),
    nn.AvgPool2d(3, 2, 1),
    nn.AvgPool2d(2, count_include_pad=False),
    nn.AdaptiveAvgPool2d(1),
    nn.Upsample(scale_factor=2, mode="bilinear"),
    nn.Upsample(scale_factor=2),
    nn.BatchNorm2d(4),
    nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2),
    nn.Conv2d(4, 4, (3, 1), padding=(1, 0), groups=4, bias=False),
    nn.ZeroPad2d((1, 2, 3, 4)),
    Resize(4, 4),
    MaxPool(4),
    SqueezeExcite(4, 2),
    *(Activation(4, name) for name in ("relu6", "relu", "hswish", "hsigmoid", "silu", "sigmoid")),
    Functional(),
    SharedConvolution(),
    Several(),
    IBN(Slot(4, 8, stride=2, activation="silu"), 5, 3, squeeze=True),
    IBN(Slot(4, 4, residual=True), 3, 6, fused=True),
    *map(Pyramid, FUSIONS),
]


@pytest.mark.parametrize("layer", STOCK, ids=lambda layer: type(layer).__name__)
def test_every_layer_computes_what_torch_computes(layer: nn.Module) -> None:
    torch.manual_seed(0)
    x = 2 * torch.randn(1, 4, 10, 12)
    graph = check(layer, x.clone())
    assert capture(layer, (x,)).signature == graph.signature  # shapes alone give the same structure


def test_signature_is_of_structure_and_shapes_alone() -> None:
    def signature(layer: nn.Module, size: int = 8) -> str:
        return capture(layer, (torch.empty(1, 4, size, size),)).signature

    first = signature(nn.Conv2d(4, 4, 3, padding=1))
    assert first == signature(nn.Conv2d(4, 4, 3, padding=1))
    others = [
        signature(nn.Conv2d(4, 4, 3, padding=1), 9),
        signature(nn.Conv2d(4, 5, 3, padding=1)),
        signature(nn.Conv2d(4, 4, 5, padding=2)),
        signature(nn.Conv2d(4, 4, 3, padding=2, dilation=2)),
        signature(nn.Conv2d(4, 4, 3, padding=1, bias=False)),
        signature(Resize(4, 2)),
        signature(Resize(4, 3)),
        signature(nn.Hardtanh(0, 6)),
        signature(nn.Hardtanh(0, 5)),
    ]
    assert len({first, *others}) == len(others) + 1


def test_capturing_leaves_the_module_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    capture(network, (torch.empty(1, 3, 8, 8),))
    assert network.training and network[0].training and not network[1].training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_memory_of_a_chain_is_its_largest_pair_and_weights() -> None:
    graph = capture(nn.Sequential(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 2, 1)), (torch.empty(1, 4, 5, 5),))
    image, wide = 4 * 25, 8 * 25
    assert graph.memory_bytes == 4 * (image + wide + 2 * 25 + (4 * 8 + 8) + (8 * 2 + 2))


def test_unknown_operators_are_named() -> None:
    class Odd(nn.Module):
        def forward(self, x):
            return torch.cumsum(x, 1)

    with pytest.raises(
        StudyError, match=r"Odd: torch's operator 'cumsum' \(output 1x4x5x5\).*Translated are .*operators.py"
    ):
        capture(Odd(), (torch.empty(1, 4, 5, 5),))
    with pytest.raises(StudyError, match=r"convolution.*It is used transposed"):
        capture(nn.ConvTranspose2d(4, 4, 2), (torch.empty(1, 4, 5, 5),))
