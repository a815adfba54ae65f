"""Measured latencies on disk, one file per machine, runtime, precision and number of threads."""

from __future__ import annotations

import hashlib
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from devices.parts.figures import Figures
from ednas_nni.data.cache import cache_root

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
        runtime: Version of what runs the graph.
        threads: Of one inference; with more than one the machine should be idle.
        protocol: See `PROTOCOL`.
        engine: What runs the graph.
        precision: Of weights and activations.
    """

    cpu: str
    revision: str
    features: str
    cores: int
    runtime: str
    threads: int
    protocol: int = PROTOCOL
    engine: str = "onnxruntime"
    precision: str = "float32"

    @property
    def title(self) -> str:
        """For people."""
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.cpu} ({self.revision}, {self.features}), {self.engine} {self.runtime}, {threads}"

    @property
    def maker(self) -> dict[str, object]:
        """What timings are filed under; the oldest files say neither engine nor precision, of which there was one."""
        maker: dict[str, object] = asdict(self)
        for name, only in (("engine", "onnxruntime"), ("precision", "float32")):
            if maker[name] == only:
                del maker[name]
        return maker


def this_machine(
    threads: int,
    runtime: str,
    engine: str = "onnxruntime",
    precision: str = "float32",
    cpuinfo: Path = Path("/proc/cpuinfo"),
) -> Machine:
    """The machine that this runs on, described by Linux' `cpuinfo`, else by Python's `platform`."""
    fields = _fields(cpuinfo)
    name = fields.get("model name") or fields.get("Hardware") or platform.processor() or platform.machine()
    revision = [f"{key.removeprefix('cpu ')} {fields[key]}" for key in (*_X86, *_ARM) if key in fields]
    flags = " ".join(sorted((fields.get("flags") or fields.get("Features") or "").split()))
    digest = hashlib.sha256(flags.encode()).hexdigest()[:8]
    described = ", ".join([*revision, platform.machine()])
    cores = os.cpu_count() or 1
    return Machine(name, described, digest, cores, runtime, threads, engine=engine, precision=precision)


def _fields(cpuinfo: Path) -> dict[str, str]:
    """Fields of the first processor."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    rows = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in rows}


@dataclass(frozen=True)
class Timing:
    """One measured graph.

    Attributes:
        ms: Smallest time of all rounds, in ms.
        probe_ms: The same of the probe graphs in the same rounds (geometric mean).
        rounds: Rounds that it was measured in.
        disagreement: How far the smallest times of even and of odd rounds lie apart, as a share of `ms`.
    """

    ms: float
    probe_ms: float
    rounds: int
    disagreement: float


def comparable(timings: Mapping[str, Timing]) -> dict[str, Timing]:
    """Timings of several times, as if all were of the one at which the probe graphs were fastest."""
    fastest = min((timing.probe_ms for timing in timings.values()), default=0.0)
    return {
        signature: replace(timing, ms=timing.ms * fastest / timing.probe_ms, probe_ms=fastest)
        for signature, timing in timings.items()
    }


class Store(Figures[Timing]):
    """Timings of a machine by the signature of their graph; the default folder is `latency` in the data cache."""

    what = "measured latencies"

    def __init__(self, machine: Machine, folder: Path | None = None) -> None:
        super().__init__(machine.maker, f"{machine.title}, {machine.precision}", folder or cache_root() / "latency")
        self.machine = machine

    def row(self, figure: Timing) -> dict[str, float]:
        """As it is on disk, where the probes' time is called `reference_ms`."""
        row = asdict(figure)
        return {"reference_ms" if name == "probe_ms" else name: value for name, value in row.items()}

    def figure(self, row: Mapping[str, object]) -> Timing:
        """As `Figures.figure`."""
        ms, probe_ms, rounds, disagreement = (
            float(str(row[name])) for name in ("ms", "reference_ms", "rounds", "disagreement")
        )
        if not all(0 < x < math.inf for x in (ms, probe_ms)):
            raise ValueError(f"a latency of {ms} ms beside {probe_ms} ms is no positive number")
        return Timing(ms, probe_ms, int(rounds), disagreement)
