"""Arm's compiler Vela as a child process: from the bytes of `.tflite` files to what it estimates of each operator.

Vela's core is a C++ library that prints as it likes and may end its process. As a child it takes neither the terminal
nor a search with it, and one child compiles many files: a part of a network takes some hundredths of a second, a start
of the command `vela` a whole one. The parent writes one line of JSON, the target; then for each file a line with its
length, and the file. The child answers each with one line of JSON, `Compiled` as plain data.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from ednas_nni.errors import StudyError

PROTOCOL = 1
"""Version of what is asked of Vela and of how its answers are read; figures of another one are not mixed in."""
_PASSED_ON = "Passthrough"
"""What Vela calls an operator that it leaves to the processor."""


@dataclass(frozen=True)
class NpuTarget:
    """What decides an estimate, besides the file.

    Attributes:
        accelerator: Such as "ethos-u55-256".
        system: Clock and memories: a `System_Config` of Vela's `vela.ini`.
        memory: Which memory holds what: a `Memory_Mode`.
        vela: Version.
        protocol: See `PROTOCOL`.
    """

    accelerator: str
    system: str
    memory: str
    vela: str
    protocol: int = PROTOCOL


@dataclass(frozen=True)
class VelaOperator:
    """One operator of a file.

    Attributes:
        cycles: Of the accelerator's clock, by Vela's estimate; 0 on the processor.
        peak_bytes: On-chip memory in use while it runs.
        left: "" on the accelerator; else its name with Vela's reason for leaving it to the processor.
        elements: That it writes.
    """

    cycles: int = 0
    peak_bytes: int = 0
    left: str = ""
    elements: int = 0


@dataclass(frozen=True)
class Compiled:
    """What Vela says of a file.

    Attributes:
        operators: In the order of the file.
        cycles: Of the whole file.
        sram_bytes: On-chip memory of the whole file.
        hertz: Of the accelerator's clock.
    """

    operators: tuple[VelaOperator, ...]
    cycles: int
    sram_bytes: int
    hertz: float


def installed() -> str:
    """Vela's version.

    Raises:
        StudyError: It is not installed.
    """
    try:
        return metadata.version("ethos-u-vela")
    except metadata.PackageNotFoundError as error:
        raise StudyError("device ethos_u needs Arm's compiler Vela: pip install 'ednas-nni[vela]'") from error


class Vela:
    """A running child: `with Vela(target) as vela: vela.compiled(content)`."""

    def __init__(self, target: NpuTarget) -> None:
        self._target = target

    def __enter__(self) -> Vela:
        self._said = tempfile.TemporaryFile()  # closed in __exit__
        command = [sys.executable, "-c", "from devices.ethos_u.vela import main; main()"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said)
        self._send(json.dumps(asdict(self._target)).encode() + b"\n")
        self._answer()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None, "both are pipes"
        with suppress(OSError):
            self._child.stdin.close()
        self._child.wait()
        self._child.stdout.close()
        self._said.close()

    def compiled(self, content: bytes) -> Compiled:
        """Compile a file.

        Raises:
            StudyError: Vela rejects it, or ended.
        """
        self._send(b"%d\n" % len(content) + content)
        answer = self._answer()
        operators = tuple(VelaOperator(**row) for row in answer.pop("operators"))
        return Compiled(operators, **answer)

    def _send(self, content: bytes) -> None:
        assert self._child.stdin is not None, "it is a pipe"
        with suppress(BrokenPipeError):  # the missing answer says why
            self._child.stdin.write(content)
            self._child.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None, "it is a pipe"
        line = self._child.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {}
        if not line or "error" in answer:
            self._said.seek(0)
            lines = self._said.read().decode(errors="replace").strip().splitlines()
            reason = answer.get("error") or (lines[-1][:300] if lines else f"exit code {self._child.wait()}")
            raise StudyError(f"Vela {self._target.vela} for {self._target.accelerator}: {reason}")
        return answer


# -------------------------------------------------------------------- the child
class _Core:
    """Vela's library, set up as the command `vela` sets it up for an accelerator, a system and a memory mode."""

    def __init__(self, target: Mapping[str, str]) -> None:
        from ethosu import regor  # the extra `vela`
        from ethosu.vela.architecture_features import ArchitectureFeatures
        from ethosu.vela.vela import get_compiler_config

        default = ArchitectureFeatures.DEFAULT_CONFIG
        arch = ArchitectureFeatures(
            vela_config_files=None,
            accelerator_config=target["accelerator"],
            system_config=target["system"] or default,
            memory_mode=target["memory"] or default,
            max_blockdep=ArchitectureFeatures.MAX_BLOCKDEP,
            verbose_config=False,
            arena_cache_size=None,
        )
        head = f"[architecture]\nmacs={arch.num_macs_per_cycle}\ncores={arch.ncores}\n[vela]\n"
        head += f"system_config_name={arch.system_config}\nmemory_mode_name={arch.memory_mode}\n"
        self._system = head + "".join(Path(file).read_text(encoding="utf-8") for file in arch.vela_config_files)
        off = dict.fromkeys(
            (
                "verbose_all",
                "verbose_high_level_command_stream",
                "verbose_register_command_stream",
                "verbose_schedule",
                "verbose_allocation",
                "verbose_graph",
                "verbose_quantization",
                "verbose_packing",
                "disable_chaining",
                "disable_fwd",
                "disable_cascading",
                "disable_buffering",
                "disable_ifm_reuse",
                "separate_io_regions",
            ),
            False,
        )
        self._options = get_compiler_config(
            enable_debug_db=True,  # the table of operators
            verbose_performance=True,
            show_cpu_operations=True,
            optimize="Performance",
            arena_cache_size=arch.arena_cache_size,
            output_format="tflite",
            cop_format="COP1",
            cpu_tensor_alignment=16,
            tensor_allocator="HillClimb",
            softmax_int16_neg_exp_range=10.0,
            **off,
        )
        self._hertz = float(arch.core_clock)
        self._name = "".join(word.capitalize() for word in target["accelerator"].split("-")[:-1])
        self._compile = regor.compile

    def compiled(self, content: bytes, said: BinaryIO) -> dict[str, Any]:
        """`Compiled` as plain data; `said` is where the library's own output goes."""
        said.seek(0)
        said.truncate()
        made = self._compile(self._name, content, "TFLITE", self._system, options=self._options, verbose=False)
        said.seek(0)
        reasons = _reasons(said.read().decode(errors="replace"))
        tables = made.opt_database.tables
        source = _rows(tables["source"])
        positions = {row["id"]: int(row["ext_key"]) for row in source}
        # What U55 and U65 run in the place of an ArgMax (a depthwise layer, a pooling, a table) has no source.
        positions["0"] = next((int(row["ext_key"]) for row in source if row["operator"] == "ArgMax"), -1)
        elements = {
            int(row["ext_key"]): int(row["ofm_w"] or 1) * int(row["ofm_h"] or 1) * int(row["ofm_d"] or 1)
            for row in source
        }
        operators = {at: asdict(VelaOperator(elements=n)) for at, n in sorted(elements.items())}
        for row in _rows(tables["perf"]):
            entry = operators[positions[row["source_id"]]]
            entry["cycles"] += int(row["op_cycles"])
            entry["peak_bytes"] = max(entry["peak_bytes"], int(row["staging_usage"]))
            if row["operator"] == _PASSED_ON:
                entry["left"] = reasons.get(row["name"], "an operator")
        report = made.perf_report
        return {
            "operators": list(operators.values()),
            "cycles": int(report.totalCycles),
            "sram_bytes": int(report.memories["Sram"].peakUsage),
            "hertz": self._hertz,
        }


def _rows(table: Any) -> list[dict[str, str]]:
    return [dict(zip(table.header, row, strict=True)) for row in table.data]


_LEFT = re.compile(r"operator: (\w+), ofm: '([^']*)'\s*\nReason: (.*)")


def _reasons(said: str) -> dict[str, str]:
    """Output's name -> operator and reason, from warnings: "operator: ADD, ofm: 't1'", next line "Reason: why"."""
    return {name: f"{operator}: {reason.strip()}" for operator, name, reason in _LEFT.findall(said)}


def main() -> None:
    """Answer files from standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    files = os.fdopen(os.dup(0), "rb")
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        core: _Core | None = None
        while line := files.readline():
            try:
                if core is None:
                    core = _Core(json.loads(line))
                    answer: dict[str, Any] = {}
                else:
                    answer = core.compiled(files.read(int(line)), said)
            except Exception as error:  # whatever the library raises is the answer
                answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()
