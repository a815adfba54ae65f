"""A network as every exporter takes it: one flat graph, batch norms folded, cut where the costs end.

Idea: `torch.export` writes down the operators of one image, whichever module runs them, so that networks of any space
are treated alike. Three steps on that graph: (1) a batch norm that alone reads a convolution is folded into it; (2) for
`raw` outputs, a bilinear enlargement to the image's size that ends the graph is left out: costs are priced without it,
and the host can enlarge what it shows; for `classes`, too, where heads end in an ArgMax
(`ednas_nni.nn.heads.answering_classes`); (3) for `labels`, each task's decoding is appended. A network of a lower
resolution is written down from the shrunk image on, which the host makes of what it grabs, as costs are priced.

    conv -> batch_norm -> relu6 -> conv(predict) -> upsample x 4 -> output       becomes, `raw`:
    conv' ------------->  relu6 -> conv(predict) ----------------> output, enlarge 4
"""

from __future__ import annotations

import copy
import operator
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ednas_nni.errors import NetworkError
from ednas_nni.nn.capabilities import capabilities_of
from ednas_nni.nn.heads import answering_classes
from ednas_nni.nn.sizes import shrunk
from ednas_nni.tasks.decoding import Decoding, Outputs, picking

ATEN = torch.ops.aten
CONVOLUTIONS = (ATEN.conv2d.default, ATEN.conv2d.padding)


