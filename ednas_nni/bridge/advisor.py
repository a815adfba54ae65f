"""The Advisor: lets `nnictl create` drive any multi-trial strategy of nni.nas.

NNI starts hyper-parameter experiments only; the Advisor is what such an experiment calls its tuner. It connects to the
manager first (NNI gives ten seconds) and imports torch only afterwards, on the thread that runs the strategy.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nni.runtime.env_vars import dispatcher_env_vars
from nni.runtime.msg_dispatcher_base import MsgDispatcherBase
from nni.runtime.tuner_command_channel import CommandType

from ednas_nni.bridge.manager import orphans
from ednas_nni.bridge.manager.processes import manager_of
from ednas_nni.bridge.messages import Experiment, whole_number
from ednas_nni.compat import plain_json
from ednas_nni.errors import EdnasError, ExperimentError, place_of

if TYPE_CHECKING:
    from ednas_nni.bridge.manager.rest import Manager
    from ednas_nni.bridge.search import Search
    from ednas_nni.bridge.trial.prefork.starter import TrialServer

_log = logging.getLogger("nni.ednas")

DRAIN_S = 10.0  # NNI kills the Advisor 30 s after it told it to end
PING_S = 1.0


def _forwarding(kind: str) -> Callable[[Advisor, object], None]:
    return lambda advisor, data: advisor._forward(kind, data)


class Advisor(MsgDispatcherBase):
    """NNI's tuner side of a search.

    Args:
        **study: The study, `tuner.classArgs` of the experiment's YAML. It is parsed after the connection
            stands, so that a wrong study becomes a message in terminal, log and web UI instead of a connection error.
    """

    def __init__(self, **study: object) -> None:
        plain_json.apply()
        if _orphaned():
            raise SystemExit("NNI's manager, which started this process, is gone; another one may listen on its port")
        super().__init__()  # connects; nothing slow may come before this line
        self._raw = study
        self._search: Search | None = None
        self._trials: TrialServer | None = None
        self._waiting: list[tuple[str, object]] = []  # messages that arrived before the search stood
        self._lock = threading.Lock()
        self._ended = False  # by an error that was reported, or by NNI
        threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True, name="manager-watch").start()

    # ---- the protocol

    def run(self) -> None:
        """Receive commands until NNI says stop. One queue keeps them in order."""
        _log.info("Advisor connected")
        self.default_worker.start()
        threading.Thread(target=self._ping, daemon=True, name="clock").start()
        while True:
            command, data = self._channel._receive()
            if command is None or command is CommandType.Terminate:
                break
            self.default_command_queue.put((command, data))
        with self._lock:
            if self._search is None:
                self._ended = True
            else:
                self._search.stop()  # nothing new, but what has arrived already is still booked
        if not self._drain():
            _log.warning("messages of the last moment are not booked; `ednas resume` reads them from NNI's database")
        self._ended = True
        self.stopping = True
        self._drain()  # wakes the worker, which then sees that it should stop
        self.default_worker.join(DRAIN_S)
        if self._trials is not None:
            self._trials.close()
        self._channel.disconnect()
        _log.info("Advisor ended")

    def _drain(self) -> bool:
        """Wait until the worker has passed everything that is in the queue now."""
        passed = threading.Event()
        self.default_command_queue.put((None, passed))
        return passed.wait(DRAIN_S)

    def process_command(self, command: CommandType | None, data: str | threading.Event | None) -> None:
        """Handle one command, or pass `_drain`'s mark. Plain JSON, nothing is unpickled.

        An exception ends the search with its reason; NNI's worker would die in silence.
        """
        if isinstance(data, threading.Event):
            data.set()
            return
        if self._ended:
            return
        try:
            super().process_command(command, json.loads(data) if data else None)
        except Exception as error:
            self._fail(error)

    def handle_initialize(self, data: object) -> None:
        """Start the search on a thread of its own; handlers must not block."""
        threading.Thread(target=self._main, daemon=True, name="strategy").start()

    def handle_update_search_space(self, data: object) -> None:
        """The model space is the search space; this is the echo of our own publication."""

    def _ping(self) -> None:
        """NNI 3.0 has this message and never sends it."""
        while not self.stopping:
            time.sleep(PING_S)
            if self.default_command_queue.empty():
                self.default_command_queue.put((CommandType.Ping, None))

    def handle_ping(self, data: object) -> None:
        """NNI may have become DONE since the last trial ended."""
        if self._search is not None:
            self._forward("ping", None)

    def handle_import_data(self, data: object) -> None:
        """Finished trials of a resumed experiment: the journal knows them already. Others are not used."""
        if isinstance(data, list) and data and dispatcher_env_vars.NNI_MODE != "resume":
            _log.warning(
                "%d imported results are not used: only the journal tells which architecture, data and protocol a "
                "result belongs to. To continue a search, copy its experiment folder and use `ednas resume`.",
                len(data),
            )

    def _forward(self, kind: str, data: object) -> None:
        with self._lock:
            if self._search is None:
                self._waiting.append((kind, data))
                return
        self._search.on_message(kind, data)

    # Unfinished trials of a resumed experiment run again under their old job ids.
    handle_add_customized_trial = _forwarding("recover")
    # NNI is ready for trials; how many may run is read from the manager's settings.
    handle_request_trial_jobs = _forwarding("ready")
    handle_report_metric_data = _forwarding("metric")
    handle_trial_end = _forwarding("end")

    # ---- the search's thread

    def _main(self) -> None:
        try:
            manager = manager_of(os.getppid())
            folder = Path(dispatcher_env_vars.NNI_LOG_DIRECTORY).parent
            rest = _own_manager(folder.name)
            for job in orphans.end_all(folder, manager):  # NNI runs them again, so this cannot wait for the imports
                _log.warning(
                    "job %s of an earlier manager still ran and was ended; its result counts if it has one", job
                )
            from ednas_nni.bridge.manager import exposure
            from ednas_nni.bridge.trial.prefork.starter import start as prefork
            from ednas_nni.search.assembled import Assembled
            from ednas_nni.study import parse

            experiment, study = _experiment_parameters(), parse(self._raw)
            if study.trial_start == "prefork":  # it imports while this process does
                with self._lock:  # `run` closes what is there when NNI says stop
                    if self._ended:
                        return
                    self._trials = prefork(experiment, folder, self._raw, manager.pid if manager is not None else 0)
            exposure.check_platform(experiment, study.allow_open_port, started=True)
            import torch

            torch.set_num_threads(1)  # the trials need the cores
            from ednas_nni.bridge.search import Search

            search = Search(
                Assembled(study),
                folder,
                rest,
                send_job=lambda record: self.send(CommandType.NewTrialJob, json.dumps(record)),
                resumed=dispatcher_env_vars.NNI_MODE == "resume",
                end_job=lambda job: self.send(CommandType.KillTrialJob, json.dumps(job)),
            )
            limits = whole_number(experiment, "trialConcurrency"), whole_number(experiment, "maxTrialNumber")
            search.prepare("nnictl", *limits)
            if study.allow_open_port:
                search.note_lost_weights(exposure.platforms(experiment))
            with self._lock:  # held while the early messages are delivered: later ones must not overtake them
                if self._ended:
                    return
                self._search = search
                for kind, data in self._waiting:
                    search.on_message(kind, data)
                self._waiting.clear()
            self.send(CommandType.Initialized, "")
            search.publish_space()
            reason = search.run()
            if not search.stopping:
                _log.info("search finished: %s", reason)
                self.send(CommandType.NoMoreTrialJobs, "")
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """End the search with its reason; the first one counts."""
        if self._ended:
            _log.error("%s", error)
            return
        self._ended = True
        if self._search is not None:
            self._search.stop()
        if isinstance(error, EdnasError):
            self._give_up(str(error))
        else:
            _log.error("%s", "".join(traceback.format_exception(error)))
            self._give_up(f"{type(error).__name__}: {error}{place_of(error)} (traceback in the dispatcher log)")

    def _give_up(self, text: str) -> None:
        """Tell the user why. NNI puts a text of its own into the status, so ours also goes where the UI shows it."""
        from ednas_nni.bridge.manager.rest import Manager

        _log.error("%s", text)
        try:
            manager = Manager.of_channel(dispatcher_env_vars.NNI_TUNER_COMMAND_CHANNEL)
            manager.publish_search_space({"error": {"_type": "choice", "_value": text.splitlines()}})
        except EdnasError as error:
            _log.warning("%s", error)
        self.report_error(text)


def _orphaned() -> bool:
    """Whether NNI's manager that started this process is gone; False where processes cannot be looked at."""
    return sys.platform == "linux" and manager_of(os.getppid()) is None


