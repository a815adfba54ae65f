"""Where the operators of an int8 file run: on an accelerator, or left to the processor beside it."""

from __future__ import annotations

import csv
import math
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ednas_nni.errors import NetworkError
from ednas_nni.networks.export import flatbuffer
from ednas_nni.networks.export.flatbuffer import FileOperator

ETHOS = ("ethos-u55-256", "ethos-u65-512", "ethos-u85-512")
"""Configurations that are asked by default: 256 MACs a cycle at 500 MHz, 512 and 512 at 1 GHz."""
_NPU = "ethos-u"
_EDGETPU = "edgetpu_compiler"


@dataclass(frozen=True)
class Placement:
    """What runs where on an accelerator.

    Attributes:
        source: Who says so: the compiler with its version, or published rules.
        operators: In the file; `on_device`, of these, on the accelerator. So are `macs`.
        left: What the processor does, such as "3 RESIZE_BILINEAR on the processor", and what else should be known.
        cycles: Of one image on the accelerator, as the compiler estimates; `milliseconds` is the same as time.
        sram_kib: Memory on the chip that it needs.
    """

    target: str
    source: str
    operators: int
    on_device: int
    macs: int
    macs_on_device: int
    left: tuple[str, ...] = ()
    cycles: int | None = None
    milliseconds: float | None = None
    sram_kib: float | None = None


def vela(path: Path, accelerator: str) -> Placement:
    """Compile a file by Arm's Vela, which needs no device; NetworkError: it is not installed or rejects the file.

    An operator of the file is on the NPU where the compiled file does not have it any more. Cycles and memory are
    Vela's estimates for its default system of the accelerator (`config_files/Arm/vela.ini` of the package).
    """
    if find_spec("ethosu") is None:
        raise NetworkError("Arm's compiler Vela is not installed: pip install 'ednas-nni[vela]'")
    with tempfile.TemporaryDirectory(prefix="ednas-vela-") as folder:
        command = [sys.executable, "-m", "ethosu.vela", str(path), "--accelerator-config", accelerator]
        done = subprocess.run([*command, "--output-dir", folder], capture_output=True, text=True, errors="replace")
        compiled, tables = list(Path(folder).glob("*_vela.tflite")), list(Path(folder).glob("*_summary_*.csv"))
        if done.returncode or not compiled or not tables:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            raise NetworkError(
                f"Vela rejects {path.name} for {accelerator}: {lines[-1][:300] if lines else 'no output'}"
            )
        with tables[0].open(newline="", encoding="utf-8") as file:
            row = next(csv.DictReader(file))
        whole, rest = flatbuffer.read(path), flatbuffer.read(compiled[0])
    left = [operator for operator in rest.operators if operator.name != _NPU]
    return Placement(
        accelerator,
        "Vela",
        len(whole.operators),
        len(whole.operators) - len(left),
        whole.macs,
        whole.macs - sum(operator.macs for operator in left),
        _counted(left, [_half_pixel(operator) for operator in left]),
        round(float(row["cycles_total"])),
        float(row["inference_time"]) * 1e3,
        float(row["sram_memory_used"]),
    )


def _half_pixel(operator: FileOperator) -> str:
    """The one reason that networks of this project meet; Vela's own log has all of them."""
    if operator.name != "RESIZE_BILINEAR" or operator.inputs[0] is None:
        return ""
    factor = operator.outputs[0].shape[1] / operator.inputs[0].shape[1]
    return f"half-pixel, x {factor:g}" if operator.options.get("halfPixelCenters") else ""


def _counted(operators: Sequence[FileOperator], reasons: Sequence[str]) -> tuple[str, ...]:
    counts = Counter((operator.name, reason) for operator, reason in zip(operators, reasons, strict=True))
    return tuple(
        f"{n} {name} on the processor" + (f": {reason}" if reason else "") for (name, reason), n in counts.items()
    )


# -------------------------------------------------------------------- Edge TPU
_MAPPED = frozenset({
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "EXPAND_DIMS", "FULLY_CONNECTED",
    "L2_NORMALIZATION", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL", "PACK", "PAD", "PRELU",
    "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT", "SQUARED_DIFFERENCE", "SQUEEZE",
    "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE", "TRANSPOSE_CONV",
})  # fmt: skip
"""Operators of Google's table "Supported operations" (coral.ai/docs/edgetpu/models-intro)."""
_UNFUSED = frozenset({"AVERAGE_POOL_2D", "CONCATENATION", "MAX_POOL_2D"})
_LARGE_RESIZE = 1 << 20
"""Elements written. "Depending on input/output size, this operation may not be mapped to avoid loss in precision": no
number is published; resizes of class maps to half a megapixel were left out in google-coral/edgetpu#31."""


