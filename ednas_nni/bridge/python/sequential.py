"""NNI's sequential engine with causes of failures and a time limit for each trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ednas_nni.bridge.trial.limits import time_limit
from ednas_nni.compat.nas import SequentialExecutionEngine, TrainingEndEvent
from ednas_nni.record.failures import cause_of

if TYPE_CHECKING:
    from torch import nn


class JournalledSequential(SequentialExecutionEngine):
    """As NNI's, but the end of a failed trial says why.

    A trial may take `trial_time_limit_s` seconds (None = no limit), which is looked at between steps: this process is
    not ended. `trained` is called with sample and network after each training; further limits are NNI's.

    Attributes:
        saves: Whether the strategy's state is kept after every trial.
    """

    def __init__(
        self,
        trial_time_limit_s: float | None = None,
        trained: Callable[[Mapping[str, Any], nn.Module], None] | None = None,
        **limits: Any,
    ) -> None:
        super().__init__(**limits)
        self._limit_s = trial_time_limit_s
        self._trained = trained
        self._causes: dict[int, str] = {}
        self.saves = False

    def _run_single_model(self, model: Any) -> None:
        execute, build = model.execute, model.executable_model
        networks = []

        def noted() -> Any:
            networks.append(build())
            return networks[-1]

        def with_limit() -> Any:
            try:
                with time_limit(self._limit_s, kill=False):
                    result = execute()
                if self._trained is not None and networks:
                    self._trained(model.sample, networks[-1])
                return result
            except Exception as error:
                self._causes[id(model)] = cause_of(error)
                raise

        # Of this object, so that NNI's own code stays the one that runs.
        model.execute, model.executable_model = with_limit, noted
        try:
            super()._run_single_model(model)
        finally:
            self._as_before(model)

    @staticmethod
    def _as_before(model: Any) -> None:
        for name in ("execute", "executable_model"):
            model.__dict__.pop(name, None)

    def dispatch_model_event(self, event: Any, **fields: Any) -> Any:
        """Add the cause."""
        if isinstance(event, TrainingEndEvent):
            event.cause = self._causes.pop(id(event.model), "")
            self._as_before(event.model)
        return super().dispatch_model_event(event, **fields)