def _own_manager(experiment: str) -> Manager:
    """REST access to the manager that started this process; ExperimentError: another experiment answers on its port."""
    from ednas_nni.bridge.manager.rest import Manager

    rest = Manager.of_channel(dispatcher_env_vars.NNI_TUNER_COMMAND_CHANNEL)
    answered = rest.experiment()["id"]
    if answered != experiment:
        raise ExperimentError(
            f"this is the Advisor of experiment {experiment}, but experiment {answered} answers at {rest.base}: two "
            "starts took one port. Nothing was trained. Start again with `ednas search FILE.yml`, which keeps starts "
            "apart."
        )
    return rest


def _experiment_parameters() -> Experiment:
    """The experiment's whole configuration, which NNI passes on the command line."""
    encoded = sys.argv[sys.argv.index("--exp_params") + 1]
    experiment: Experiment = json.loads(base64.b64decode(encoded))
    return experiment


def _leave_with(parent: int) -> None:
    """End when NNI's manager is gone; NNI itself keeps retrying a dead socket for up to 90 s."""
    manager = manager_of(parent)
    if manager is None or sys.platform != "linux":  # only there a process can be waited for
        return
    try:
        descriptor = os.pidfd_open(manager.pid)
    except OSError:
        return
    select.select([descriptor], [], [])
    _log.error(
        "NNI's manager (process %d) is gone; the Advisor ends. `ednas resume` continues the search.", manager.pid
    )
    logging.shutdown()
    os._exit(1)
