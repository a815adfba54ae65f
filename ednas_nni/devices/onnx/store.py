"""Measured latencies on disk, one file per machine, runtime and number of threads; several processes may add to it."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ednas_nni.data.cache import cache_root
from ednas_nni.devices.onnx.machine import Machine
from ednas_nni.errors import DataError

_FORMAT = 1


@dataclass(frozen=True)
class Timing:
    """One measured graph.

    Attributes:
        ms: Smallest time of all rounds, in ms.
        reference_ms: The same of the reference graphs in the same rounds (geometric mean).
        rounds: Rounds that it was measured in.
        disagreement: How far the smallest times of even and of odd rounds lie apart, as a share of `ms`.
    """

    ms: float
    reference_ms: float
    rounds: int
    disagreement: float


def comparable(timings: Mapping[str, Timing]) -> dict[str, Timing]:
    """Timings of several times, as if all were of the one at which the reference graphs were fastest."""
    fastest = min((timing.reference_ms for timing in timings.values()), default=0.0)
    return {
        signature: replace(timing, ms=timing.ms * fastest / timing.reference_ms, reference_ms=fastest)
        for signature, timing in timings.items()
    }


class Store:
    """Timings by the signature of their graph.

    Args:
        machine: Whose timings.
        folder: Of the file; by default `latency` in the cache (`$EDNAS_CACHE`, else `~/.cache/ednas`).
    """

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
            found = json.loads(text)
            machine, form, rows = found["machine"], found["format"], found["timings"]
            timings = {signature: Timing(**row) for signature, row in rows.items()}
            broken = [s for s, t in timings.items() if not all(0 < ms < math.inf for ms in (t.ms, t.reference_ms))]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"measured latencies at {self.path} are damaged ({error}); {self._way_out()}") from error
        if form != _FORMAT or broken:
            what = f"latency of {broken[0]} is no positive number" if broken else f"format {form!r}"
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
                rows = {signature: asdict(timing) for signature, timing in {**self.read(), **timings}.items()}
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
