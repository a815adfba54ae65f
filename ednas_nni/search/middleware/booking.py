"""A trial between its submission and its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from ednas_nni.record.events import Status
from ednas_nni.search.middleware.forwarding import ExecutableModelSpace, ModelStatus

STATUS_NAMES: dict[ModelStatus, Status] = {
    ModelStatus.Trained: "trained",
    ModelStatus.Interrupted: "cancelled",
    ModelStatus.Failed: "failed",
    ModelStatus.Invalid: "failed",
}
STATUSES: dict[Status, ModelStatus] = {
    "trained": ModelStatus.Trained,
    "cancelled": ModelStatus.Interrupted,
    "failed": ModelStatus.Failed,
}


@dataclass
class Booking:
    """A model on its way: which trial it is, and what has arrived for it."""

    model: ExecutableModelSpace = field(repr=False)
    trial: int
    architecture: str
    job: str | None = None
    steps: int = 0
    metrics: dict[str, float] | None = None
    fault: str = ""
    ran_other: str = ""
    """Another architecture which the job of this model proved to have trained."""
    delivered_by_other: bool = False
    over: bool = False
    """Its own job has ended."""

    @property
    def missing(self) -> str:
        """Why it has no result although its job ended."""
        return f"its job trained {self.ran_other} and no other job reported {self.architecture}"

    def outcome(self, status: Status, cause: str) -> tuple[Status, str]:
        """Status and cause of the trial, given those of its process.

        A final result that arrived counts whatever became of the process afterwards; without one the trial failed,
        also where the process ended well.
        """
        if self.metrics is not None:
            return "trained", ""
        if self.fault:
            return "failed", self.fault
        if self.ran_other:
            return "failed", self.missing
        if status == "trained":
            return "failed", "the trial ended without a final result"
        if status == "failed" and not cause:
            return status, "the trial failed without saying why; see its log"
        return status, cause
