"""Start an NNI manager from here, one at a time: environment, port, proof.

NNI 3.0 starts its manager, asks whether anything answers on the port, and hands the study to whatever does. Two starts
in the same second thus meet on one port, and one study runs under the other's manager. So here
1. one start at a time holds a lock of this user, from choosing the port until the manager is proved;
2. the port must be held by the very process that was started, before it is sent anything;
3. then it must name this experiment. A port that somebody without the lock took meanwhile is given up for the next one,
   unless the user chose it. The manager proves its starter too (`loopback.js`).
Example: A and B start at once. A locks, finds 8080 free, starts node. B waits. A's node listens; A sends its study, is
told A's id and unlocks. B finds 8080 taken and goes on with 8081.
"""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

import psutil

from ednas_nni.bridge.manager.database import opened
from ednas_nni.bridge.manager.exposure import guarded, platforms
from ednas_nni.bridge.manager.places import make_experiment_folder
from ednas_nni.bridge.manager.ports import FIRST_PORT, free_port, one_at_a_time, port_is_free
from ednas_nni.bridge.manager.processes import BIN, Process
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.bridge.manager.running import GONE_S, Running, end_manager, find, unhurried
from ednas_nni.bridge.messages import Experiment
from ednas_nni.errors import ExperimentError
from ednas_nni.record.journal import FOLDER
from ednas_nni.record.whole_file import write_whole

START_S = 120.0
TRIES = 5  # ports that are lost to starts without the lock
CONFIG = "experiment.json"
"""The experiment as it was handed to NNI, beside the journal: for a manager that died before its database had it."""


class PortLostError(ExperimentError):
    """Somebody else took a port between its choice and the manager's start."""

    def __init__(self, port: int, fault: str = "something else took it. Name another one, or none.") -> None:
        super().__init__(f"port {port}: {fault}")


def command(name: str) -> str:
    """How a user types a program of this environment: its bare name where the shell finds that very program."""
    program = shutil.which(name)
    return name if program and Path(program).absolute().parent == BIN else str(BIN / name)


def hold_start(
    experiment: str,
    folder: Path,
    begin: Callable[[int], Popen[bytes]],
    port: int | None = None,
    pair: bool = False,
    open_to: str | None = None,
) -> Running:
    """Start a manager so that nobody else's can be taken for it.

    Args:
        experiment: NNI's id of the experiment.
        folder: Its folder.
        begin: Starts NNI on a port, through `nni.experiment.launcher`.
        port: Chosen by the user; None = a free one.
        pair: Whether the port above must be free too.
        open_to: See `guarded`.

    Raises:
        ExperimentError: It does not start; nothing is left running.
    """
    with one_at_a_time():
        if port is not None and not all(map(port_is_free, (port, port + 1) if pair else (port,))):
            raise ExperimentError(
                f"port {port}: something listens there already. Name another one, or none to have a free one found."
            )
        if (running := find(experiment)) is not None:
            raise ExperimentError(
                f"experiment {experiment} runs already (port {running.port}, process {running.process.pid}). End it "
                f"first: {command('nnictl')} stop {experiment}"
            )
        make_experiment_folder(folder)
        first = FIRST_PORT
        for attempt in range(TRIES):
            chosen = port or free_port(first, pair)
            try:
                with guarded(open_to):
                    return _proved(experiment, folder, begin, chosen)
            except PortLostError:
                if port is not None or attempt == TRIES - 1:
                    raise
                first = chosen + 1
    raise AssertionError("the last try raises")


def _proved(experiment: str, folder: Path, begin: Callable[[int], Popen[bytes]], port: int) -> Running:
    """Start, and end what was started where anything is wrong, Ctrl-C too."""
    from nni.experiment import launcher

    started: list[Popen[bytes]] = []
    own_start, own_check = launcher._start_rest_server, launcher._check_rest_server

    def start(*words: object) -> Popen[bytes]:
        with unhurried():  # else a manager might run that nobody knows
            started.append(own_start(*words))
        return started[0]

    def check(port: int, retry: int = 3, url_prefix: str | None = None) -> None:
        _wait_until_listening(started[0], port, folder)

    launcher._start_rest_server, launcher._check_rest_server = start, check
    logger = logging.getLogger("nni.experiment")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what goes wrong is said by whoever called
    try:
        begin(port)
        process = Process.of(started[0].pid)
        answered = Manager.at(port).experiment()["id"]
        if process is None or answered != experiment:
            raise PortLostError(port, f"experiment {answered} answers there instead of {experiment}.")
        return Running(experiment, port, folder, process)
    except BaseException as error:
        for one in started:
            if (process := Process.of(one.pid)) is not None:
                end_manager(process, folder)
            one.wait(GONE_S)
        if isinstance(error, ExperimentError) or not isinstance(error, Exception):
            raise
        if not started and not port_is_free(port):
            raise PortLostError(port) from None
        raise ExperimentError(f"NNI could not start the experiment: {' '.join(str(error).split())}") from error
    finally:
        logger.setLevel(level)
        launcher._start_rest_server, launcher._check_rest_server = own_start, own_check


