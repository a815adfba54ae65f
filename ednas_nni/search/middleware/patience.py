"""Bounded patience: a search that gets nowhere is stopped with a reason instead of spinning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ednas_nni.errors import StudyError
from ednas_nni.record import failures

REMEDIES = {
    failures.DISK_FULL: "make room",
    failures.DIVERGED: "lower the learning rate",
    failures.ERROR: "its traceback is in the log of the trial",
    failures.HOST_LOST: "see whether it runs, and `ednas check` of the study",
    failures.KILLED: "the machine may be short of memory: lower trialConcurrency or batch_size",
    failures.OUT_OF_MEMORY: "lower trialConcurrency, batch_size or train_size",
    failures.TIME_LIMIT: "raise trial_time_limit_s or train for fewer steps",
    failures.TRIAL_SERVER: "see trial_server.log, or write `trial_start: plain`",
    failures.UNDELIVERED: "see nnimanager.log",
}


class Patience:
    """Counts proposals in a row that led to no training, and failures before the first success.

    Shared by the middlewares of one chain.

    Args:
        limit: How many proposals in a row are too many, >= 1.
        plateau: Tells after each result why the search should end although it has trials left; "" = it should not.
        first_failures: After how many failed trials without any trained one the search is given up; 0 = never. Trials
            of earlier sessions do not count: their cause may have been removed.
    """

    def __init__(self, limit: int = 300, first_failures: int = 0, plateau: Callable[[], str] = str) -> None:
        if limit < 1:
            raise StudyError(f"patience is {limit}; it must be at least 1.")
        self.limit = limit
        self.first_failures = first_failures
        self._misses: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()
        self._succeeded = False
        self._plateau, self._flat = plateau, plateau()

    def hit(self) -> None:
        """A new architecture goes to training, or a resumed search walks through its past."""
        self._misses.clear()

    def miss(self, kind: str) -> None:
        """A proposal led to nothing; `kind` says why in a few words."""
        self._misses[kind] += 1

    def ended(self, status: str, cause: str) -> None:
        """A trial ended, as the journal says; cancelled ones tell nothing."""
        self._succeeded = self._succeeded or status == "trained"
        self._flat = self._flat or self._plateau()
        if status == "failed" and not self.hopeless:
            self._causes[cause] += 1

    @property
    def hopeless(self) -> bool:
        """Whether the first trials have all failed."""
        return not self._succeeded and 0 < self.first_failures <= self._causes.total()

    @property
    def exhausted(self) -> bool:
        """Whether the search should end."""
        return self.hopeless or bool(self._flat) or self._misses.total() >= self.limit

    @property
    def reason(self) -> str:
        """Why it should end; empty while it may go on."""
        if self.hopeless:
            total = self._causes.total()
            (cause, count), *_ = self._causes.most_common(1)
            share = "all" if count == total else f"{count} of {total}"
            remedy = REMEDIES[failures.kind(cause)]
            return (
                f"the first {total} trials failed, {share} with: {cause} ({remedy}). The search is stopped before it "
                "burns its budget (stop_after_failures); remove the cause, then resume it or start a new one."
            )
        if self._flat or not self.exhausted:
            return self._flat
        kinds = ", ".join(f"{count} {kind}" for kind, count in self._misses.most_common())
        return (
            f"the strategy made {self._misses.total()} proposals in a row that led to no training ({kinds}). "
            "It has run out of new feasible architectures; relax a constraint, widen the space or use another "
            "strategy."
        )
