"""Which machine, runtime and protocol a latency belongs to: figures of another one are never taken for its own."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from ednas_nni.data.cache import fingerprint
from ednas_nni.devices.onnx.build import missing

PROTOCOL = 1
"""Version of what `measure` does; another protocol's figures are not mixed in."""
_X86 = ("vendor_id", "cpu family", "model", "stepping")
_ARM = ("CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision")


@dataclass(frozen=True)
class Machine:
    """What decides a latency, besides the graph.

    Attributes:
        cpu: The processor's name, as the system gives it.
        revision: Vendor, family, model and stepping (or their counterparts), and the architecture.
        features: Eight hex digits over the processor's instruction sets: virtual machines hide models, not these.
        cores: Logical processors.
        runtime: onnxruntime's version.
        threads: Threads of one inference.
        protocol: See `PROTOCOL`.
    """

    cpu: str
    revision: str
    features: str
    cores: int
    runtime: str
    threads: int
    protocol: int = PROTOCOL

    @property
    def key(self) -> str:
        """Sixteen hex digits over all fields."""
        return fingerprint(asdict(self))

    @property
    def title(self) -> str:
        """For people."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.cpu} ({self.revision}, {self.features}), onnxruntime {self.runtime}, {threads}"


def this_machine(threads: int, cpuinfo: Path = Path("/proc/cpuinfo")) -> Machine:
    """The machine that this runs on.

    Args:
        threads: Threads of one inference.
        cpuinfo: The Linux file that describes the processor; where it is missing, Python's `platform` has to do.

    Raises:
        StudyError: The extra `onnx` is not installed.
    """
    try:
        metadata.version("onnx")
        runtime = metadata.version("onnxruntime")
    except metadata.PackageNotFoundError as error:
        raise missing() from error
    found = _fields(cpuinfo)
    name = found.get("model name") or found.get("Hardware") or platform.processor() or platform.machine()
    revision = [f"{key.removeprefix('cpu ')} {found[key]}" for key in (*_X86, *_ARM) if key in found]
    flags = " ".join(sorted((found.get("flags") or found.get("Features") or "").split()))
    digest = hashlib.sha256(flags.encode()).hexdigest()[:8]
    described = ", ".join([*revision, platform.machine()])
    return Machine(name, described, digest, os.cpu_count() or 1, runtime, threads)


def _fields(cpuinfo: Path) -> dict[str, str]:
    """Fields of the first processor."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    rows = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in rows}