def edge_tpu_rule(operator: FileOperator) -> str:
    """Which published rule an operator breaks; "" where it maps."""
    tensors = [tensor for tensor in (*operator.inputs, *operator.outputs) if tensor is not None]
    if operator.name not in _MAPPED:
        return "not in the table of supported operations"
    if any(tensor.type in flatbuffer.FLOATS for tensor in tensors):
        return "a tensor of floating point"
    changing = [tensor for tensor in tensors if not tensor.constant]
    if any(n > 1 for tensor in changing for n in tensor.shape[:-3]):
        return "more than three dimensions beyond 1"
    if operator.name in _UNFUSED and operator.options.get("fusedActivationFunction"):
        return "a fused activation"
    dilation = operator.options.get("dilationHFactor", 1), operator.options.get("dilationWFactor", 1)
    if dilation[0] != dilation[1]:
        return "unequal dilation in x and y"
    if operator.name == "SOFTMAX" and max(operator.outputs[0].shape) > 16_000:
        return "a softmax over more than 16,000 elements"
    if operator.name.startswith("RESIZE_") and math.prod(operator.outputs[0].shape) > _LARGE_RESIZE:
        return "a large enlargement"
    return ""


def edge_tpu_lint(path: Path) -> Placement:
    """What the Edge TPU's compiler would map, by the rules that are published.

    It cuts a graph once: everything behind the first operator that does not map runs on the host, whatever it is.
    `left` begins with that operator and its reason.
    """
    content = flatbuffer.read(path)
    cut: list[FileOperator] = []
    behind: set[str] = set()
    first = ""
    for operator in content.operators:
        rule = edge_tpu_rule(operator)
        if rule or any(tensor is not None and tensor.name in behind for tensor in operator.inputs):
            if rule and not first:
                first = f"first {operator.name} {operator.outputs[0].name!r}: {rule}"
            behind.update(tensor.name for tensor in operator.outputs)
            cut.append(operator)
    half = [o.version for o in content.operators if o.options.get("halfPixelCenters")]
    note = f"half-pixel RESIZE_BILINEAR is version {max(half)}: compilers before 16.0 reject it" if half else ""
    rest = _counted(cut, ["" for _ in cut])
    return Placement(
        "edge_tpu",
        "published rules",
        len(content.operators),
        len(content.operators) - len(cut),
        content.macs,
        content.macs - sum(operator.macs for operator in cut),
        tuple(text for text in (first, *rest, note) if text),
    )


_LOG_ROW = re.compile(r"^([A-Z0-9_]+)\s+(\d+)\s+(\S.*)$")


def read_edge_tpu_log(log: str) -> tuple[int, int, tuple[str, ...]]:
    """What the table in `edgetpu_compiler`'s log says: operators, those that were mapped, and the others with reasons.

    For `CONV_2D  2  Mapped to Edge TPU` and `ARG_MAX  1  Operation is working on an unsupported data type` it is
    3, 2 and `("1 ARG_MAX (Operation is working on an unsupported data type)",)`.
    """
    rows = [match.groups() for line in log.splitlines() if (match := _LOG_ROW.match(line.strip()))]
    left = tuple(f"{count} {name} ({status})" for name, count, status in rows if status != "Mapped to Edge TPU")
    total = sum(int(count) for _, count, _ in rows)
    return total, sum(int(count) for _, count, status in rows if status == "Mapped to Edge TPU"), left


def edge_tpu_compiler(path: Path) -> Placement | None:
    """What Google's own compiler says, where it is on PATH; it tells operators by kind, so MACs by kind, too.

    Raises:
        NetworkError: It rejects the file.
    """
    program = shutil.which(_EDGETPU)
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="ednas-edgetpu-") as folder:
        command = [program, "--show_operations", "--out_dir", folder, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        logs = [log.read_text(encoding="utf-8", errors="replace") for log in Path(folder).glob("*.log")]
    text = "\n".join([done.stdout, *logs])
    version = re.search(r"Edge TPU Compiler version (\S+)", text)
    total, mapped, left = read_edge_tpu_log(logs[0] if logs else done.stdout)
    if done.returncode or not total:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise NetworkError(f"{_EDGETPU} rejects {path.name}: {lines[-1][:300] if lines else 'no output'}")
    content = flatbuffer.read(path)
    kinds = {entry.split()[1] for entry in left}
    lost = sum(operator.macs for operator in content.operators if operator.name in kinds)
    source = f"{_EDGETPU} {version.group(1) if version else ''}".strip()
    return Placement("edge_tpu", source, total, mapped, content.macs, content.macs - lost, left)
