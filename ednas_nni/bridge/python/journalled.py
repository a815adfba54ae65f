"""NNI's `NasExperiment`, driven as nnictl's Advisor drives a search: same engine, same journal, same trials."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import Popen
from typing import TYPE_CHECKING, Any, cast

from nni.experiment import RunMode
from nni.experiment.config import LocalConfig
from nni.runtime.tuner_command_channel import CommandType, TunerCommandChannel

from ednas_nni.bridge.catching_up import LOST
from ednas_nni.bridge.engine import OPEN, AdvisorEngine
from ednas_nni.bridge.manager import orphans
from ednas_nni.bridge.manager.launch import Running, find, hold_start
from ednas_nni.bridge.manager.places import make_experiment_folder
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.bridge.search import STOPPED, Search
from ednas_nni.bridge.session import Session
from ednas_nni.bridge.trial.limits import time_limit
from ednas_nni.compat.nas import ExecutableModelSpace, ModelEventType, SequentialExecutionEngine, TrainingEndEvent
from ednas_nni.compat.nas_search import NasExperiment, NasExperimentConfig, SequentialEngineConfig
from ednas_nni.errors import ExperimentError
from ednas_nni.record.events import LIMITS, NOTHING_LEFT
from ednas_nni.record.failures import cause_of
from ednas_nni.record.journal import Journal, journal_path
from ednas_nni.search.assembled import Assembled
from ednas_nni.search.checks import check_finish
from ednas_nni.search.mounting import reason

if TYPE_CHECKING:
    from torch import nn

_log = logging.getLogger("ednas")

LAST_MESSAGES_S = 10.0
MESSAGES = {
    CommandType.AddCustomizedTrialJob: "recover",
    CommandType.RequestTrialJobs: "ready",
    CommandType.ReportMetricData: "metric",
    CommandType.TrialEnd: "end",
}
"""Commands of NNI's manager -> what a `Search` calls them; others say nothing to it."""


class ProgramEngine(AdvisorEngine):
    """As the Advisor's, but the search ends with NNI's limits, since the program waits for it."""

    def budget_available(self) -> bool:
        """Whether NNI would start one more trial, now or later."""
        limits = self._refreshed()
        return super().budget_available() and (limits is None or limits.status in OPEN)

    def wait_models(self, *models: ExecutableModelSpace) -> None:
        """Wait until the given models (or all) ended, the experiment stops, or NNI will start none of the others.

        NNI says with a delay that `max_trial_number` is reached, so a strategy may have submitted one model too many.
        """
        while not self._stopped and any(not m.status.completed() for m in models or self.list_models()):
            if self.exhausted:
                return
            time.sleep(0.2)


class ProgramSearch(Search):
    """A search whose strategy runs in the user's own program."""

    make_engine = ProgramEngine
    failure: Exception | None = None

    def listen(self, channel: TunerCommandChannel) -> None:
        """Pass on what NNI's manager says until it ends; an error ends the search, for which `run` raises it."""
        try:
            while not self.stopping:
                command, data = channel._receive()
                if command is None or command is CommandType.Terminate:
                    break
                if command is CommandType.Initialize:
                    channel.send_initialized()
                elif command in MESSAGES:
                    self.on_message(MESSAGES[command], json.loads(data) if data else None)
        except Exception as error:
            _log.exception("a message of NNI's manager could not be taken in; the search ends")
            self.failure = error
        self.stop()

    def run(self) -> str:
        """Run the strategy to its end, and wait for what it has submitted. Returns why it ended."""
        self._ready.wait()
        self.chain.run()
        exhausted_at = float("inf")  # NNI's status may be ahead of the last messages
        while self.record.pending() and not self.stopping and time.monotonic() < exhausted_at + LAST_MESSAGES_S:
            if self.engine.exhausted:
                exhausted_at = min(exhausted_at, time.monotonic())
            time.sleep(0.1)
        if self.failure is not None:
            raise self.failure
        if self.stopping:
            return STOPPED
        self.lose()  # what was submitted beyond `max_trial_number` never starts
        text = reason(self.chain) or (NOTHING_LEFT if self.engine.room() else LIMITS)
        self.finish(text)
        return text


