"""After a search in one process, everything that follows believes to be a trial.

Fault: nni 3.0, nni/nas/execution/sequential.py restores the command channel after each model but not the current
parameters (`nni.trial._params`): whatever is trained afterwards reports to nobody. Upstream: not reported. Can go when
`nni.get_current_parameter()` is None after a sequential run.
"""

from __future__ import annotations

from collections.abc import Callable

from ednas_nni.compat import patch


def apply() -> None:
    """Put the parameters back after each model."""
    from nni.nas.execution import SequentialExecutionEngine

    patch(SequentialExecutionEngine, "_run_single_model", _restoring)


def _restoring(own: Callable[..., None]) -> Callable[..., None]:
    def run(self: object, model: object) -> None:
        import nni.trial

        before = nni.trial._params
        try:
            own(self, model)
        finally:
            nni.trial._params = before

    return run
