"""`pt2`: torch's own exported program, for hosts with torch and without EDNAS."""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from ednas_nni.errors import NetworkError, quoted
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
        check_plain(path)
        try:
            program = torch.export.load(path, extra_files=entry)
        except Exception as error:  # torch raises whatever its reader meets in a damaged file
            raise NetworkError(f"{path}: is no readable .pt2 file ({' '.join(str(error).split())[:200]}).") from error
        return _Runtime(FileFacts.read(entry[_ENTRY], path), program.module())


_MEMBERS = re.compile(
    r"[^/]+/(models/model\.json|extra/ednas\.json|archive_format|archive_version|byteorder"
    r"|\.data/(version|serialization_id)|data/sample_inputs/model\.pt"
    r"|data/(weights|constants)/((weight|tensor)_\d+|model_(weights|constants)_config\.json))"
)
_NOTES = frozenset({"stack_trace", "nn_module_stack", "torch_fn", "from_node"})
"""Metadata of a node that are texts and nothing else."""


def check_plain(path: Path) -> None:
    """Reject a `.pt2` file that could run code when torch loads it.

    torch's reader unpickles weights where the file says so, evaluates texts as symbolic shapes and guards, and looks
    operators up by whatever name stands there. Files of `Pt2` need none of that: weights are raw bytes, shapes are
    numbers, every operator is one of ATen's.

    Raises:
        NetworkError: It is no such file, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            strange = [name for name in names if not _MEMBERS.fullmatch(name)]
            texts = {
                n.partition("/")[2]: archive.read(n) for n in names if n.endswith((".json", "sample_inputs/model.pt"))
            }
        if strange or len(set(names)) < len(names):
            raise NetworkError(f"{path}: holds {quoted((strange or names)[0])}, which no file of EDNAS has.")
        configs = [texts[f"data/{kind}/model_{kind}_config.json"] for kind in ("weights", "constants")]
        tensors = [tensor for config in configs for tensor in json.loads(config)["config"].values()]
        code = any(tensor["use_pickle"] is not False for tensor in tensors)
        code = code or not _plain(json.loads(texts["models/model.json"]))
        torch.load(io.BytesIO(texts["data/sample_inputs/model.pt"]), weights_only=True)
    except (OSError, KeyError, TypeError, AttributeError, ValueError, zipfile.BadZipFile, RecursionError) as error:
        raise NetworkError(f"{path}: is no readable .pt2 file of EDNAS ({type(error).__name__}).") from error
    except pickle.UnpicklingError as error:
        raise NetworkError(f"{path}: holds code in its sample inputs and is not loaded.") from error
    if code:
        raise NetworkError(f"{path}: holds pickles, expressions or foreign operators and is not loaded.")


def _plain(value: object) -> bool:
    """Whether a graph, as JSON, has ATen's operators alone and nothing that torch evaluates."""
    if isinstance(value, list):
        return all(map(_plain, value))
    if not isinstance(value, dict):
        return True
    for key, inner in value.items():
        if key == "target" and not str(inner).startswith("torch.ops.aten."):
            return False
        if key in ("guards_code", "range_constraints", "treespec_namedtuple_fields", "expr_str", "as_expr") and inner:
            return False
        if key == "metadata" and isinstance(inner, dict) and not set(inner) <= _NOTES:
            return False
    return all(map(_plain, value.values()))


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
