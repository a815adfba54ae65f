"""Exported files answer as the network does; files that do not are found, whatever is wrong with them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ednas_nni.errors import NetworkError, PluginError
from ednas_nni.graphs.inference_graph import inference_graph
from ednas_nni.graphs.tflite_file import interpreter
from ednas_nni.networks.export import flatbuffer
from ednas_nni.networks.export.base import EXPORTERS, Exporter, FileRuntime, Order, facts_for
from ednas_nni.nn.elementwise import WeightedSum
from ednas_nni.testing.exporters import DECODINGS, SIZE, ExampleNetwork, check_exporter, example_images
from exporters.litert_process import factors_as_numbers
from exporters.onnx import Onnx
from exporters.pt2 import Pt2

torch.set_num_threads(1)


def installed(name: str) -> type[Exporter]:
    exporter = EXPORTERS.load(name)
    try:
        exporter().check_installed(exporter.writes_with)
    except NetworkError as error:
        pytest.skip(str(error))
    return exporter


@pytest.mark.parametrize("name", ["pt2", "onnx"])
def test_contract(name: str, tmp_path: Path) -> None:
    check_exporter(installed(name), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["litert", "litert-int8"])
def test_contract_of_litert(name: str, tmp_path: Path) -> None:
    check_exporter(installed(name), tmp_path)


class Spoiled(FileRuntime):
    """A runtime whose answers are changed on the way."""

    def __init__(self, inner: FileRuntime, fault: str) -> None:
        super().__init__(inner.facts)
        self.inner, self.fault = inner, fault

    def invoke(self, tensor: np.ndarray) -> list[np.ndarray]:
        outputs = [np.array(output) for output in self.inner.invoke(tensor)]
        rows = outputs[0].shape[-2]
        if self.fault.startswith("half of the"):  # the Edge TPU of google-coral/edgetpu#377
            outputs[0][..., : rows // 4, :] = outputs[0][..., rows // 4 : rows // 4 * 2, :]
        if self.fault == "one class":
            outputs[0][:, 1] += 1
        if self.fault == "order of outputs":
            outputs = [outputs[0], outputs[3], outputs[2], outputs[1]]
        return outputs

    def macs(self) -> int:
        return self.inner.macs() * (2 if self.fault == "work" else 1)

    def fed(self, image: np.ndarray) -> np.ndarray:
        if self.fault == "strides":  # ExecuTorch reads memory as it lies
            return image.ravel("K").reshape(image.shape)
        return self.inner.fed(image)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("none", ""),
        ("half of the image", "outputs 'raw': segmentation"),
        ("half of the classes", "outputs 'classes': segmentation"),
        ("one class", "outputs 'raw': segmentation"),
        ("order of outputs", "outputs 'raw'"),
        ("work", r"the file has \d+ MACs, the network \d+"),
        ("strides", "outputs 'raw'"),
    ],
)
def test_contract_rejects_a_runtime_that_is_wrong_in(fault: str, message: str, tmp_path: Path) -> None:
    class Changed(Pt2):
        gives = ("classes" if "classes" in fault else "raw",)

        def open(self, path: Path, threads: int = 1) -> FileRuntime:
            return Spoiled(super().open(path), fault)

    if fault == "none":
        return check_exporter(Changed, tmp_path)
    with pytest.raises(PluginError, match=message):
        check_exporter(Changed, tmp_path)


def test_contract_rejects_an_exporter_that_folds_wrongly_or_keeps_the_enlargement(tmp_path: Path) -> None:
    class Unfolded(Onnx):
        def write(self, order: Order, path: Path) -> None:
            for name, parameter in order.graph.module.named_parameters():
                if name.endswith("folded_bias"):
                    parameter.data += 0.01
            super().write(order, path)

    class Enlarged(Pt2):
        gives = ("raw",)

        def write(self, order: Order, path: Path) -> None:
            torch.manual_seed(0)  # the weights of the contract's own example
            graph = inference_graph(ExampleNetwork().eval(), DECODINGS, SIZE, "full")
            super().write(Order(graph, order.facts), path)

    installed("onnx")
    for wrong, message in ((Unfolded, "outputs 'raw': "), (Enlarged, "must be of")):
        with pytest.raises(PluginError, match=message):
            check_exporter(wrong, tmp_path)


def test_a_forward_that_cannot_be_written_down_is_one_line(tmp_path: Path) -> None:
    class Undecided(ExampleNetwork):
        def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
            return super().forward(image if image.mean() > 0 else -image)

    with pytest.raises(NetworkError, match="cannot be written down for an image of 32 x 64") as caught:
        inference_graph(Undecided(), DECODINGS, SIZE)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_an_int8_file_with_floats_inside_is_not_written(tmp_path: Path) -> None:
    """A cosine has no int8 form; the quantiser leaves it in float without a word."""
    exporter = installed("litert-int8")()

    class Waves(ExampleNetwork):
        def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
            return super().forward(torch.cos(image))

    graph = inference_graph(Waves().eval(), DECODINGS, SIZE)
    facts = facts_for(exporter, graph, network="waves", architecture="0")
    with pytest.raises(NetworkError, match=r"\d+ of \d+ tensors are left in floating point"):
        exporter.write(Order(graph, facts, example_images()), tmp_path / "waves.int8.tflite")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_bytes_are_an_input_of_int8_files(tmp_path: Path) -> None:
    exporter = installed("litert-int8")()
    graph = inference_graph(nn.Sequential(ExampleNetwork()).eval(), DECODINGS, SIZE)
    facts = facts_for(exporter, graph, network="bytes", architecture="0")
    exporter.write(Order(graph, facts, example_images(), "uint8"), tmp_path / "bytes.int8.tflite")
    said = exporter.open(tmp_path / "bytes.int8.tflite").facts.input
    assert (said.type, said.zero_point, said.scale) == ("uint8", 0, pytest.approx(1 / 255))
    assert not flatbuffer.read(tmp_path / "bytes.int8.tflite").floats


class Weighted(nn.Module):
    """Two layers of the image, summed with learned weights, as BiFPN does."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.sum = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 1), WeightedSum(8, 2)
        nn.init.constant_(self.sum.values, 0.3)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"depth": self.sum(self.first(image), self.second(image)).mean(1, keepdim=True)}


