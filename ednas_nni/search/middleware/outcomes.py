"""What came of architectures: results, failures of earlier sessions, what runs now. Shared by the middlewares.

Trainings that finish a network stand here under keys of their own (`ednas_nni.record.parameters`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ednas_nni.record.events import Status
from ednas_nni.record.failures import passing

if TYPE_CHECKING:
    from ednas_nni.record.journal import History


@dataclass(frozen=True)
class TrialResult:
    """The result that stands for an architecture: its trial, and flat numbers with `default` as reported."""

    trial: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class EarlierFailure:
    """How an architecture failed in an earlier session, or was pruned: in which trial last, and why."""

    trial: int
    cause: str
    status: Status = "failed"


class Outcomes:
    """Architecture id -> result, and the ids that are being trained.

    Args:
        history: Results and failures of earlier sessions of the same journal. Trials that were cancelled are neither:
            nothing is known about their architectures.
        retries: Further attempts that a failure for a passing reason allows.

    Attributes:
        running: Ids of what is being trained.
        failed: Id -> failure of an earlier session, or pruned trial. Failures of this session are not added: a strategy
            that proposes such an architecture again gets a second attempt, but a resumed search does not repeat them
            all.
    """

    def __init__(self, history: History | None = None, retries: int = 0) -> None:
        self._results: dict[str, TrialResult] = {}
        self.running: set[str] = set()
        self.failed: dict[str, EarlierFailure] = {}
        if history is None:
            return
        for architecture, record in history.results.items():
            self.add(architecture, record.trial, record.metrics)
        for record in history.finishing:
            if record.status == "trained" and record.quality is not None:
                self.add(record.key, record.trial, record.metrics)
        again = self._results.keys() | attempts_owed(history, retries)
        for record in history.all_trials:
            if record.status in ("failed", "pruned") and record.key not in again:
                self.failed[record.key] = EarlierFailure(record.trial, record.cause, record.status)

    def __contains__(self, architecture: str) -> bool:
        return architecture in self._results

    def __getitem__(self, architecture: str) -> TrialResult:
        return self._results[architecture]

    def add(self, architecture: str, trial: int, metrics: dict[str, float]) -> None:
        """Book a result; the first one of an architecture stands."""
        self._results.setdefault(architecture, TrialResult(trial, dict(metrics)))


def attempts_owed(history: History, retries: int) -> set[str]:
    """Architectures that failed for a passing reason only, and not more often than there are retries of each."""
    passed: Counter[str] = Counter()
    settled = set()
    for record in history.all_trials:
        if record.status == "failed" and passing(record.cause):
            passed[record.key] += 1
        elif record.status in ("failed", "trained", "pruned"):
            settled.add(record.key)
    return {architecture for architecture, count in passed.items() if count <= retries} - settled
