"""Files of single layers, int8 and float32, against torch, and what is outside of their FlatBuffer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ednas_nni.errors import StudyError
from ednas_nni.graphs.capture import capture
from ednas_nni.graphs.graph import Graph
from ednas_nni.graphs.tflite_file import Precision, interpreter, tflite_bytes
from ednas_nni.nn.elementwise import Activation, Add, Concat, GlobalPool, LargestClass, MaxPool, Resize, Scale

pytest.importorskip("flatbuffers")

STEM = nn.Conv2d(3, 8, 3, stride=2, padding=1)


class Between(nn.Module):
    """Two layers of one input, joined."""

    def __init__(self, first: nn.Module, second: nn.Module, join: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.join = first, second, join

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.join(self.first(x), self.second(x))


def point(channels: int = 8) -> nn.Module:
    return nn.Conv2d(3, channels, 1)


CASES = {
    "stride 2, padded before": STEM,
    "depthwise": nn.Sequential(point(), nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False)),
    "dilated": nn.Conv2d(3, 8, 3, padding=2, dilation=2),
    "norm and ReLU6 in one": nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()),
    "ReLU alone": nn.Sequential(nn.MaxPool2d(2), nn.ReLU()),
    "hard swish": nn.Sequential(point(), Activation(8, "hswish")),
    "hard sigmoid": nn.Sequential(point(), Activation(8, "hsigmoid")),
    "silu": nn.Sequential(point(), Activation(8, "silu")),
    "addition": Between(point(), point(), Add(8)),
    "one factor a channel": Between(point(), nn.Sequential(GlobalPool(3), point(), nn.Sigmoid()), Scale(8)),
    "concatenation": Between(point(), point(5), Concat(13)),
    "twice as large": Resize(3, 2),
    "nearest": nn.Upsample(scale_factor=2),
    "largest of 3 x 3": MaxPool(3),
    "mean": nn.AvgPool2d(2),
    "fully connected": nn.Sequential(GlobalPool(3), nn.Flatten(), nn.Linear(3, 7)),
}


def answers(graph: Graph, image: torch.Tensor, precision: Precision) -> tuple[np.ndarray, torch.Tensor, float]:
    """What LiteRT makes of an image, the image as the file holds it, and the step of the output, 0 in float32."""
    pytest.importorskip("ai_edge_litert")
    made = interpreter(tflite_bytes(graph, precision=precision), 1)
    (reads,), (writes,) = made.get_input_details(), made.get_output_details()
    (scale, zero), (step, origin) = reads["quantization"], writes["quantization"]
    codes = image.numpy().transpose(0, 2, 3, 1)
    if precision == "int8":
        codes = np.clip(np.round(codes / scale) + zero, -128, 127).astype(np.int8)
    else:
        scale = step = 1.0
    assert (reads["dtype"], writes["dtype"]) == (np.dtype(precision),) * 2
    made.set_tensor(reads["index"], codes)
    made.invoke()
    found = (made.get_tensor(writes["index"]).astype(np.float32) - origin) * step
    seen = torch.from_numpy((codes.astype(np.float32) - zero) * scale).permute(0, 3, 1, 2)
    return (found.transpose(0, 3, 1, 2) if found.ndim == 4 else found), seen, step if precision == "int8" else 0


def agree(module: nn.Module, precision: Precision, spoil=lambda graph: graph) -> bool:
    torch.manual_seed(0)
    module = module.eval()
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.normal_(part.weight, std=0.3)
    image = torch.rand(1, 3, 16, 24) * 2 - 1
    found, seen, step = answers(spoil(capture(module, (image,), weights=True)), image, precision)
    with torch.no_grad():
        expected = module(seen).numpy()
    assert found.shape == expected.shape
    if precision == "float32":
        return bool(np.abs(found - expected).max() <= 1e-5 * max(1, np.abs(expected).max()))
    inside = np.abs(expected) < 120 * step  # a made-up scale does not hold everything
    assert inside.mean() > 0.7
    return bool(
        np.abs(found - expected)[inside].max() <= 0.08
    )  # 8 bits of weights and a step or two of each activation


@pytest.mark.parametrize("precision", ["int8", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_a_layer_answers_as_torch_does(name: str, precision: Precision) -> None:
    assert agree(CASES[name], precision)


def test_classes_are_those_of_the_largest_scores() -> None:
    pytest.importorskip("ai_edge_litert")
    torch.manual_seed(0)
    module, image = nn.Sequential(point(13), LargestClass(13)).eval(), torch.rand(1, 3, 16, 24)
    graph = capture(module, (image,), weights=True)
    for precision, kind in (("float32", np.float32), ("int8", np.int8)):  # the int8 file chooses among int8 scores
        made = interpreter(tflite_bytes(graph, precision=precision), 1)
        (reads,), (writes,) = made.get_input_details(), made.get_output_details()
        assert (reads["dtype"], writes["dtype"], list(writes["shape"])) == (kind, np.int32, [1, 16, 24])
        made.set_tensor(reads["index"], image.permute(0, 2, 3, 1).numpy().astype(kind))
        made.invoke()
        assert precision == "int8" or np.array_equal(made.get_tensor(writes["index"]), module(image)[:, 0].numpy())
        assert not any(t["dtype"] == np.float32 for t in made.get_tensor_details()) or precision == "float32"


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_a_kernel_in_another_order_would_show(precision: Precision) -> None:
    def turned(graph: Graph) -> Graph:
        turn = {
            n: replace(c, values=c.values[..., ::-1].copy()) for n, c in graph.constants.items() if len(c.shape) == 4
        }
        return replace(graph, constants={**graph.constants, **turn})

    assert not agree(STEM, precision, turned)


def test_an_operator_without_an_int8_form_is_named() -> None:
    with pytest.raises(StudyError, match=r"operator Erf \(output 1x3x16x24\) is not written as int8"):
        tflite_bytes(capture(nn.GELU(), (torch.empty(1, 3, 16, 24),)))


def test_weights_behind_the_flatbuffer_are_read(tmp_path: Path) -> None:
    """LiteRT's converter writes large files so; packing one again lost them."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    from ednas_nni.networks.export import flatbuffer

    path, whole = tmp_path / "large.tflite", tflite_bytes(capture(STEM, (torch.empty(1, 3, 16, 24),)))
    path.write_bytes(whole)
    expected = flatbuffer.read(path)
    model = schema.ModelT.InitFromPackedBuf(whole, 0)
    weights = max(model.buffers, key=lambda buffer: 0 if buffer.data is None else len(buffer.data))
    values = bytes(weights.data)
    weights.data, weights.offset, weights.size = None, 1 << 20, len(values)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()).ljust(1 << 20, b"\0") + values)
    assert [tensor.constant for tensor in flatbuffer.read(path).tensors] == [t.constant for t in expected.tensors]