def _wait_until_listening(process: Popen[bytes], port: int, folder: Path) -> None:
    """Until the very process that was started holds the port and answers.

    Raises:
        ExperimentError: It ended, or takes too long.
    """
    end = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end:
        with suppress(psutil.Error, ExperimentError):
            connections = psutil.Process(process.pid).net_connections("tcp")
            holds = any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)
            if holds and isinstance(Manager.at(port).get("check-status"), dict):  # a page before REST stands
                return
        time.sleep(0.05)
    if process.poll() is not None and not port_is_free(port):
        raise PortLostError(port)
    with suppress(OSError):
        lines = (folder / "log" / "nnictl_stderr.log").read_text(encoding="utf-8", errors="replace").splitlines()
        if words := [line.strip() for line in lines if "Error: " in line]:
            raise ExperimentError(f"NNI's manager ended at its start: {words[-1]}")
    raise ExperimentError(f"NNI's manager does not start; see {folder / 'log'}")


# ---- whole experiments


def create(config: Path | Experiment, port: int | None = None, experiment: str | None = None) -> Running:
    """Start an experiment.

    Args:
        config: Its YAML, or that as a mapping with absolute paths.
        port: Of NNI's web UI; None = a free one.
        experiment: Its id; None = a new one.

    Returns:
        What the caller must `stop`.
    """
    return _start("create", config, experiment, port)


def resume(folder: Path, port: int | None = None, view: bool = False) -> Running:
    """Go on with an experiment whose manager has ended, whatever ended it.

    One that NNI's database does not know yet, because its manager was killed within its first seconds, is started anew
    under the same id and with the same journal.

    Args:
        folder: The experiment's folder.
        port: As in `create`.
        view: Show it in the web UI only.
    """
    config, stored = known_config(folder), stored_config(folder)
    if (left := find(folder.name)) is not None:
        try:
            if left.manager.status()["status"] == "ERROR":  # its Advisor has crashed
                left.stop()
        except ExperimentError:
            time.sleep(1)
            if left.process.alive:  # not one that was just being killed
                raise
    if stored is not None:
        return _start("view" if view else "resume", config, folder.name, port, folder.parent)
    with suppress(FileNotFoundError):
        shutil.rmtree(folder / "db")  # NNI makes tables in a new one only
    return _start("create", config, folder.name, port, folder.parent)


def known_config(folder: Path) -> Experiment:
    """An experiment as NNI's database has it, else as it was handed to NNI.

    Raises:
        ExperimentError: Neither has it.
    """
    with suppress(ExperimentError):
        if (stored := stored_config(folder)) is not None:
            return stored
    try:
        own_copy: Experiment = json.loads((folder / FOLDER / CONFIG).read_text(encoding="utf-8"))
        return own_copy
    except (OSError, ValueError):
        raise ExperimentError(
            f"{folder}: neither NNI's database nor {FOLDER}/{CONFIG} says what this experiment was: its manager was "
            "ended before it began, and nothing was trained. Start it anew: ednas search FILE.yml"
        ) from None


def _start(
    action: str, given: Path | Experiment, experiment: str | None, port: int | None, place: Path | None = None
) -> Running:
    from nni.experiment import RunMode, launcher, management
    from nni.experiment.config import ExperimentConfig

    with guarded(None):  # `python3` of a trial command is looked for when NNI reads it
        read = ExperimentConfig.load(given) if isinstance(given, Path) else ExperimentConfig(**given)
        config = read.canonical_copy()
    if place is not None:
        config.experiment_working_directory = str(place)  # it may have been moved
    experiment = experiment or management.generate_experiment_id()
    folder = Path(str(config.experiment_working_directory)) / experiment
    plain = config.json()

    def begin(port: int) -> Popen[bytes]:
        (folder / "log").mkdir(exist_ok=True)
        if action == "create":
            write_whole(folder / FOLDER / CONFIG, json.dumps(plain), mode=0o600)
        process: Popen[bytes] = launcher.start_experiment(action, experiment, config, port, False, RunMode.Detach, None)
        return process

    return hold_start(experiment, folder, begin, port, platforms(plain) != ["local"], open_to(plain))


def open_to(config: Mapping[str, object]) -> str | None:
    """Host names that may call an experiment's manager from elsewhere; None where its port is not to be open."""
    tuner = config.get("tuner")
    study = tuner.get("classArgs") if isinstance(tuner, dict) else None
    if not isinstance(study, dict) or study.get("allow_open_port") is not True:
        return None
    return str(config.get("nniManagerIp") or "")


def stored_config(folder: Path) -> Experiment | None:
    """The experiment as NNI's database has it; None where it does not yet. Read as plain JSON.

    Raises:
        ExperimentError: The database cannot be read, which is not to say that NNI has not begun.
    """
    database = folder / "db" / "nni.sqlite"
    if not database.is_file():
        return None
    query = "select params from ExperimentProfile where id = ? order by revision desc limit 1"
    try:
        with opened(database) as connection:
            row = connection.execute(query, (folder.name,)).fetchone()
        return None if row is None else dict(json.loads(row[0]))
    except (sqlite3.Error, ValueError, TypeError) as error:
        if "no such table" in str(error):
            return None
        raise ExperimentError(
            f"{database}: cannot be read ({error}). Where it is damaged for good, move it away: `ednas resume` then "
            "starts the experiment anew under its id, and trains nothing again that its journal holds."
        ) from None
