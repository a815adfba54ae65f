"""After a search in one process, everything that follows believes to be a trial.

Fault: nni 3.0, nni/nas/execution/sequential.py restores the command channel after each model but not the current
parameters (`nni.trial._params`): whatever is trained afterwards reports to nobody. Upstream: not reported. Can go when
`nni.get_current_parameter()` is None after a sequential run.
"""

from __future__ import annotations

from functools import wraps
from typing import Any


def needed() -> bool:
    """Whether NNI's own method is still in place."""
    from nni.nas.execution import SequentialExecutionEngine

    return not hasattr(SequentialExecutionEngine._run_single_model, "_mended")


def apply() -> None:
    """Put the parameters back after each model."""
    if not needed():
        return
    import nni.trial
    from nni.nas.execution import SequentialExecutionEngine

    run = SequentialExecutionEngine._run_single_model

    @wraps(run)
    def mended(self: Any, model: Any) -> None:
        before = nni.trial._params
        try:
            run(self, model)
        finally:
            nni.trial._params = before

    mended._mended = True  # type: ignore[attr-defined]
    SequentialExecutionEngine._run_single_model = mended