class JournalledSequential(SequentialExecutionEngine):
    """As NNI's, but the end of a failed trial says why.

    A trial may take `trial_time_limit_s` seconds (None = no limit), which is looked at between steps: this process is
    not ended. `trained` is called with sample and network after each training; further limits are NNI's.

    Attributes:
        saves: Whether the strategy's state is kept after every trial.
    """

    def __init__(
        self,
        trial_time_limit_s: float | None = None,
        trained: Callable[[Mapping[str, Any], nn.Module], None] | None = None,
        **limits: Any,
    ) -> None:
        super().__init__(**limits)
        self._limit_s = trial_time_limit_s
        self._trained = trained
        self._causes: dict[int, str] = {}
        self.saves = False

    def _run_single_model(self, model: Any) -> None:
        execute, build = model.execute, model.executable_model
        networks = []

        def noted() -> Any:
            networks.append(build())
            return networks[-1]

        def with_limit() -> Any:
            try:
                with time_limit(self._limit_s, kill=False):
                    result = execute()
                if self._trained is not None and networks:
                    self._trained(model.sample, networks[-1])
                return result
            except Exception as error:
                self._causes[id(model)] = cause_of(error)
                raise

        # Of this object, so that NNI's own code stays the one that runs.
        model.execute, model.executable_model = with_limit, noted
        try:
            super()._run_single_model(model)
        finally:
            self._as_before(model)

    def trials_left(self) -> float:
        """How many models it may still run; infinite without a limit."""
        return float("inf") if self.max_model_count is None else max(0, self.max_model_count - self._model_count)

    @staticmethod
    def _as_before(model: Any) -> None:
        for name in ("execute", "executable_model"):
            model.__dict__.pop(name, None)

    def dispatch_model_event(self, event: Any, **fields: Any) -> Any:
        """Add the cause."""
        if isinstance(event, TrainingEndEvent):
            event.cause = self._causes.pop(id(event.model), "")
            self._as_before(event.model)
        return super().dispatch_model_event(event, **fields)


