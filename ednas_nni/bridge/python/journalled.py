"""NNI's `NasExperiment` with a journal as its checkpoint."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from nni.tools.nnictl.config_utils import Experiments

from ednas_nni.bridge import saved
from ednas_nni.bridge.catching_up import ENDED, LOST, CatchingUp, CaughtUp
from ednas_nni.bridge.head import write_head
from ednas_nni.bridge.manager import exposure, orphans
from ednas_nni.bridge.manager.processes import Process, manager_of
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.bridge.python.engine import JournalledEngine, open_jobs
from ednas_nni.bridge.python.sequential import JournalledSequential
from ednas_nni.bridge.trial.folder import TrialFolders
from ednas_nni.compat.nas import ModelEventType
from ednas_nni.compat.nas_search import (
    NasExperiment,
    NasExperimentConfig,
    SequentialEngineConfig,
    TrainingServiceEngineConfig,
)
from ednas_nni.errors import ExperimentError
from ednas_nni.record import events
from ednas_nni.record.journal import Journal, journal_path
from ednas_nni.search.assembled import Assembled
from ednas_nni.search.mounting import layers, reason

_log = logging.getLogger("ednas")

LAST_MESSAGES_S = 10.0


class JournalledExperiment(NasExperiment):
    """A `NasExperiment` whose strategy is a mounted chain, and whose journal is its checkpoint.

    NNI's own checkpoint (`state.ckpt`, a pickle that is written at the start and the end only) is not used: one of our
    strategies has its JSON state, saved after every trial; NNI's are started again with the same seed and answered from
    the journal.

    Args:
        assembled: The study.
        config: NNI's configuration of the engine and the limits.
        id: Of an earlier experiment, or of this one; NNI makes one up by default.

    Attributes:
        journal: Its open journal. The file is made when the experiment starts.
    """

    def __init__(self, assembled: Assembled, config: NasExperimentConfig, id: str | None = None) -> None:
        super().__init__(assembled.space, assembled.checked_evaluator, assembled.strategy, config, id=id)
        self.assembled = assembled
        # The journal's place follows from the experiment's id, and the chain needs the journal.
        folder = Path(self.config.canonical_copy().experiment_working_directory)
        self.journal = Journal(journal_path(folder, self.id))
        self.strategy = assembled.mount(self.journal)
        self._saving = False

    @property
    def folder(self) -> Path:
        """The experiment's folder, `<experiments>/<id>`."""
        return self.journal.path.parents[1]

    # ---- start and end

    def _start_nni_manager(self, *args: Any, **kwargs: Any) -> None:
        if self._action == "resume":
            self._end_earlier()
        with exposure.guarded(self.assembled.study.allow_open_port):
            super()._start_nni_manager(*args, **kwargs)

    def _end_earlier(self) -> None:
        """What a killed process has left running: its manager, and trials."""
        known = Experiments().get_all_experiments().get(self.id, {}).get("pid")
        manager = manager_of(known) if isinstance(known, int) else None
        if manager is not None and self.id.encode() in Path(f"/proc/{manager.pid}/cmdline").read_bytes():
            _log.warning("NNI's manager of the earlier process (%d) still runs and is ended", manager.pid)
            Process.end(manager)
        for job in orphans.end_all(self.folder, None):
            _log.warning("job %s of an earlier manager still ran and was ended; a result that it kept counts", job)

    def execution_engine_factory(self, config: Any) -> Any:
        """NNI's engines, with what a journal needs to know."""
        if isinstance(config, TrainingServiceEngineConfig):
            return JournalledEngine(self, self.folder)
        if not isinstance(config, SequentialEngineConfig):
            return super().execution_engine_factory(config)
        trials = config.max_model_count
        if trials is not None:  # those of earlier processes count too
            done = [t for t in self.journal.history().trials if t.status != "running" and t.cause != LOST]
            trials = max(0, trials - len(done))
        return JournalledSequential(
            self.assembled.study.trial_time_limit_s,
            max_model_count=trials,
            max_duration=config.max_duration,
            continue_on_failure=config.continue_on_failure,
        )

    def _start_engine_and_strategy(self) -> None:
        if self._action == "resume" and self.journal.history().head is None:
            raise ExperimentError(f"{self.journal.path}: there is no journal to go on with. Start a new experiment.")
        engine = self.config.execution_engine.name
        write_head(
            self.journal,
            self.id,
            self.assembled,
            engine=engine,
            concurrency=1 if engine == "sequential" else self.config.trial_concurrency,
            trials=self.config.max_trial_number,
        )
        super()._start_engine_and_strategy()

    def _wait_completion(self) -> Any:
        done = super()._wait_completion()
        # NNI waits for its own status, which can be ahead of the last messages.
        end = time.monotonic() + LAST_MESSAGES_S
        while layers(self.strategy)[-1].pending() and time.monotonic() < end:
            time.sleep(0.1)
        # NNI's engine learns late that `max_trial_number` is reached: what was submitted beyond it never starts.
        for trial in [t for t in self.journal.history().trials if t.status == "running"]:
            self.journal.append(events.Ended(trial=trial.trial, job=trial.job, status="cancelled", cause=LOST))
        if self.journal.history().finished is None:
            text = reason(self.strategy) or "every trial that the experiment's limits allow has ended"
            self.journal.append(events.Finished(reason=text))
        return done

    # ---- the journal as checkpoint

    def save_checkpoint(self) -> None:
        """The state of one of our strategies; the journal holds everything else already."""
        if self._engine is None:
            return
        if not self._saving:  # the last one to hear of an end, so that the state knows it
            self._saving = True
            self._engine.register_model_event_callback(ModelEventType.TrainingEnd, lambda event: self.save_checkpoint())
        saved.save(self.assembled.strategy, self.journal.path.with_name(saved.FILE))

    def load_checkpoint(self) -> None:
        """Go on from the journal. NNI calls this before there is an engine, too; then there is nothing to do.

        Raises:
            ExperimentError: NNI's manager does not answer.
        """
        if self._engine is None:
            return
        jobs, finals = self._jobs()
        logs = TrialFolders(self.folder)
        late = CatchingUp(self.journal, self.assembled.domains.known_id, self._described, logs.last_words, logs.result)
        found = late.run(jobs, finals)
        self._adopt(jobs, found)
        state = self.journal.path.with_name(saved.FILE)
        tell, retries = self.assembled.reward is None, self.assembled.study.retries
        saved.restore(self.assembled.strategy, state, self.journal.history(), tell=tell, retries=retries)

    def _jobs(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        if not isinstance(self._engine, JournalledEngine):
            return [], {}
        manager = Manager.at(self.port, self.url_prefix)
        return manager.trials(), manager.finals()

    def _adopt(self, jobs: list[dict[str, Any]], found: CaughtUp) -> None:
        """Trials that run again keep their numbers; those that nobody knows any more are lost."""
        again = open_jobs(jobs, found.jobs, ENDED, self._exec_model_space.freeze)
        if isinstance(self._engine, JournalledEngine):
            self._engine.adopt(again, found.jobs, sum(job["status"] not in ENDED for job in jobs))
        record = layers(self.strategy)[-1]
        trials = {t.architecture: t for t in self.journal.history().trials if t.status == "running"}
        for _, model in again.values():
            trial = trials.pop(self.assembled.domains.known_id(model.sample), None)
            record.adopt(model, None if trial is None else trial.trial)
        for trial in trials.values():
            self.journal.append(events.Ended(trial=trial.trial, job=trial.job, status="cancelled", cause=LOST))

    def _described(self, sample: dict[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
        complete = self.assembled.domains.complete(sample)
        return complete, self.assembled.problem.cost_dict(complete)
