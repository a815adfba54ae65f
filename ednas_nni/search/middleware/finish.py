"""Finish: the last trials of a search train networks of its front once more, to be handed over.

A search compares architectures by one score each, inherited from a supernet or of a short training; the best of many
such scores is partly the luckiest. So a share of the experiment's trials is set aside: when the others are over, the
networks that lead the front are trained with fresh seeds and scored on images that no candidate has seen. Example, 200
trials with 6 networks x 2 seeds: the strategy is told that the budget is used up after 188; what of these leads is
finished, the first seed of all six, then the second.

They are trials like all others: NNI starts and shows them, Retry, Record and a resume treat them alike. What sets them
apart is their key in `Outcomes` and their list in the journal; this middleware lets nothing of them reach what lies
above, so no strategy learns from them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ednas_nni.compat.nas import ModelEvent, TrainingEndEvent
from ednas_nni.errors import StudyError
from ednas_nni.record import events
from ednas_nni.record.front import feasible, figures, leading
from ednas_nni.record.journal import Journal
from ednas_nni.record.parameters import FIRST_SEED, TrialParameters
from ednas_nni.search.middleware.forwarding import POLL_S, Forwarding, ModelEventType
from ednas_nni.search.middleware.outcomes import Outcomes
from ednas_nni.search.problem import Problem
from ednas_nni.study import FinishOptions

if TYPE_CHECKING:
    from ednas_nni.training.evaluator import Evaluator

_log = logging.getLogger("nni.ednas.finish")


@runtime_checkable
class Counted(Protocol):
    """An engine that knows its budget."""

    def trials_left(self) -> float:
        """How many trials it may still be given; infinite where nobody has set a limit, or none is known yet."""


class Finish(Forwarding):
    """Keeps the last trials of the budget for networks of the front, see above.

    Args:
        problem: Domains, objectives, constraints.
        journal: Tells the front, and what was finished before a resume.
        outcomes: Kept by Record.
        options: Of the study.
        evaluator: (seed, steps) -> what trains in this process; only asked where models carry their evaluator.
    """

    def __init__(
        self,
        problem: Problem,
        journal: Journal,
        outcomes: Outcomes,
        options: FinishOptions,
        evaluator: Callable[[int, int], Evaluator] | None = None,
    ) -> None:
        super().__init__()
        self.problem, self.journal, self.outcomes, self.options = problem, journal, outcomes, options
        self.reason = ""
        """What was finished; empty before."""
        self._evaluator = evaluator
        self._begun: set[str] = set()
        self._leading: tuple[int, list[str]] = (-1, [])

    def extra_repr(self) -> str:
        """Show the options."""
        return f"networks={self.options.networks}, steps={self.options.steps}, seeds={self.options.seeds}"

    def _initialize_engine(self, engine: object) -> None:
        for kind in (ModelEventType.IntermediateMetric, ModelEventType.FinalMetric, ModelEventType.TrainingEnd):
            self.engine.register_model_event_callback(kind, self._hold_back)
        if not isinstance(self.innermost, Counted):
            raise StudyError(f"finish: {type(self.innermost).__name__} cannot say how many trials are left.")

    def _left(self) -> float:
        engine = self.innermost
        assert isinstance(engine, Counted), "it was looked at when the chain was initialised"
        return engine.trials_left()

    def _hold_back(self, event: ModelEvent) -> None:
        if TrialParameters.of(event.model.sample).seed is None:
            return
        if isinstance(event, TrainingEndEvent):
            event.model.status = event.status  # what NNI does behind the last callback, unless one of them stops it
        event.stop_propagation()

    # ---- the search part

    def idle_worker_available(self) -> bool:
        """False as well once the search part of the budget is used up."""
        return self.spare() and self.engine.idle_worker_available()

    def budget_available(self) -> bool:
        """False as well once the search part of the budget is used up."""
        return self.spare() and self.engine.budget_available()

    def spare(self) -> bool:
        """Whether a trial more would leave enough to finish what is to be finished."""
        return self._left() > self._owed()

    def _owed(self) -> int:
        if not self._begun and not self.journal.history().finishing:
            return self.options.trials
        return len(self.missing())  # after a resume with more trials, another front may owe others

    # ---- the rest

    def missing(self) -> list[TrialParameters]:
        """Trainings of what leads the front now that were not begun, the first seed of each before any second."""
        history, outcomes = self.journal.history(), self.outcomes
        results = history.results
        if self._leading[0] != len(results):
            within = figures(feasible(results, self.problem.constraints))
            self._leading = len(results), leading(within, self.problem.objectives, self.options.networks)
        seeds = range(FIRST_SEED, FIRST_SEED + self.options.seeds)
        wanted = [
            TrialParameters(results[key].sample, seed, self.options.steps) for seed in seeds for key in self._leading[1]
        ]
        begun = self._begun | outcomes.running | outcomes.failed.keys()
        keys = [(asked, asked.key(self.problem.domains)) for asked in wanted]
        return [asked for asked, key in keys if key not in outcomes and key not in begun]

    def finish(self) -> None:
        """Train what is missing, and wait for it. Called when the strategy has ended."""
        self.engine.wait_models()  # NNI's strategies return while their last models are being trained
        for asked in self.missing():
            if not self._free():
                break
            model = self.model_space.freeze(asked.sample)
            model.sample = asked.whole()
            if model.evaluator is not None and self._evaluator is not None:
                model.evaluator = self._evaluator(asked.seed or 0, asked.steps or 0)
            self._begun.add(asked.key(self.problem.domains))
            self.engine.submit_models(model)
        self.engine.wait_models()
        self._conclude()

    def _free(self) -> bool:
        """Wait for a worker; False where no trial may be started any more."""
        while self._left() > 0 and self.engine.budget_available():
            if self.engine.idle_worker_available():
                return True
            time.sleep(POLL_S)
        return False

    def _conclude(self) -> None:
        history = self.journal.history()
        if finished := {r.architecture for r in history.finishing if r.status == "trained"}:
            some = "1 network of the front is" if len(finished) == 1 else f"{len(finished)} networks of the front are"
            self.reason = f"{some} finished"
        keys = {kind: {r.key for r in history.finishing if r.status == kind} for kind in ("trained", "failed")}
        failed = len(keys["failed"] - keys["trained"])  # every attempt is a trial of its own
        used_up = self._left() <= 0  # else NNI was stopped: a resume goes on
        late = len(self.missing()) if used_up else 0
        if lacking := [f"{n} {what}" for n, what in ((failed, "failed"), (late, "found no trial left")) if n]:
            text = f"finish: of its trainings {' and '.join(lacking)}; `ednas confirm` does what is missing."
            self.journal.append(events.Note(kind="finish", text=text))
