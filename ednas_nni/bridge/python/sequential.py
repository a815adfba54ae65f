"""NNI's sequential engine with causes of failures and a time limit for each trial."""

from __future__ import annotations

from typing import Any

from ednas_nni.bridge.trial.limits import time_limit
from ednas_nni.compat.nas import SequentialExecutionEngine, TrainingEndEvent
from ednas_nni.record.failures import cause_of


class JournalledSequential(SequentialExecutionEngine):
    """As NNI's, but the end of a failed trial says why.

    Args:
        trial_time_limit_s: Seconds that a trial may take; None = no limit. It is looked at between steps: this process
            is not ended.
        **limits: As NNI's.

    Attributes:
        saves: Whether the strategy's state is kept after every trial.
    """

    def __init__(self, trial_time_limit_s: float | None = None, **limits: Any) -> None:
        super().__init__(**limits)
        self._limit_s = trial_time_limit_s
        self._causes: dict[int, str] = {}
        self.saves = False

    def _run_single_model(self, model: Any) -> None:
        execute = model.execute

        def with_limit() -> Any:
            try:
                with time_limit(self._limit_s, kill=False):
                    return execute()
            except Exception as error:
                self._causes[id(model)] = cause_of(error)
                raise

        model.execute = with_limit  # of this object, so that NNI's own code stays the one that runs
        try:
            super()._run_single_model(model)
        finally:
            model.__dict__.pop("execute", None)

    def dispatch_model_event(self, event: Any, **fields: Any) -> Any:
        """Add the cause."""
        if isinstance(event, TrainingEndEvent):
            event.cause = self._causes.pop(id(event.model), "")
            event.model.__dict__.pop("execute", None)
        return super().dispatch_model_event(event, **fields)
