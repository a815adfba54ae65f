"""Bounded patience: a strategy that proposes nothing new is stopped with a reason instead of spinning."""

from __future__ import annotations

from collections import Counter

from ednas_nni.errors import StudyError


class Patience:
    """Counts proposals in a row that led to no training. Shared by the middlewares of one chain.

    Args:
        limit: How many are too many, >= 1.
    """

    def __init__(self, limit: int = 300) -> None:
        if limit < 1:
            raise StudyError(f"patience is {limit}; it must be at least 1.")
        self.limit = limit
        self._misses: Counter[str] = Counter()

    def hit(self) -> None:
        """A new architecture goes to training, or a resumed search walks through its past."""
        self._misses.clear()

    def miss(self, kind: str) -> None:
        """A proposal led to nothing; `kind` says why in a few words."""
        self._misses[kind] += 1

    @property
    def exhausted(self) -> bool:
        """Whether the search should end."""
        return self._misses.total() >= self.limit

    @property
    def reason(self) -> str:
        """Why it should end; empty while it may go on."""
        if not self.exhausted:
            return ""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self._misses.most_common())
        return (
            f"the strategy made {self._misses.total()} proposals in a row that led to no training ({kinds}). "
            "It has run out of new feasible architectures; relax a constraint, widen the space or use another "
            "strategy."
        )
