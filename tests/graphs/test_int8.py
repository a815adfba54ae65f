"""8 bits simulated: against whole numbers computed by hand, and against the file that LiteRT's quantiser writes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ednas_nni.graphs import int8
from ednas_nni.graphs.inference_graph import inference_graph
from ednas_nni.tasks.decoding import Decoding

SIZE = (16, 24)


class Small(nn.Module):
    """A convolution with a batch norm and an activation, and another one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm, self.second = nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6), nn.Conv2d(6, 2, 1)
        self.first.weight.data *= torch.tensor([0.1, 1, 9, 1, 20, 2])[:, None, None, None]
        self.norm.running_mean.uniform_(-1, 1)
        self.norm.running_var.uniform_(0.5, 4)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = nn.functional.relu6(self.norm(self.first(image)))
        return {"depth": self.second(x)}


def images(count: int) -> torch.Tensor:
    values = np.random.default_rng(1).integers(0, 256, (count, 3, *SIZE)) / 255
    return torch.from_numpy(values * np.linspace(0.2, 1, count)[:, None, None, None]).float()


def range_of(values: list[np.ndarray]) -> tuple[float, int]:
    """Scale and zero point of a tensor from its values for each image, as the quantiser's documentation says."""
    low, high = values[0].min(), values[0].max()
    for one in values[1:]:
        low, high = 0.95 * low + 0.05 * one.min(), 0.95 * high + 0.05 * one.max()
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    return scale, int(np.rint(-128 - low / scale))


def in_whole_numbers(network: Small, calibration: torch.Tensor, image: torch.Tensor) -> np.ndarray:
    """What integer kernels compute for one image: int8 values, int32 sums, one rescaling a channel."""
    gain = (network.norm.weight / (network.norm.running_var + network.norm.eps).sqrt()).detach().double().numpy()
    mean, beta = network.norm.running_mean.double().numpy(), network.norm.bias.detach().double().numpy()
    kernels = [layer.weight[:, :, 0, 0].detach().double().numpy() for layer in (network.first, network.second)]
    biases = [layer.bias.detach().double().numpy() for layer in (network.first, network.second)]
    kernels[0], biases[0] = kernels[0] * gain[:, None], (biases[0] - mean) * gain + beta
    clamps = [(0.0, 6.0), (-np.inf, np.inf)]

    def layer(x: np.ndarray, i: int) -> np.ndarray:
        return np.clip(np.einsum("oc,chw->ohw", kernels[i], x) + biases[i][:, None, None], *clamps[i])

    inner = [layer(one, 0) for one in calibration.double().numpy()]
    scales = [(1 / 255, -128), range_of(inner), range_of([layer(x, 1) for x in inner])]
    q = np.rint(image.double().numpy() * 255).astype(np.int64) - 128
    for i, kernel in enumerate(kernels):
        (s_in, z_in), (s_out, z_out) = scales[i : i + 2]
        s_kernel = np.abs(kernel).max(1) / 127
        whole = np.rint(kernel / s_kernel[:, None]).astype(np.int64)
        bias = np.rint(biases[i] / (s_in * s_kernel)).astype(np.int64)
        sums = np.einsum("oc,chw->ohw", whole, q - z_in) + bias[:, None, None]
        q = np.rint(sums * (s_in * s_kernel / s_out)[:, None, None]).astype(np.int64) + z_out
        limits = [np.clip(np.rint(end / s_out) + z_out, -128, 127) for end in np.clip(clamps[i], -1e9, 1e9)]
        q = np.clip(q, *limits)
    return (q - scales[2][1]) * scales[2][0]


def differing() -> float:
    """Share of outputs that are another whole number than those computed by hand."""
    network, calibration = Small().eval(), images(8)
    simulated = int8.as_int8(inference_graph(network, {"depth": Decoding()}, SIZE), calibration)
    outputs = simulated.run(calibration[:4])["depth"].numpy()
    wanted = np.stack([in_whole_numbers(network, calibration, image) for image in calibration[:4]])
    step = np.diff(np.unique(wanted)).min()
    return float((np.abs(outputs - wanted) > step / 2).mean())


def test_it_computes_what_integer_kernels_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    assert differing() < 0.01
    for name, wrong in (
        ("SMOOTHING", 0.0),  # the last image alone
        ("FUSED", set()),  # a tensor more, before the activation
        ("HIGH", 63),  # 7 bits
        ("_quantise_kernel", lambda weight: None),
        ("_quantise_kernel", _one_scale),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(int8, name, wrong)
            assert differing() > 0.05, name


def _one_scale(weight: torch.Tensor) -> None:
    scale = float(weight.abs().max()) / 127
    weight.data.copy_(torch.fake_quantize_per_tensor_affine(weight.detach(), scale, 0, -127, 127))


def test_the_graph_itself_stays() -> None:
    graph = inference_graph(Small().eval(), {"depth": Decoding()}, SIZE)
    before = graph.run(images(2))["depth"]
    int8.as_int8(graph, images(3))
    assert torch.equal(graph.run(images(2))["depth"], before)


class Varied(nn.Module):
    """Every operator of the spaces: sums, products, means, joins, all activations, enlargement inside."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.stem, self.wide = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1, groups=8)
        self.squeeze, self.excite, self.head = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1), nn.Conv2d(16, 2, 1)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        f = nn.functional
        x = f.hardswish(self.stem(image))
        y = f.relu6(self.wide(x) + x)
        y = y * f.hardsigmoid(self.excite(f.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        low = f.interpolate(f.silu(self.wide(f.max_pool2d(y, 2))), scale_factor=2.0, mode="bilinear")
        return {"depth": self.head(torch.cat([low, y], 1))}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ai_edge_quantizer") is None, reason="needs the extra `litert`")
def test_scales_are_those_of_the_file(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    from ednas_nni.networks.export.base import EXPORTERS, Order, facts_for

    graph, given = inference_graph(Varied().eval(), {"depth": Decoding()}, SIZE), images(6)
    exporter = EXPORTERS.load("litert-int8")()
    pixels = np.rint(given.numpy() * 255).astype(np.uint8)
    facts = facts_for(exporter, graph, network="varied", architecture="0")
    exporter.write(Order(graph, facts, pixels.transpose(0, 2, 3, 1), "int8"), tmp_path / "x.int8.tflite")
    details = Interpreter(str(tmp_path / "x.int8.tflite")).get_tensor_details()
    of_file = {detail["quantization"] for detail in details if len(detail["quantization_parameters"]["scales"]) == 1}
    simulated = int8.as_int8(graph, torch.from_numpy(pixels).float() / 255)
    quantised = [n for n in simulated.module.graph.nodes if n.target is torch.fake_quantize_per_tensor_affine]
    assert len(quantised) > 15
    for node in quantised:
        scale, zero = node.args[1:3]
        near = [(s, z) for s, z in of_file if abs(s / scale - 1) < 1e-3 and abs(z - zero) <= 1]
        assert near, f"{node.args[0]}: {scale} {zero}"
    outputs = exporter.open(tmp_path / "x.int8.tflite").run(pixels[:4].astype(np.float32) / 255)["depth"]
    mine = simulated.run(torch.from_numpy(pixels[:4]).float() / 255)["depth"].numpy()
    assert np.abs(outputs - mine).mean() < 0.02 * np.abs(outputs).mean()
