"""Measured latencies on disk, one file per machine, runtime and number of threads; several processes may add to it.

Figures of another processor, runtime or protocol are never taken for this machine's.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

from ednas_nni.data.cache import cache_root, fingerprint
from ednas_nni.errors import DataError
from ednas_nni.graphs.onnx_file import missing

_FORMAT = 1
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
    """The machine that this runs on, described by Linux' `cpuinfo`, else by Python's `platform`.

    Raises:
        StudyError: The extra `onnx` is not installed.
    """
    try:
        metadata.version("onnx")
        runtime = metadata.version("onnxruntime")
    except metadata.PackageNotFoundError as error:
        raise missing() from error
    fields = _fields(cpuinfo)
    name = fields.get("model name") or fields.get("Hardware") or platform.processor() or platform.machine()
    revision = [f"{key.removeprefix('cpu ')} {fields[key]}" for key in (*_X86, *_ARM) if key in fields]
    flags = " ".join(sorted((fields.get("flags") or fields.get("Features") or "").split()))
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


class Store:
    """Timings of a machine by the signature of their graph; the default folder is `latency` in the data cache."""

    def __init__(self, machine: Machine, folder: Path | None = None) -> None:
        self.machine = machine
        self.path = (folder or cache_root() / "latency") / f"{machine.key}.json"

    def read(self) -> dict[str, Timing]:
        """All timings of the machine; empty when there are none yet.

        Raises:
            DataError: The file is damaged or another machine's.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise DataError(f"cannot read measured latencies at {self.path}: {error.strerror}") from error
        try:
            content = json.loads(text)
            machine, form, rows = content["machine"], content["format"], content["timings"]
            timings = {signature: _timing(row) for signature, row in rows.items()}
            broken = [s for s, t in timings.items() if not all(0 < ms < math.inf for ms in (t.ms, t.probe_ms))]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"measured latencies at {self.path} are damaged ({error}); {self._way_out()}") from error
        if form != _FORMAT or broken:
            what = f"latency of {broken[0]} is not a positive number" if broken else f"format {form!r}"
            raise DataError(f"measured latencies at {self.path} are damaged ({what}); {self._way_out()}")
        if machine != asdict(self.machine):
            raise DataError(
                f"{self.path} holds latencies of {machine.get('cpu')!r}, not of this machine, "
                f"{self.machine.title}; {self._way_out()}"
            )
        return timings

    def add(self, timings: Mapping[str, Timing]) -> None:
        """Add timings to those on disk; a graph that is there already gets the new one.

        Raises:
            DataError: The file is damaged or cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                rows = {signature: _row(timing) for signature, timing in {**self.read(), **timings}.items()}
                text = json.dumps({"format": _FORMAT, "machine": asdict(self.machine), "timings": rows}, indent=1)
                staging = self.path.with_suffix(f".partial-{os.getpid()}")
                with staging.open("w", encoding="utf-8") as handle:
                    handle.write(text + "\n")
                    handle.flush()
                    os.fsync(handle.fileno())
                staging.replace(self.path)
        except OSError as error:
            raise DataError(
                f"cannot write measured latencies to {self.path}: {error}; free some space or point EDNAS_CACHE to a "
                "folder that can be written"
            ) from error

    def _way_out(self) -> str:
        return f"delete the file (rm '{self.path}') and run again, everything is measured anew"


def _row(timing: Timing) -> dict[str, float]:
    """As it is on disk, where the probes' time is called `reference_ms`."""
    row = asdict(timing)
    return {"reference_ms" if name == "probe_ms" else name: value for name, value in row.items()}


def _timing(row: Mapping[str, float]) -> Timing:
    return Timing(row["ms"], row["reference_ms"], int(row["rounds"]), row["disagreement"])
