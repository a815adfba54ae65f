"""Reuse: what is known is answered from the journal, what runs is waited for; nothing is trained twice."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict

from ednas_nni.compat.nas import TrainingEndEvent
from ednas_nni.record import events
from ednas_nni.record.journal import Journal
from ednas_nni.search.middleware.forwarding import (
    ExecutableModelSpace,
    Forwarding,
    ModelEventType,
    ModelStatus,
    cause_of,
)
from ednas_nni.search.middleware.outcomes import Outcomes
from ednas_nni.search.middleware.patience import Patience
from ednas_nni.search.middleware.record import STATUSES
from ednas_nni.search.problem import Problem

_log = logging.getLogger("nni.ednas.reuse")

# Beyond this many unanswered duplicates the strategy is told that no worker is free: proposing more of what is
# being trained would only burn its patience.
MAX_WAITING = 4


class Reuse(Forwarding):
    """Answers submissions of known architectures at once and of running ones when those end.

    Failures of earlier sessions are known as well. The first answer that a search gets for an architecture of the past
    is progress, since a resumed search replays its past; every further one costs patience.

    Args:
        problem: For the architecture ids.
        journal: Gets a `reused` event per answer.
        outcomes: Results and running architectures, kept by Record.
        patience: Ends the search when too many proposals in a row are known.
    """

    def __init__(
        self, problem: Problem, journal: Journal, outcomes: Outcomes, patience: Patience | None = None
    ) -> None:
        super().__init__()
        self.problem = problem
        self.journal = journal
        self.outcomes = outcomes
        self.patience = patience or Patience()
        self._waiting: dict[str, list[ExecutableModelSpace]] = defaultdict(list)
        self._answered: set[str] = set()
        self._lock = threading.RLock()

    def _initialize_engine(self, engine: object) -> None:
        self.engine.register_model_event_callback(ModelEventType.TrainingEnd, self._on_end)

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """Answer, hold or pass on."""
        for model in models:
            architecture = self._id(model)
            with self._lock:
                held = architecture not in self.outcomes and architecture in self.outcomes.running
                if held:
                    self._waiting[architecture].append(model)
            if held:
                self.patience.miss("that are being trained already")
            elif architecture in self.outcomes:
                self._count(architecture, "that are known already")
                self._answer(architecture, model)
            elif architecture in self.outcomes.failed:
                self._count(architecture, "that failed before")
                failure = self.outcomes.failed[architecture]
                self.journal.append(events.Reused(architecture=architecture, trial=failure.trial))
                _log.info(
                    "%s %s in trial %d and is not trained again: %s",
                    architecture, failure.status, failure.trial, failure.cause,
                )  # fmt: skip
                self._answer_end(model, STATUSES[failure.status], failure.cause)
            else:
                self._answered.add(architecture)  # its own trial is the first answer
                self.engine.submit_models(model)

    def idle_worker_available(self) -> bool:
        """False as well while too many duplicates wait."""
        with self._lock:
            waiting = sum(map(len, self._waiting.values()))
        return waiting < MAX_WAITING and self.engine.idle_worker_available()

    def budget_available(self) -> bool:
        """False as well when patience is exhausted."""
        return not self.patience.exhausted and self.engine.budget_available()

    def pending(self) -> int:
        """Duplicates that wait for their twin."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def _id(self, model: ExecutableModelSpace) -> str:
        domains = self.problem.domains
        return domains.architecture_id(domains.complete(model.sample))

    def _count(self, architecture: str, kind: str) -> None:
        if architecture in self._answered:
            self.patience.miss(kind)
        else:
            self._answered.add(architecture)
            self.patience.hit()

    def _answer_end(self, model: ExecutableModelSpace, status: ModelStatus, cause: str) -> None:
        answer = TrainingEndEvent(model, status)
        answer.cause = cause
        self.dispatch_model_event(answer)

    def _answer(self, architecture: str, model: ExecutableModelSpace) -> None:
        result = self.outcomes[architecture]
        # As Record does: evolution breeds from this sample, and a resumed search must breed as the first one did.
        model.sample = self.problem.domains.complete(model.sample)
        self.journal.append(events.Reused(architecture=architecture, trial=result.trial))
        _log.info("%s is known from trial %d and not trained again", architecture, result.trial)
        self.dispatch_model_event(ModelEventType.FinalMetric, model=model, metric=dict(result.metrics))
        self.dispatch_model_event(ModelEventType.TrainingEnd, model=model, status=ModelStatus.Trained)

    def _on_end(self, event: TrainingEndEvent) -> None:
        with self._lock:
            # Looked at under the lock: a twin may be about to queue up.
            if not self._waiting:
                return
            architecture = self._id(event.model)
            models = self._waiting.pop(architecture, [])
        for model in models:
            if architecture in self.outcomes:
                self._answer(architecture, model)
            else:
                self._answer_end(model, event.status, cause_of(event))
