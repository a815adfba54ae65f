"""A manager that runs: how it is found, and how it is ended within a deadline."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from ednas_nni.bridge.manager import orphans
from ednas_nni.bridge.manager.processes import Process, manager_command
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.errors import ExperimentError
from ednas_nni.record.failures import CANCELLED

ASK_S, FORCE_S, GONE_S = 7.0, 5.0, 4.0
"""Seconds of a stop: NNI by itself; after its Advisor and trials were ended; after it was ended. Below 20 in all."""


@dataclass(frozen=True)
class Running:
    """A manager that runs, on a port of this machine, with NNI's id and the folder of the experiment."""

    id: str
    port: int
    folder: Path
    process: Process

    @property
    def manager(self) -> Manager:
        """Its REST interface."""
        return Manager.at(self.port)

    def stop(self) -> None:
        """End the experiment within 20 s: NNI's way, and by force what does not listen. Results that trials kept stay.

        Raises:
            ExperimentError: A process cannot be ended.
        """
        with unhurried():
            if not end_manager(self.process, self.folder):
                raise ExperimentError(f"experiment {self.id}: its manager, process {self.process.pid}, does not end.")


def end_manager(manager: Process, folder: Path) -> bool:
    """Let a manager stop its experiment; what has not ended in time is ended. Returns whether all of it is gone.

    NNI waits up to 30 s for its Advisor and then 5 s for each trial, one after the other.
    """
    family = _children(manager)
    if manager.alive:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(manager.pid, signal.SIGTERM)
    asked = _gone(manager, ASK_S)
    if not asked:
        family += _children(manager)
        orphans.end_all(folder, None, f"{CANCELLED}: the search was stopped")
    # An Advisor that was still starting has not heard of it, and would call whoever gets the port next.
    _, left = psutil.wait_procs(family, GONE_S if asked else 0.0)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    return asked or _gone(manager, FORCE_S) or manager.end(GONE_S)


def _children(process: Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def _gone(process: Process, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while process.alive:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    with suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return True


@contextmanager
def handled(names: Sequence[signal.Signals], handler: Callable[[int, object], object]) -> Iterator[None]:
    """Handle signals in the block; what is ignored, as under `nohup`, stays so."""
    before = {name: signal.signal(name, handler) for name in names if signal.getsignal(name) is not signal.SIG_IGN}
    try:
        yield
    finally:
        for name, earlier in before.items():
            signal.signal(name, earlier)


@contextmanager
def unhurried() -> Iterator[None]:
    """Ctrl-C and friends wait until the block is over; the last one is raised then."""
    held: list[int] = []
    with handled((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), lambda number, frame: held.append(number)):
        yield
    if held:
        raise KeyboardInterrupt


def find(experiment: str) -> Running | None:
    """The manager of an experiment among the processes of this machine; None where none runs."""
    for process in psutil.process_iter(["cmdline"]):
        words = manager_command(process.info["cmdline"] or [])
        if words.get("experiment-id") == experiment and (this := Process.of(process.pid)) is not None:
            folder = Path(words["experiments-directory"]) / experiment
            return Running(experiment, int(words["port"]), folder, this)
    return None
