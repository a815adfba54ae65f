"""Starts the trial server beside the Advisor and starts it again when it ends."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from ednas_nni.bridge.messages import Experiment
from ednas_nni.bridge.trial.prefork import place
from ednas_nni.bridge.trial.prefork.server import ENOUGH, STALE

_log = logging.getLogger("nni.ednas")

LOG = "trial_server.log"
RESTARTS, WITHIN_S = 3, 60.0
"""A server that ends this often within a minute is given up; trials then start by themselves."""


class TrialServer:
    """The server of one experiment, as the Advisor holds it.

    Args:
        experiment: NNI's id.
        study: `tuner.classArgs`.
        folder: Working folder of trials.
        log_folder: Where the server's log goes.
        manager: Process id of NNI's manager, 0 if unknown.
    """

    def __init__(self, experiment: str, study: dict[str, object], folder: Path, log_folder: Path, manager: int) -> None:
        path = place.socket_path(experiment)
        if path is None:
            raise OSError(f"no socket can be made for experiment {experiment!r} in {place.folder()}")
        place.make_folder()
        self._path, self._study, self._folder, self._manager = path, study, folder, manager
        self._log_path = log_folder / LOG
        self._closing = threading.Event()
        self._process = self._start()
        threading.Thread(target=self._watch, daemon=True, name="trial-server-watch").start()

    @property
    def pid(self) -> int:
        """Process id of the present server."""
        return self._process.pid

    def close(self) -> None:
        """Let the server end: nothing new is started; trials that run may end. One that still imports ends at once."""
        self._closing.set()
        with suppress(OSError):
            self._process.send_signal(ENOUGH)
        if self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()
        if self._process.poll() is not None:  # a killed one leaves its socket
            self._path.unlink(missing_ok=True)

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NNI_") and k != "SDK_PROCESS"}
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment[name] = "1"
        environment["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # whether there is a GPU, without touching it
        command = [sys.executable, "-m", "ednas_nni.bridge.trial.prefork.server", str(self._path), str(self._manager)]
        with self._log_path.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
            )
        try:
            if process.stdin is not None:  # it was asked for above
                process.stdin.write(json.dumps(self._study).encode() + b"\n")
                process.stdin.flush()
        except OSError:
            _log.warning("the trial server ended at once; see %s", self._log_path)
        return process

    def _watch(self) -> None:
        ends: list[float] = []
        while True:
            code = self._process.wait()
            if self._closing.is_set():
                return
            ends = [at for at in ends if time.monotonic() - at < WITHIN_S] + [time.monotonic()]
            if len(ends) > RESTARTS:
                _log.warning("the trial server ended %d times; trials import everything themselves now", len(ends))
                return
            if code == STALE:
                _log.info("code was changed: trials run the new one from a new trial server")
            else:
                _log.warning("the trial server ended with code %s and is started again; see %s", code, self._log_path)
            self._process = self._start()


def start(experiment: Experiment, folder: Path, study: dict[str, object], manager: int) -> TrialServer | None:
    """Start the server of an experiment where trials run on this machine.

    Args:
        experiment: The experiment's configuration.
        folder: The experiment's folder, `<experiments>/<id>`.
        study: `tuner.classArgs`.
        manager: Process id of NNI's manager, 0 if unknown.

    Returns:
        The server; None where trials have to start by themselves.
    """
    service = experiment.get("trainingService") or {}
    if not isinstance(service, dict) or service.get("platform") != "local" or sys.platform != "linux":
        return None
    code = Path(str(experiment.get("trialCodeDirectory") or "."))
    try:
        return TrialServer(folder.name, study, code, folder / "log", manager)
    except OSError as error:
        _log.warning("no trial server: %s; trials import everything themselves", error)
        return None
