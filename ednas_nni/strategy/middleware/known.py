"""What a search knows about architectures: results so far and what runs now. Shared by Record and Reuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ednas_nni.journal import History


@dataclass(frozen=True)
class Result:
    """The result that stands for an architecture.

    Attributes:
        trial: The trial that produced it.
        metrics: Flat numbers with `default`, as reported (never a reward).
    """

    trial: int
    metrics: dict[str, float]


class Known:
    """Architecture id -> result, and the ids that are being trained.

    Args:
        history: Results of earlier sessions of the same journal.
    """

    def __init__(self, history: History | None = None) -> None:
        self._results: dict[str, Result] = {}
        self.running: set[str] = set()
        for architecture, record in (history.results if history is not None else {}).items():
            self._results[architecture] = Result(record.trial, numbers(record.metrics))

    def __contains__(self, architecture: str) -> bool:
        return architecture in self._results

    def __getitem__(self, architecture: str) -> Result:
        return self._results[architecture]

    def get(self, architecture: str) -> Result | None:
        """The result, or None."""
        return self._results.get(architecture)

    def add(self, architecture: str, trial: int, metrics: dict[str, float]) -> None:
        """Book a result; the first one of an architecture stands."""
        self._results.setdefault(architecture, Result(trial, dict(metrics)))


def numbers(metrics: dict[str, object]) -> dict[str, float]:
    """The numeric part of a metric dict."""
    return {k: float(v) for k, v in metrics.items() if isinstance(v, int | float) and not isinstance(v, bool)}