def test_factors_of_one_element_become_numbers() -> None:
    graph = inference_graph(Weighted().eval(), {"depth": DECODINGS["depth"]}, SIZE).program.module()
    image = torch.rand(1, 3, *SIZE)
    (before,) = graph(image)

    def factors() -> list[object]:
        return [x for node in graph.graph.nodes if "mul" in str(node.target) for x in node.args[1:]]

    assert len(factors()) == 2 and not any(isinstance(x, float) for x in factors())
    factors_as_numbers(graph)
    assert factors() == [pytest.approx(0.3 / 0.6001)] * 2
    assert torch.allclose(graph(image)[0], before, atol=1e-6)


@pytest.mark.slow
def test_weighted_sums_leave_no_transposition_in_a_file(tmp_path: Path) -> None:
    exporter, path = installed("litert")(), tmp_path / "network.tflite"
    graph = inference_graph(Weighted().eval(), {"depth": DECODINGS["depth"]}, SIZE)
    exporter.write(Order(graph, facts_for(exporter, graph, network="weighted", architecture="0")), path)
    assert "TRANSPOSE" not in [detail["op_name"] for detail in interpreter(path, 1)._get_ops_details()]


def test_a_torch_file_with_code_inside_is_not_loaded(tmp_path: Path) -> None:
    """torch would unpickle such weights, evaluate such guards, and call such operators."""
    path = tmp_path / "network.pt2"
    graph = inference_graph(ExampleNetwork().eval(), DECODINGS, SIZE)
    Pt2().write(Order(graph, facts_for(Pt2(), graph, network="code", architecture="0")), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    ends = ("models/model.json", "weights_config.json", "sample_inputs/model.pt")
    model, config, sample = (next(name for name in members if name.endswith(end)) for end in ends)
    buffer = io.BytesIO()
    torch.save(Path("/tmp"), buffer)
    changes = {
        config: members[config].replace(b'"use_pickle": false', b'"use_pickle": true', 1),
        model: members[model].replace(b'"guards_code": []', b'"guards_code": ["print(1)"]'),
        f"{model} ": b"",
        sample: buffer.getvalue(),
    }
    cases = [*changes.items(), (model, members[model].replace(b"torch.ops.aten.conv2d.default", b"torch.hub.load", 1))]
    for name, content in cases:
        assert members.get(name) != content
        spoiled = tmp_path / "spoiled.pt2"
        with zipfile.ZipFile(spoiled, "w") as archive:
            for member, original in {**members, name: content}.items():
                archive.writestr(member, content if member == name else original)
        with pytest.raises(NetworkError, match=r"not loaded|no file of EDNAS has"):
            Pt2().open(spoiled)
    assert Pt2().open(path).facts.network == "code"
