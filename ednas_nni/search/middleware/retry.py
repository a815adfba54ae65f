"""Retry: trials that failed by accident of the machine are started again, a bounded number of times."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from ednas_nni.compat.nas import TrainingEndEvent
from ednas_nni.errors import StudyError
from ednas_nni.record.failures import kind, passing
from ednas_nni.record.journal import Journal
from ednas_nni.record.parameters import TrialParameters
from ednas_nni.search.middleware.forwarding import (
    ExecutableModelSpace,
    Forwarding,
    ModelEventType,
    ModelStatus,
    cause_of,
)
from ednas_nni.search.problem import Problem

_log = logging.getLogger("nni.ednas.retry")


class Retry(Forwarding):
    """Submits a model again whose trial failed for a passing reason (`ednas_nni.record.failures.PASSING`).

    Every attempt is a trial of its own in the journal, with its own cause; the strategy hears of the last one only. The
    seed is the study's, so an attempt trains what the one before would have trained. What an architecture itself brings
    about (an exception, divergence, the time limit) would happen again and is not tried again.

    Args:
        problem: For the architecture ids.
        journal: Counts attempts across resumes.
        limit: Further attempts per architecture, >= 0.
        spare: Whether a trial more may be spent on an attempt, beside the engine's limits.
    """

    def __init__(
        self, problem: Problem, journal: Journal, limit: int = 1, spare: Callable[[], bool] = lambda: True
    ) -> None:
        super().__init__()
        if limit < 0:
            raise StudyError(f"retries = {limit}: must be at least 0.")
        self.problem = problem
        self.limit = limit
        self._spare = spare
        failed = [t for t in journal.history().all_trials if t.status == "failed" and passing(t.cause)]
        self._failed = Counter(t.key for t in failed)

    def extra_repr(self) -> str:
        """Show the limit."""
        return f"limit={self.limit}"

    def _initialize_engine(self, engine: object) -> None:
        self.engine.register_model_event_callback(ModelEventType.TrainingEnd, self._on_end)

    def _on_end(self, event: TrainingEndEvent) -> None:
        cause = cause_of(event)
        if event.status is not ModelStatus.Failed or not passing(cause):
            return
        model: ExecutableModelSpace = event.model
        key = TrialParameters.of(model.sample, self.problem.domains).key(self.problem.domains)
        self._failed[key] += 1
        attempt = self._failed[key] + 1
        if attempt > self.limit + 1 or not self._room():
            return
        event.stop_propagation()
        _log.warning("%s is started again (attempt %d of %d): %s", key, attempt, self.limit + 1, kind(cause))
        model.status = ModelStatus.Frozen
        model.metrics.clear()
        self.engine.submit_models(model)

    def _room(self) -> bool:
        """Whether the engine takes one more trial within its limits."""
        engine = self.innermost
        # NNI's own engines cannot tell room from budget.
        return bool(getattr(engine, "room", engine.budget_available)()) and self._spare()
