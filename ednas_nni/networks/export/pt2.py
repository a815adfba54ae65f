"""`pt2`: torch's own exported program, for hosts with torch and without EDNAS."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from ednas_nni.errors import NetworkError
from ednas_nni.networks.export.base import Exporter, FileRuntime, Order, in_layout
from ednas_nni.networks.export.facts import KEY, FileFacts
from ednas_nni.record.whole_file import write_whole

_ENTRY = f"{KEY}.json"


class Pt2(Exporter):
    """`torch.export.load(path).module()(image)` gives a tuple, one output a task."""

    name = "pt2"
    suffix = ".pt2"

    def write(self, order: Order, path: Path) -> None:
        """As `Exporter.write`."""
        facts = in_layout(order, "NCHW")
        buffer = io.BytesIO()
        torch.export.save(order.graph.program, buffer, extra_files={_ENTRY: facts.text()})
        write_whole(path, buffer.getvalue())

    def open(self, path: Path, threads: int = 1) -> FileRuntime:
        """As `Exporter.open`; torch's threads belong to the process and stay as they are."""
        entry: dict[str, str] = {_ENTRY: ""}
        try:
            program = torch.export.load(path, extra_files=entry)
        except Exception as error:  # torch raises whatever its reader meets in a damaged file
            raise NetworkError(f"{path}: is no readable .pt2 file ({' '.join(str(error).split())[:200]}).") from error
        return _Runtime(FileFacts.read(entry[_ENTRY], path), program.module())


class _Runtime(FileRuntime):
    def __init__(self, facts: FileFacts, module: torch.nn.Module) -> None:
        super().__init__(facts)
        self._module = module

    def invoke(self, tensor: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        with torch.no_grad():
            return [output.numpy() for output in self._module(torch.from_numpy(tensor))]

    def macs(self) -> int:
        with FlopCounterMode(display=False) as counter:
            self.invoke(np.zeros(self.facts.input.shape, np.float32))
        return counter.get_total_flops() // 2
