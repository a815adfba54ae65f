"""What the static int8 file of a network computes, in torch: the graph that exporters write, with 8 bits simulated.

Idea: quantisers give every tensor of the file one scale, and every output channel of a kernel its own; what an operator
computes in between is exact. So torch's own fake quantisation behind each operator that writes a tensor of the file,
and on each kernel, computes what the file will compute, up to rounding of the last bit. The rules are those of the
quantiser behind the exporter `litert-int8` (AI Edge Quantizer 0.10, `static_wi8_ai8`):

* kernels: symmetric, -127..127, the largest weight of a channel is 127;
* activations: asymmetric, -128..127, 0 exact; their range is the moving average of the least and the largest value of
  an image, 0.95 of the average and 0.05 of each next calibration image; the image itself has the scale 1/255;
* an activation that alone reads a convolution or a sum is part of it, and a batch norm is folded already;
* operators that only move or mix values of one tensor (a resize, a pooling, a slice) keep its scale.

    conv(w) -> relu6 -> conv(v)    becomes, where q8 is fake quantisation and every q8 has a range of its own
    q8 -> conv(q8(w)) -> relu6 -> q8 -> conv(q8(v)) -> q8
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx

from ednas_nni.graphs.inference_graph import ATEN, CONVOLUTIONS, InferenceGraph, constant

CALIBRATION = 64
"""Images that activations' ranges come from, in a file as here."""
LOW, HIGH = -128, 127
SMOOTHING = 0.95
LEAST = 1e-9
"""Smallest width of a range: an output that is always 0 has a scale, too."""
FUSED = {ATEN.relu.default, ATEN.relu6.default, ATEN.hardsigmoid.default}
"""Activations that become part of the operator before them: a clamp, and what is left of a hard sigmoid beside one."""
BEFORE = {*CONVOLUTIONS, ATEN.linear.default, ATEN.add.Tensor}
SAME_SCALE = {
    ATEN.upsample_bilinear2d.vec, ATEN.upsample_nearest2d.vec, ATEN.max_pool2d.default, ATEN.avg_pool2d.default,
    ATEN.slice.Tensor, ATEN.pad.default, ATEN.view.default, ATEN.reshape.default, ATEN.flatten.using_ints,
    ATEN.permute.default, ATEN.dropout.default,
}  # fmt: skip
FIXED = {ATEN.sigmoid.default: (1 / 256, LOW)}
"""Outputs whose scale the runtime's kernels fix."""


def as_int8(graph: InferenceGraph, images: Tensor) -> InferenceGraph:
    """The graph with 8 bits simulated, calibrated on images float (n, 3, H, W) in [0, 1], one after the other."""
    module = copy.deepcopy(graph.module)
    for node in list(module.graph.nodes):
        if node.target is ATEN.silu.default:  # files know x * sigmoid(x) only
            _split(module.graph, node)
    module.recompile()
    seen = _Ranges(module)
    with torch.no_grad():
        for image in images:
            seen.run(image[None])
    scales: dict[fx.Node, tuple[float, int]] = {}
    for node in list(module.graph.nodes):
        if node.op == "placeholder":
            scales[node] = (1 / 255, LOW)  # an image may hold any byte, whatever calibration images held
        elif node.target in SAME_SCALE and node.args[0] in scales:
            scales[node] = scales[node.args[0]]
        elif node in seen.ranges:
            scales[node] = FIXED.get(node.target) or _scale(*seen.ranges[node])
        else:
            continue
        with module.graph.inserting_after(node):
            to = module.graph.call_function(torch.fake_quantize_per_tensor_affine, (node, *scales[node], LOW, HIGH))
        node.replace_all_uses_with(to, delete_user_cb=lambda user, to=to: user is not to)
        scales[to] = scales[node]
    for node in module.graph.nodes:
        if node.target in (*CONVOLUTIONS, ATEN.linear.default):
            _quantise_kernel(constant(module, node.args[1]))
    module.recompile()
    return replace(graph, module=module)


class _Ranges(fx.Interpreter):
    """Runs images and keeps the moving averages of the least and the largest value of each tensor of the file.

    Constants, such as normalised weights of a sum, are no tensors of an image.
    """

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.ranges: dict[fx.Node, tuple[float, ...]] = {}
        of_image: set[fx.Node] = set()
        for node in module.graph.nodes:
            if node.op == "placeholder" or of_image.intersection(node.all_input_nodes):
                of_image.add(node)
        # What an activation alone reads never is a tensor of the file.
        fused = {n for n in of_image if n.target in BEFORE and [user.target in FUSED for user in n.users] == [True]}
        self._written = of_image - fused

    def run_node(self, n: fx.Node) -> Any:
        """As the base class."""
        value = super().run_node(n)
        if n in self._written and isinstance(value, Tensor) and value.is_floating_point():
            now = (float(value.min()), float(value.max()))
            ends = zip(self.ranges.get(n, now), now, strict=True)
            self.ranges[n] = tuple(SMOOTHING * old + (1 - SMOOTHING) * new for old, new in ends)
        return value


def _scale(low: float, high: float) -> tuple[float, int]:
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max(high - low, LEAST) / (HIGH - LOW)
    return scale, round(LOW - low / scale)


def _quantise_kernel(weight: Tensor) -> None:
    """In place, each output channel by itself; a kernel that two operators share stays as it is the second time."""
    values = weight.detach()
    scale = values.abs().flatten(1).amax(1).clamp_min(LEAST) / HIGH
    zero = torch.zeros(len(scale), dtype=torch.int32)
    weight.data.copy_(torch.fake_quantize_per_channel_affine(values, scale, zero, 0, -HIGH, HIGH))


def _split(graph: fx.Graph, node: fx.Node) -> None:
    with graph.inserting_before(node):
        factor = graph.call_function(ATEN.sigmoid.default, (node.args[0],))
        product = graph.call_function(ATEN.mul.Tensor, (node.args[0], factor))
    node.replace_all_uses_with(product)
    graph.erase_node(node)
