"""What every search does with its journal, whoever drives it: begin, catch up, adopt, save, end."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from ednas_nni.bridge.catching_up import LOST, CatchingUp, CaughtUp
from ednas_nni.bridge.head import write_head
from ednas_nni.bridge.trial.folder import TrialFolders
from ednas_nni.compat.nas import ExecutableModelSpace
from ednas_nni.compat.nas_search import Chain
from ednas_nni.record import events
from ednas_nni.record.events import Status
from ednas_nni.record.journal import FILE, FOLDER, History, Journal, TrialRecord
from ednas_nni.record.parameters import TrialParameters, key_in
from ednas_nni.record.reports import submitted
from ednas_nni.record.whole_file import write_whole
from ednas_nni.search.assembled import Assembled
from ednas_nni.search.front_weights import FrontWeights
from ednas_nni.search.middleware.outcomes import attempts_owed
from ednas_nni.search.middleware.record import Record
from ednas_nni.search.mounting import recorder
from ednas_nni.search.shell import AskTellStrategy
from ednas_nni.search.taking_over import take_over

_log = logging.getLogger("nni.ednas")

STATE = "strategy.json"
"""The state of one of our strategies, beside the journal."""


class Session:
    """A study, the journal of its search, and the chain between strategy and engine.

    Attributes:
        folder: The experiment's, `<experiments>/<id>`.
        journal: The open journal; its file is made when something is written.
        logs: What trials left in their folders.
        weights: Of the front's networks.
        chain: The mounted strategy; from `mount` on.
    """

    chain: Chain

    def __init__(self, assembled: Assembled, folder: Path) -> None:
        self.assembled = assembled
        self.folder = folder
        self.journal = Journal(folder / FOLDER / FILE)
        self.logs = TrialFolders(folder)
        self.weights = FrontWeights(self.journal, assembled.study.keep_weights)
        self._finishing = threading.Lock()

    @property
    def record(self) -> Record:
        """The middleware that books trials."""
        return recorder(self.chain)

    def mount(self) -> Chain:
        """Put the strategy into its chain."""
        self.chain, strategy = self.assembled.mount(self.journal), self.assembled.strategy
        if self.assembled.study.start_from and isinstance(strategy, AskTellStrategy) and self.assembled.reward is None:
            tell(strategy, self.journal.history(), self.assembled.study.retries)
        return self.chain

    def write_head(self, engine: str, concurrency: int | None, trials: int | None) -> None:
        """Write or check the journal's head."""
        write_head(
            self.journal, self.folder.name, self.assembled, engine=engine, concurrency=concurrency, trials=trials
        )
        if not self.journal.history().own:  # a kill may have come in between
            take_over(self.journal, self.assembled)

    def catch_up(self, jobs: Iterable[Mapping[str, Any]] = (), finals: Mapping[str, Any] | None = None) -> CaughtUp:
        """Book what is known outside of the journal; see `CatchingUp`."""
        late = CatchingUp(self.journal, self.key_in, self._submitted, self.logs.last_words, self.logs.result)
        return late.run(jobs, finals or {})

    def key_in(self, parameters: object) -> str | None:
        """What a training is told by; see `ednas_nni.record.parameters.key_in`."""
        return key_in(self.assembled.problem.domains, parameters)

    def _submitted(self, trial: int, parameters: dict[str, Any]) -> events.Submitted:
        problem = self.assembled.problem
        asked = TrialParameters.of(parameters, problem.domains)
        return submitted(trial, asked, problem.domains, problem.cost_dict(asked.sample))

    def open_trials(self) -> list[TrialRecord]:
        """Trials of the journal that have not ended."""
        return [trial for trial in self.journal.history().all_trials if trial.status == "running"]

    def adopt(self, model: ExecutableModelSpace) -> int | None:
        """Take over a job that this process did not submit: its results must be booked all the same.

        Returned is the number of its trial; None for one that the journal did not know, such as a job added by hand.
        """
        key = self.key_in(model.sample)
        # A trial that runs in this session has its job; the other one is a copy of it, made by hand.
        taken = self.record.trials_in_flight()
        waiting = [trial for trial in reversed(self.open_trials()) if trial.trial not in taken]
        number = next((trial.trial for trial in waiting if trial.key == key), None)
        self.record.adopt(model, number)
        return number

    def lose(self, alive: Container[str] = ()) -> None:
        """End trials that nobody runs any more, and that will never end by themselves; `alive` are keys."""
        for trial in self.open_trials():
            if trial.key not in alive:
                status: Status = "pruned" if trial.pruning else "cancelled"
                cause = trial.pruning or LOST
                self.journal.append(events.Ended(trial=trial.trial, job=trial.job, status=status, cause=cause))

    def save(self) -> None:
        """After a trial: keep the state of one of our strategies, and the weights of the front.

        A disk that is full costs no search, as the journal alone tells enough: it is logged.
        """
        strategy = self.assembled.strategy
        if isinstance(strategy, AskTellStrategy):  # NNI's are replayed from the journal instead
            try:
                write_whole(self.folder / FOLDER / STATE, json.dumps(strategy.state_dict()))
            except OSError as error:
                _log.warning("the strategy's state is not saved (%s); a resume rebuilds it from the journal", error)
        self.weights.settle()

    def restore(self) -> None:
        """Continue one of our strategies from its saved state and from what the journal knows beyond it.

        A state that is damaged or of another version is logged and left out: the journal alone tells enough.
        """
        strategy, path = self.assembled.strategy, self.folder / FOLDER / STATE
        if not isinstance(strategy, AskTellStrategy):
            return
        try:
            strategy.load_state_dict(json.loads(path.read_text(encoding="utf-8")))
            _log.info("strategy state restored from %s", path)
        except FileNotFoundError:
            _log.info("there is no strategy state yet; the strategy starts from the journal")
        except Exception as error:  # whatever a damaged file leads to
            _log.warning("%s is not used (%s: %s); the journal is", path, type(error).__name__, error)
            strategy.start_again()  # the old core may be half loaded
        if self.assembled.reward is None:  # with a reward around it, a strategy does not see what the journal holds
            tell(strategy, self.journal.history(), self.assembled.study.retries)

    def finish(self, reason: str) -> bool:
        """Say in the journal why the search ended, once, whichever thread comes first; whether this call did."""
        with self._finishing:
            if self.journal.history().finished is not None:
                return False
            self.journal.append(events.Finished(reason=reason))
            return True


def tell(strategy: AskTellStrategy, history: History, retries: int) -> None:
    """What trials came to: the state is saved after one has ended, and trials also end while nobody listens.

    What was lost, or failed by accident and may be tried again (`retries` times), is proposed once more.
    """
    (core, problem), owed = strategy.bound(), attempts_owed(history, retries)
    for record in history.trials:
        if record.status == "running" or record.cause == LOST or record.architecture in owed:
            continue
        values, cause = None, record.cause
        if record.status == "trained" and record.quality is not None:
            values, cause = problem.values(record.metrics, record.costs)
        core.tell(record.sample, values, cause)
