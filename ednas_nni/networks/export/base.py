"""What an exporter is: it writes a graph into a file, and runs such files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ednas_nni.errors import NetworkError
from ednas_nni.graphs.inference_graph import InferenceGraph
from ednas_nni.networks.export.facts import FileFacts, OutputFacts, TensorFacts
from ednas_nni.plugins import Group
from ednas_nni.tasks.decoding import Outputs, resized
from ednas_nni.version import __version__

Floats = NDArray[np.float32]
Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Tolerance:
    """How far outputs may be from torch's, as shares of the output's root mean square over all images.

    Attributes:
        maximum: Of the largest difference of any element; None = not judged, because rounding to 8 bits clips.
        mean: Of the mean difference, over all and in the worst tile of a 4 x 4 grid: half a wrong image is found.
        cosine: The least cosine of the angle between the two outputs.
        labels: Share of pixels whose decoded class may differ, for outputs that are classes.
    """

    maximum: float | None
    mean: float
    cosine: float
    labels: float


@dataclass(frozen=True)
class Order:
    """What a caller wants to be written.

    Attributes:
        graph: The network.
        facts: What the file says of itself; exporters complete layouts, types and quantisation.
        calibration: Images of the training split, uint8 (n, H, W, 3), for exporters that calibrate.
        input_type: Of the input of a quantised file.
    """

    graph: InferenceGraph
    facts: FileFacts
    calibration: Images | None = None
    input_type: Literal["int8", "uint8"] = "int8"


class FileRuntime(ABC):
    """An exported file that is open; a `networks.runtime.Runtime`.

    Args:
        facts: What the file says of itself.
    """

    def __init__(self, facts: FileFacts) -> None:
        self.facts = facts
        axis = facts.input.layout.index("H")
        height, width = facts.input.shape[axis : axis + 2]
        self.size = (height, width)
        self.predicted_size = (round(height / facts.resolution), round(width / facts.resolution))
        self.outputs: Literal["raw", "labels"] = "labels" if facts.outputs == "labels" else "raw"

    @abstractmethod
    def invoke(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        """One inference: the input as the file wants it, outputs in the order of `facts.results`."""

    @abstractmethod
    def macs(self) -> int:
        """Multiply-adds of convolutions and matrix products, counted from the file's own graph."""

    def run(self, images: Floats) -> dict[str, NDArray[np.generic]]:
        """As `Runtime.run`: any strides, float32 (N, 3, H, W) in [0, 1] -> task -> (N, C, h, w), or labels."""
        rows = [self.invoke(self.fed(image[None])) for image in images]
        outputs = {
            result.task: np.concatenate([_read(row[i], result) for row in rows])
            for i, result in enumerate(self.facts.results)
        }
        return {
            result.task: self._without_padding(outputs[result.task], result.enlarge) for result in self.facts.results
        }

    def _without_padding(self, output: NDArray[np.generic], factor: int | float) -> NDArray[np.generic]:
        """As it is, unless it shows more than the image, because the network pads: then enlarged and cut."""
        height, width = self.predicted_size
        end = (round(output.shape[-2] * factor), round(output.shape[-1] * factor))
        if end == self.predicted_size:
            return output
        return resized(torch.from_numpy(np.ascontiguousarray(output)), end)[..., :height, :width].numpy()

    def fed(self, image: Floats) -> NDArray[np.generic]:
        """An image float32 (1, 3, H, W) as the file's input."""
        tensor = self.facts.input
        if image.shape[2:] != self.size:
            height, width = self.size
            raise NetworkError(
                f"The file takes images of {height} x {width}, not of {image.shape[2]} x {image.shape[3]}."
            )
        values = image.transpose(0, 2, 3, 1) if tensor.layout == "NHWC" else image
        if tensor.scale:
            limits = np.iinfo(tensor.type)
            values = np.clip(np.rint(values / tensor.scale) + tensor.zero_point, limits.min, limits.max)
        return np.ascontiguousarray(values, dtype=tensor.type)


