"""`litert` and `litert-int8`: `.tflite` files, which LiteRT (formerly TensorFlow Lite) runs on nearly every device."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ednas_nni.errors import NetworkError
from ednas_nni.graphs.inference_graph import InferenceGraph
from ednas_nni.graphs.tflite_file import interpreter
from ednas_nni.networks.export import flatbuffer
from ednas_nni.networks.export.base import Exporter, FileRuntime, Order, Tolerance
from ednas_nni.networks.export.facts import KEY, FileFacts
from ednas_nni.record.whole_file import write_whole
from exporters import litert_process


@lru_cache(maxsize=1)
def converted(graph: InferenceGraph) -> bytes:
    """The float file, kept for the int8 file that is made of it next."""
    with tempfile.TemporaryDirectory(prefix="ednas-litert-") as folder:
        program, target = Path(folder) / "network.pt2", Path(folder) / "network.tflite"
        torch.export.save(graph.program, program)
        litert_process.run("convert", program, target)
        return target.read_bytes()


class LiteRT(Exporter):
    """Float32, channels last."""

    name = "litert"
    suffix = ".tflite"
    extra = "litert"
    writes_with: ClassVar[tuple[str, ...]] = ("litert_torch", "ai_edge_litert")
    runs_with = ("ai_edge_litert",)

    def write(self, order: Order, path: Path) -> None:
        """As `Exporter.write`."""
        write_whole(path, flatbuffer.finished(converted(order.graph), order.facts))

    def open(self, path: Path, threads: int = 1) -> FileRuntime:
        """As `Exporter.open`, with XNNPACK."""
        self.check_installed(self.runs_with)
        return _Runtime(path, threads)


class LiteRTInt8(LiteRT):
    """Static int8: weights per channel, activations per tensor, calibrated on images of the training split.

    Tolerances say what 8 bits cost a whole output; what they cost the tasks, `ednas benchmark` measures.
    """

    name = "litert-int8"
    suffix = ".int8.tflite"
    writes_with = ("litert_torch", "ai_edge_litert", "ai_edge_quantizer")
    tolerance = Tolerance(maximum=None, mean=0.08, cosine=0.99, labels=0.05)
    calibrates = True
    gives = ("raw", "classes", "full")  # the quantiser does not know EXP

    def write(self, order: Order, path: Path) -> None:
        """As `Exporter.write`.

        Raises:
            NetworkError: As there, or a tensor of floating point is left in the file.
        """
        if order.calibration is None or not len(order.calibration):
            raise NetworkError(
                "litert-int8 needs images to calibrate on: those of the training split, or --images FOLDER."
            )
        with tempfile.TemporaryDirectory(prefix="ednas-litert-") as folder:
            source, images, target = (Path(folder) / name for name in ("float.tflite", "images.npy", "int8.tflite"))
            source.write_bytes(converted(order.graph))
            np.save(images, order.calibration)
            litert_process.run("quantize", source, images, target, order.input_type)
            check_int8(target)
            write_whole(path, flatbuffer.finished(target.read_bytes(), order.facts))


def check_int8(path: Path) -> None:
    """A file that is called int8 holds no tensor of floating point.

    Raises:
        NetworkError: It does; the message counts and names them.
    """
    content = flatbuffer.read(path)
    if content.floats:
        raise NetworkError(
            f"litert-int8: {len(content.floats)} of {len(content.tensors)} tensors are left in floating point, such as "
            f"{', '.join(content.floats[:3])}: an operator of the network has no int8 form."
        )


class _Runtime(FileRuntime):
    def __init__(self, path: Path, threads: int) -> None:
        self._content = flatbuffer.read(path)
        super().__init__(FileFacts.read(self._content.metadata.get(KEY), path))
        try:
            self._interpreter = interpreter(path, threads)
        except (RuntimeError, ValueError) as error:  # such as scales that XNNPACK's kernels do not take
            raise NetworkError(f"{path.name}: LiteRT cannot run it: {' '.join(str(error).split())[:200]}") from error
        self._input = int(self._interpreter.get_input_details()[0]["index"])
        indices = {detail["name"]: int(detail["index"]) for detail in self._interpreter.get_output_details()}
        self._outputs = [indices[result.name] for result in self.facts.results]

    def invoke(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        self._interpreter.set_tensor(self._input, tensor)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]

    def macs(self) -> int:
        return self._content.macs