class JournalledExperiment(NasExperiment):
    """A `NasExperiment` whose strategy is a mounted chain, and whose journal is its checkpoint.

    NNI's own checkpoint (`state.ckpt`, a pickle that is written at the start and the end only) is not used: one of our
    strategies has its JSON state, saved after every trial; NNI's are started again with the same seed and answered from
    the journal. On the training service, NNI's manager is spoken to as under nnictl. NNI makes up an `id` by default.
    """

    _engine: Any

    def __init__(self, assembled: Assembled, config: NasExperimentConfig, id: str | None = None) -> None:
        _ = assembled.reward  # what is wrong is said here, not when the experiment starts
        assembled.check_reachable()
        check_finish(assembled, config.max_trial_number)
        super().__init__(assembled.space, assembled.checked_evaluator, assembled.strategy, config, id=id)
        self.assembled = assembled
        working = Path(self.config.canonical_copy().experiment_working_directory)
        self.folder = journal_path(working, self.id).parents[1]
        self.session = Session(assembled, self.folder)
        self._listening: threading.Thread | None = None
        self._running: Running | None = None

    @property
    def journal(self) -> Journal:
        """Its open journal. The file is made when the experiment starts."""
        return self.session.journal

    def run(self, port: int | None = None, wait_completion: bool = True, debug: bool = False) -> bool | None:
        """As NNI's; without a port a free one is chosen."""
        return super().run(port, wait_completion, debug)

    def resume(self, port: int | None = None, wait_completion: bool = True, debug: bool = False) -> bool | None:
        """As NNI's; without a port a free one is chosen."""
        return super().resume(port, wait_completion, debug)

    def start(self, port: int | None = None, debug: bool = False, run_mode: RunMode = RunMode.Background) -> None:
        """As NNI's, where nobody else writes the journal; without a port a free one is chosen."""
        make_experiment_folder(self.folder)
        self.journal.hold()
        here = not self._nni_manager_required() or isinstance(self.config.training_service, LocalConfig)
        self.assembled.prepare(here)
        super().start(port, debug, run_mode)

    def _start_nni_manager(self, port: int | None, *args: Any, **kwargs: Any) -> None:
        if self._action == "resume":
            self._end_earlier()

        def begin(port: int) -> Popen[bytes]:
            own(port, *args, **kwargs)
            return cast("Popen[bytes]", self._proc)

        own, hosts = super()._start_nni_manager, "" if self.assembled.study.allow_open_port else None
        self._running = hold_start(self.id, self.folder, begin, port, open_to=hosts)

    def _stop_nni_manager(self) -> None:
        if self._running is not None:  # with a deadline, which NNI does not have
            self._running.stop()
        self._proc = self._running = None
        self.port = None

    def _end_earlier(self) -> None:
        """What a killed process has left running: its manager, and trials."""
        earlier = find(self.id)
        if earlier is not None:
            _log.warning("NNI's manager of the earlier process (%d) still runs and is ended", earlier.process.pid)
            earlier.process.end()
        for job in orphans.end_all(self.folder, None):
            _log.warning("job %s of an earlier manager still ran and was ended; a result that it kept counts", job)

    def _start_engine_and_strategy(self) -> None:
        if self._action == "resume" and self.journal.history().head is None:
            raise ExperimentError(f"{self.journal.path}: there is no journal to go on with. Start a new experiment.")
        if self._nni_manager_required():
            self._search()
            return
        self.session.write_head("sequential", 1, self.config.max_trial_number)
        self.strategy = self.session.mount()
        super()._start_engine_and_strategy()

    # ---- on the training service

    def _search(self) -> None:
        channel = TunerCommandChannel(self.tuner_command_channel)
        channel.connect()
        assert self.port is not None  # it was started
        manager = Manager.at(self.port, self.url_prefix)
        search = ProgramSearch(
            self.assembled,
            self.folder,
            manager,
            send_job=lambda record: channel._send(CommandType.NewTrialJob, json.dumps(record)),
            resumed=self._action == "resume",
            end_job=lambda job: channel._send(CommandType.KillTrialJob, json.dumps(job)),
        )
        search.journal = self.journal  # which is held since the start
        search.prepare("ts", self.config.trial_concurrency, self.config.max_trial_number)
        self.session, self.strategy = search, search.chain
        self._engine, self._exec_model_space = search.engine, search.executable
        self._listening = threading.Thread(target=search.listen, args=(channel,), daemon=True, name="messages")
        self._listening.start()
        search.publish_space()
        if search.run() != STOPPED:
            self.journal.history().check_results()

    def stop(self) -> None:
        """As NNI's; the last messages of its manager are taken in."""
        super().stop()
        if self._listening is not None:
            self._listening.join(LAST_MESSAGES_S)
        self.journal.release()

    # ---- in this process

    def execution_engine_factory(self, config: Any) -> Any:
        """NNI's sequential engine, with what a journal needs to know."""
        if not isinstance(config, SequentialEngineConfig):
            return super().execution_engine_factory(config)
        trials = config.max_model_count
        if trials is not None:  # those of earlier processes count too
            done = [t for t in self.journal.history().own if t.status != "running" and t.cause != LOST]
            trials = max(0, trials - len(done))
        return JournalledSequential(
            self.assembled.study.trial_time_limit_s,
            self._keep_weights,
            max_model_count=trials,
            max_duration=config.max_duration,
            continue_on_failure=config.continue_on_failure,
        )

    def _keep_weights(self, sample: Mapping[str, Any], network: nn.Module) -> None:
        if (key := self.session.key_in(sample)) is not None:
            self.session.weights.write(key, network)

    def _wait_completion(self) -> bool:
        if self._nni_manager_required():
            return True  # the strategy ends when all of its trials have
        done = super()._wait_completion()
        self.session.lose()
        self.session.finish(reason(self.strategy) or (NOTHING_LEFT if self._engine.budget_available() else LIMITS))
        self.journal.history().check_results()
        return done

    def save_checkpoint(self) -> None:
        """Before the search in this process: its strategy's state is kept from then on, after every trial."""
        if isinstance(self._engine, JournalledSequential) and not self._engine.saves:
            self._engine.saves = True  # the last one to hear of an end, so that the state knows it
            self._engine.register_model_event_callback(ModelEventType.TrainingEnd, lambda event: self.session.save())
        if isinstance(self._engine, JournalledSequential):
            self.session.save()

    def load_checkpoint(self) -> None:
        """Go on from the journal. NNI calls this before there is an engine, too; then there is nothing to do."""
        if isinstance(self._engine, JournalledSequential):
            self.session.catch_up()
            self.session.lose()
            self.session.restore()