@dataclass(frozen=True, eq=False)
class InferenceGraph:
    """What exporters write: from an image float32 (1, 3, H, W) in [0, 1] to a tuple of outputs.

    Attributes:
        enlarge: Task -> factor by which its output is smaller than the predictions, whose enlargement was left out.
        decodings: Task -> what is left to the host.
        resolution: Height and width of the image as shares of those of the predictions.
    """

    module: fx.GraphModule
    size: tuple[int, int]
    outputs: Outputs
    enlarge: Mapping[str, int | float]
    decodings: Mapping[str, Decoding]
    resolution: float = 1

    @property
    def tasks(self) -> tuple[str, ...]:
        """In the order of the outputs."""
        return tuple(self.enlarge)

    @cached_property
    def program(self) -> ExportedProgram:
        """As `torch.export` gives it."""
        return _exported(self.module, self.size)

    def run(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of images (N, 3, H, W), computed one by one as the files do."""
        with torch.no_grad():
            rows = [self.module(image[None]) for image in images]
        return {task: torch.cat([row[i] for row in rows]) for i, task in enumerate(self.tasks)}


def inference_graph(
    network: nn.Module, decodings: Mapping[str, Decoding], size: tuple[int, int], outputs: Outputs = "raw"
) -> InferenceGraph:
    """Write a network, from images (N, 3, H, W) to task -> raw output, down; it stays as it is.

    The decodings are in the order of the outputs; the size is height and width of the image before a
    network of a lower resolution shrinks it.
    """
    inner = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    share = capabilities_of(network).resolution
    entering = shrunk(size, share)
    flat = _Flat(inner, decodings if outputs == "labels" else dict.fromkeys(decodings, Decoding()), share != 1)
    asked = picking(decodings) if outputs == "classes" else frozenset()
    with answering_classes(asked):
        program = _exported(flat, entering)
    exported = program.module()
    graph = fx.GraphModule(exported, exported.graph)  # torch's own subclass rejects eval()
    for node in list(graph.graph.nodes):
        if node.target is ATEN._assert_tensor_metadata.default:  # torch's own check of a conversion, nothing to run
            graph.graph.erase_node(node)
    _fold(graph)
    size = round(entering[0] / share), round(entering[1] / share)  # of predictions, at least that of the image
    factors: list[int | float] = _cut(graph, size) if outputs in ("raw", "classes") else [1] * len(decodings)
    end = next(node for node in graph.graph.nodes if node.op == "output")
    if any(task in asked and x.meta["val"].is_floating_point() for task, x in zip(decodings, end.args[0], strict=True)):
        raise NetworkError("classes: a head gives scores alone. Let it end in `TaskHead.answer`, or ask for `raw`.")
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.recompile()
    done = frozenset(decodings) if outputs == "labels" else asked
    left = {task: Decoding() if task in done else decoding for task, decoding in decodings.items()}
    return InferenceGraph(graph, entering, outputs, dict(zip(decodings, factors, strict=True)), left, share)


class _Flat(nn.Module):
    """Outputs in a fixed order, decoded where there is something to decode."""

    def __init__(self, network: nn.Module, decodings: Mapping[str, Decoding], shrunk: bool) -> None:
        super().__init__()
        self.network = network
        self.decodings = decodings
        self.shrunk = shrunk

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network(image, shrunk=True) if self.shrunk else self.network(image)
        return tuple(decode(outputs[task]) for task, decode in self.decodings.items())


def _exported(module: nn.Module, size: tuple[int, int]) -> ExportedProgram:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(module, (torch.zeros(1, 3, *size),))
    except Exception as error:  # whatever the forward of somebody's network raises, or torch about it
        reason = " ".join(str(error).split())[:300]
        raise NetworkError(
            f"The network cannot be written down for an image of {size[0]} x {size[1]}: {reason}"
        ) from error


def _fold(graph: fx.GraphModule) -> None:
    """Fold batch norms into the convolutions that they alone read."""
    for node in list(graph.graph.nodes):
        if node.target is not ATEN.batch_norm.default:
            continue
        before, gamma, beta, mean, variance, training, _, epsilon = node.args[:8]
        if training or before.target not in CONVOLUTIONS or len(before.users) > 1:
            continue
        weight, bias = before.args[1], before.args[2] if len(before.args) > 2 else None
        w, b, m, v, g, a = (constant(graph, x) for x in (weight, bias, mean, variance, gamma, beta))
        folded = fuse_conv_bn_weights(w, b, m, v, epsilon, g, a)
        with graph.graph.inserting_before(before):
            made = []
            for kind, value in zip(("weight", "bias"), folded, strict=True):
                name = f"{before.name}_folded_{kind}"
                graph.register_parameter(name, nn.Parameter(value.detach(), requires_grad=False))
                made.append(graph.graph.get_attr(name))
        before.args = (before.args[0], *made, *before.args[3:])
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)


def constant(graph: fx.GraphModule, node: fx.Node | None) -> Any:
    """The parameter or buffer that a node reads; None for no node."""
    return None if node is None else operator.attrgetter(str(node.target))(graph)


def _cut(graph: fx.GraphModule, size: tuple[int, int]) -> list[int | float]:
    """Leave out enlargements that end the graph, with what is cut off behind them; returns the factor of each output.

    A network whose stride does not divide the image's size pads it, and its enlargement is larger than the image.
    """
    end = next(node for node in graph.graph.nodes if node.op == "output")
    outputs: list[fx.Node] = []
    factors: list[int | float] = []
    for node in end.args[0]:
        last = node
        while last.target is ATEN.slice.Tensor and last.args[2] in (None, 0):
            last = last.args[0]
        factor = _factor(last) if _extent(node) == size else Fraction(1)
        outputs.append(last.args[0] if factor > 1 else node)
        factors.append(int(factor) if factor.denominator == 1 else float(factor))
    end.args = (tuple(outputs),)
    return factors


def _factor(node: fx.Node) -> Fraction:
    """By which a node enlarges height and width alike, bilinearly or classes by the nearest; 1 for any other node."""
    source = node.args[0] if node.args else None
    scores = node.target is ATEN.upsample_bilinear2d.vec and not node.args[2]
    classes = node.target is ATEN._upsample_nearest_exact2d.vec and not node.meta["val"].is_floating_point()
    if not isinstance(source, fx.Node) or not (scores or classes):
        return Fraction(1)
    (height, width), inner = _extent(node), _extent(source)
    return Fraction(height, inner[0]) if height * inner[1] == width * inner[0] else Fraction(1)


def _extent(node: fx.Node) -> tuple[int, int]:
    height, width = node.meta["val"].shape[-2:]
    return int(height), int(width)
