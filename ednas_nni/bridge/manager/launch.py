"""Start and stop an NNI experiment from here: environment, port, nnictl."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ednas_nni.bridge.manager.exposure import node_options
from ednas_nni.errors import ExperimentError

BIN = Path(sys.executable).absolute().parent  # not resolved: a virtual environment's python is a link
FIRST_PORT = 8080
PORTS = 100
START_S = 120.0
STOP_S = 60.0

_ID = re.compile(r"Experiment ID: (?:\x1b\[[0-9;]*m|\$\{\w+\})*(\w+)")


def path_variable(environment: Mapping[str, str] = os.environ) -> str:
    """PATH with this interpreter's folder first, so that `python3` is this environment."""
    rest = [part for part in environment.get("PATH", os.defpath).split(os.pathsep) if part and Path(part) != BIN]
    return os.pathsep.join([str(BIN), *rest])


def environment(open_port: bool = False) -> dict[str, str]:
    """The environment that NNI's processes get."""
    return {**os.environ, "PATH": path_variable(), "NODE_OPTIONS": node_options(os.environ, open_port)}


def command(name: str) -> str:
    """How a user types a program of this environment: its bare name where the shell finds that very program."""
    program = shutil.which(name)
    return name if program and Path(program).absolute().parent == BIN else str(BIN / name)


def port_is_free(port: int) -> bool:
    """Whether a server may listen on a port of this machine."""
    for address in ("127.0.0.1", ""):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def free_port(first: int = FIRST_PORT, pair: bool = False) -> int:
    """The first free port; with `pair` the one above must be free too (remote training services use it).

    Raises:
        ExperimentError: A hundred ports are taken.
    """
    for port in range(first, first + PORTS):
        if port_is_free(port) and (not pair or port_is_free(port + 1)):
            return port
    raise ExperimentError(
        f"No free port from {first} to {first + PORTS - 1}. End other experiments: `nnictl stop --all`."
    )


def nnictl(*words: str, open_port: bool = False) -> subprocess.Popen[str]:
    """Start nnictl in a session of its own: Ctrl-C in the terminal must not cut it in the middle."""
    program = BIN / "nnictl"
    start = [str(program)] if program.exists() else [sys.executable, "-m", "nni.tools.nnictl.nnictl"]
    return subprocess.Popen(
        [*start, *words],
        env=environment(open_port),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


@contextmanager
def unhurried() -> Iterator[None]:
    """Ctrl-C and friends wait until the block is over; the last one is raised then."""
    held: list[int] = []
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {name: signal.signal(name, lambda number, frame: held.append(number)) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    if held:
        raise KeyboardInterrupt


def create(config: Path, port: int, open_port: bool = False) -> str:
    """Start an experiment.

    Args:
        config: Its YAML.
        port: A free port.
        open_port: Let NNI listen on every address, as it does by itself; else on this machine only.

    Returns:
        The experiment's id. The caller must `stop` it.

    Raises:
        ExperimentError: NNI refused; its own words are passed on. Nothing is left running.
    """
    process = nnictl("create", "--config", str(config), "--port", str(port), open_port=open_port)
    try:
        with unhurried():
            output = _finish(process, START_S)
    except KeyboardInterrupt:
        if process.stdout is not None:
            _stop_whatever_started(port)
        raise
    match = _ID.search(output)
    if process.returncode == 0 and match:
        return match.group(1)
    if match:
        _stop_whatever_started(port)
    raise ExperimentError(f"NNI could not start the experiment: {_last_words(output)}")


def _finish(process: subprocess.Popen[str], seconds: float) -> str:
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def _last_words(output: str) -> str:
    """The line of nnictl's output that says what went wrong."""
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in output.splitlines()]
    lines = [line for line in plain if line and not line.startswith(("File ", "Traceback", "^", "~"))]
    failed = [line.partition("Create experiment failed: ")[2] for line in lines if "Create experiment failed: " in line]
    return (failed or lines or ["nnictl said nothing"])[-1]


def _stop_whatever_started(port: int) -> None:
    from ednas_nni.bridge.manager.rest import Manager

    try:
        stop(str(Manager.at(port).experiment()["id"]), port)
    except (ExperimentError, KeyError):
        return


def stop(experiment: str, port: int) -> None:
    """Stop an experiment and wait until its manager is gone.

    Raises:
        ExperimentError: Something still answers on the port after nnictl and NNI's own REST were asked.
    """
    with unhurried():
        output = _finish(nnictl("stop", experiment), STOP_S)
        if _gone(port, 10.0):
            return
        _ask_to_end(port)
        if _gone(port, 20.0):
            return
    raise ExperimentError(
        f"experiment {experiment} does not stop (port {port} still answers; nnictl said: {_last_words(output)}). "
        f"Try `{command('nnictl')} stop --all`."
    )


def _ask_to_end(port: int) -> None:
    from ednas_nni.bridge.manager.rest import Manager

    try:
        Manager.at(port).delete("experiment")
    except ExperimentError:
        return


def _gone(port: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not port_is_free(port):
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
