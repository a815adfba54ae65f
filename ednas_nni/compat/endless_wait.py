"""A strategy that waits for its models on the training service may wait for ever.

Fault: nni 3.0, nni/nas/execution/training_service.py `wait_models(*models)` waits until each model has ended. The
engine learns only with a delay that `max_trial_number` is reached, so a strategy that submits at once (PolicyBasedRL)
submits one model too many, which NNI never starts. Upstream: not reported. Can go when the engine stops waiting once
the experiment is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ednas_nni.compat import patch

ENDED = ("DONE", "STOPPED", "ERROR")
PATIENCE_S = 5.0
"""The experiment's status may be ahead of the last messages."""


def apply() -> None:
    """Stop waiting for models that will never run."""
    from nni.nas.execution.training_service import TrainingServiceExecutionEngine

    patch(TrainingServiceExecutionEngine, "wait_models", _patient)


def _patient(own: Callable[..., None]) -> Callable[..., None]:
    def wait_models(self: Any, *models: Any) -> None:
        if not models:
            own(self)
            return
        ended = 0.0
        while any(not model.status.completed() for model in models):
            if self.nodejs_binding.get_status() in ENDED:
                ended = ended or time.monotonic()
                if time.monotonic() - ended >= PATIENCE_S:
                    return
            else:
                ended = 0.0
            time.sleep(1)

    return wait_models
