"""A strategy that waits for its models on the training service may wait for ever, or for nothing.

Fault: nni 3.0, nni/nas/execution/training_service.py `wait_models(*models)` waits until each model has ended. The
engine learns only with a delay that `max_trial_number` is reached, so a strategy that submits at once (PolicyBasedRL)
submits one model too many, which NNI never starts. And where every trial has failed, the wait for all of them, and
with it the program, ends as if all were well. Upstream: not reported. Can go when the engine stops waiting once the
experiment is done, and `NasExperiment.run` fails where no model was trained.
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
            _check_trained(self.nodejs_binding)
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


def _check_trained(experiment: Any) -> None:
    counts = {stat["trialJobStatus"]: stat["trialJobNumber"] for stat in experiment.get_job_statistics()}
    if counts.get("FAILED") and set(counts) <= {"FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED"}:
        raise RuntimeError(
            f"None of {sum(counts.values())} trials was trained. Each says why in its trial.stderr, in NNI's folder of "
            f"experiment {experiment.id}: environments/local-env/trials."
        )