def _read(values: NDArray[np.generic], facts: TensorFacts) -> NDArray[np.generic]:
    if facts.scale:
        values = (values.astype(np.float32) - facts.zero_point) * np.float32(facts.scale)
    elif facts.layout == "NCHW" and values.dtype.kind in "iu":  # classes
        return values[:, 0]
    return values.transpose(0, 3, 1, 2) if facts.layout == "NHWC" else values


class Exporter(ABC):
    """A file format.

    Attributes:
        extra: Of EDNAS that holds what writing needs.
        writes_with: Packages that writing imports; `runs_with`, that running imports.
        tolerance: How close to torch its files must be.
        calibrates: Whether it needs images of the training split.
        gives: Kinds of outputs that it can write.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    extra: ClassVar[str] = ""
    writes_with: ClassVar[tuple[str, ...]] = ()
    runs_with: ClassVar[tuple[str, ...]] = ()
    tolerance: ClassVar[Tolerance] = Tolerance(maximum=1e-3, mean=1e-5, cosine=0.99999, labels=1e-4)
    calibrates: ClassVar[bool] = False
    gives: ClassVar[tuple[Outputs, ...]] = ("raw", "classes", "full", "labels")

    @abstractmethod
    def write(self, order: Order, path: Path) -> None:
        """Write the file, with `facts` in its own metadata.

        Raises:
            NetworkError: The graph cannot be written in this format; one line says why.
        """

    @abstractmethod
    def open(self, path: Path, threads: int = 1) -> FileRuntime:
        """Open a file of this format.

        Raises:
            NetworkError: The file is damaged or of another origin.
        """

    def check_installed(self, packages: Sequence[str]) -> None:
        """Say what to install where a package is missing.

        Raises:
            NetworkError: One is.
        """
        missing = [package for package in dict.fromkeys(packages) if find_spec(package) is None]
        if missing:
            way = f"pip install 'ednas-nni[{self.extra}]'" if self.extra else f"pip install {' '.join(missing)}"
            raise NetworkError(f"The format {self.name} needs {', '.join(missing)}, which is not installed: {way}")


EXPORTERS: Group[type[Exporter]] = Group("exporters", Exporter)


def facts_for(
    exporter: Exporter,
    graph: InferenceGraph,
    *,
    network: str,
    architecture: str,
    classes: Mapping[str, tuple[str, ...]] | None = None,
) -> FileFacts:
    """What a file will say of itself, before the exporter knows layouts and types."""
    results = tuple(
        OutputFacts(
            name=task,
            shape=(),
            layout="NCHW",
            task=task,
            enlarge=graph.enlarge[task],
            decode=decoding.operation,
            factor=decoding.factor,
            unit=decoding.unit,
            classes=(classes or {}).get(task, ()),
        )
        for task, decoding in graph.decodings.items()
    )
    return FileFacts(
        version=__version__,
        network=network,
        architecture=architecture,
        format=exporter.name,
        outputs=graph.outputs,
        resolution=graph.resolution,
        input=TensorFacts(name="image", shape=(), layout="NCHW"),
        results=results,
    )


def in_layout(order: Order, layout: Literal["NCHW", "NHWC"]) -> FileFacts:
    """What a file says in which tensors are as the graph has them, but in a layout."""
    end = next(node for node in order.graph.module.graph.nodes if node.op == "output")
    results = []
    for result, node in zip(order.facts.results, end.args[0], strict=True):
        value = node.meta["val"]
        shape = tuple(int(n) for n in value.shape)
        if len(shape) == 4 and layout == "NHWC":
            shape = (shape[0], *shape[2:], shape[1])
        kind = {
            "shape": shape,
            "layout": layout if len(shape) == 4 else "NHW",
            "type": str(value.dtype).rpartition(".")[2],
        }
        results.append(result.model_copy(update=kind))
    height, width = order.graph.size
    shape = (1, 3, height, width) if layout == "NCHW" else (1, height, width, 3)
    image = order.facts.input.model_copy(update={"shape": shape, "layout": layout})
    return order.facts.model_copy(update={"input": image, "results": tuple(results)})
