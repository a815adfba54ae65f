"""A trial server that imports nothing and runs the Python code that is its trial's argument: a test takes a moment."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ednas_nni.bridge.trial.prefork import inherited, place

EXPERIMENT = "test1234"
SERVER = """
import sys
from pathlib import Path
from ednas_nni.bridge.trial import run as trial
from ednas_nni.bridge.trial.prefork import child, server
trial.here = lambda arguments: exec(arguments[0], {{}}) or 0
found = server.Server(Path(sys.argv[1]), int(sys.argv[2]))
{before}
found._loaded = server.sources.snapshot()
print("ready", flush=True)
sys.exit(found.run())
"""
CLIENT = "import sys; from ednas_nni.bridge.trial.prefork import client; code = client.run(sys.argv[1:]); "
CLIENT += "print('PLAIN' if code is None else '', end=''); sys.exit(code or 0)"


class Machine:
    """A server, and clients as NNI would start them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.runtime = folder / "run"
        self.runtime.mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(self.runtime))
        self.started: list[subprocess.Popen[str]] = []

    def serve(self, before: str = "", manager: int = 0) -> subprocess.Popen[str]:
        place.make_folder()
        path = place.socket_path(EXPERIMENT)
        alone = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        command = [sys.executable, "-c", SERVER.format(before=before), str(path), str(manager)]
        server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **alone},
        )
        self.started.append(server)
        assert server.stdout.readline() == "ready\n"
        return server

    def ask(self, code: str, command: str = "", **environment: str) -> subprocess.Popen[str]:
        """A client; `command` is Python that runs in it first, for what a trial's command does to its process."""
        told = {**os.environ, "NNI_PLATFORM": "local", "NNI_EXP_ID": EXPERIMENT, **environment}
        found = subprocess.Popen(
            [sys.executable, "-c", command + CLIENT, code],
            env=told, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.started.append(found)
        return found

    def run(self, code: str, command: str = "", **environment: str) -> tuple[int, str, str]:
        process = self.ask(code, command, **environment)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def until(done: Callable[[], object], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def child_pid(client_process: subprocess.Popen[str]) -> int:
    """A trial that prints its process id first."""
    return int(client_process.stdout.readline())


def asked(machine: Machine, code: str) -> socket.socket:
    """A client's connection that was told `ready`; its go is not given yet."""
    body = json.dumps({"environment": {}, "folder": str(machine.folder), "arguments": [code],
                       "prefix": sys.prefix, "version": list(sys.version_info[:3]),
                       "inherited": inherited.own()}).encode()  # fmt: skip
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(place.socket_path(EXPERIMENT)))
    connection.settimeout(10)
    socket.send_fds(connection, [struct.pack("!I", len(body))], [1, 2])
    connection.sendall(body)
    assert b"ready" in connection.recv(100)
    return connection


PATIENT = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
