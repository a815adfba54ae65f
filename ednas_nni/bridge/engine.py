"""The execution engine behind the Advisor: models out as trial jobs, NNI's messages back as model events."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from ednas_nni import compat

compat.apply()

from nni.nas.execution import ExecutionEngine  # noqa: E402
from nni.nas.execution.event import (  # noqa: E402
    FinalMetricEvent,
    IntermediateMetricEvent,
    ModelEvent,
    TrainingEndEvent,
)
from nni.nas.space import ExecutableModelSpace, ModelStatus, SimplifiedModelSpace  # noqa: E402

from ednas_nni.bridge.rest import Manager  # noqa: E402
from ednas_nni.errors import ExperimentError  # noqa: E402

__all__ = ["AdvisorEngine", "SimplifiedModelSpace"]

_log = logging.getLogger("nni.ednas.engine")

REFRESH_S = 2.0
ENDINGS = {
    "SUCCEEDED": (ModelStatus.Trained, ""),
    "FAILED": (ModelStatus.Failed, "the trial process failed"),
    "USER_CANCELED": (ModelStatus.Interrupted, "cancelled by the user or killed by a signal"),
    "SYS_CANCELED": (ModelStatus.Interrupted, "cancelled by NNI"),
    "EARLY_STOPPED": (ModelStatus.Interrupted, "stopped after maxTrialDuration"),
}


class AdvisorEngine(ExecutionEngine):
    """Submits models as NNI trial jobs whose parameters are just the sample.

    How many trials may run and how many there may be at all is read from the manager again and again, so that
    `nnictl update concurrency` and `update trialnum` work at any time, also after the experiment was DONE.

    Args:
        send_job: Sends one parameter record (plain data) to the manager as a new trial job.
        manager: REST access to the manager.
        freeze: sample -> frozen executable model, for jobs that this process did not submit itself.
        failure_cause: job id -> what its log says; empty when nothing is known.
        submitted: Trial jobs that exist already (a resumed experiment).
        next_parameter_id: First parameter id that was never used.
        adopted: Told about each model of a job that this process did not submit.
    """

    def __init__(
        self,
        send_job: Callable[[dict[str, Any]], None],
        manager: Manager,
        freeze: Callable[[dict[str, Any]], ExecutableModelSpace],
        failure_cause: Callable[[str], str] = lambda job: "",
        submitted: int = 0,
        next_parameter_id: int = 0,
        adopted: Callable[[ExecutableModelSpace], None] = lambda model: None,
    ) -> None:
        super().__init__()
        self._send_job = send_job
        self._manager = manager
        self._freeze = freeze
        self._failure_cause = failure_cause
        self._submitted = submitted
        self._next_parameter_id = next_parameter_id
        self._adopted = adopted
        self._lock = threading.RLock()
        self._models: dict[int, ExecutableModelSpace] = {}
        self._by_job: dict[str, ExecutableModelSpace] = {}
        self._running: dict[int, ExecutableModelSpace] = {}  # id(model) -> model
        self._limits: tuple[int, int | None] = (1, None)
        self._limits_at = float("-inf")
        self._stopped = False

    # ---- what strategies ask

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """Send each model's sample as a new trial job."""
        for model in models:
            with self._lock:
                number = self._next_parameter_id
                self._next_parameter_id += 1
                self._submitted += 1
                self._models[number] = model
                self._running[id(model)] = model
            model.status = ModelStatus.Training
            self._send_job(
                {
                    "parameter_id": number,
                    "parameter_source": "algorithm",
                    "parameters": model.sample,
                    "parameter_index": 0,
                }
            )

    def list_models(self, status: ModelStatus | None = None) -> Iterable[ExecutableModelSpace]:
        """Models of this process in the order of submission."""
        models = [*self._models.values()]
        return [model for model in models if status is None or model.status == status]

    def idle_worker_available(self) -> bool:
        """Whether a new trial could start now."""
        concurrency, most = self._refreshed()
        with self._lock:
            full = most is not None and self._submitted >= most
            return not self._stopped and not full and len(self._running) < concurrency

    def budget_available(self) -> bool:
        """True until the experiment stops: `nnictl update trialnum` may add trials at any time."""
        return not self._stopped

    def wait_models(self, *models: ExecutableModelSpace) -> None:
        """Wait until the given models (or all) ended or the experiment stops."""
        while not self._stopped and any(not m.status.completed() for m in models or self.list_models()):
            time.sleep(0.2)

    def shutdown(self) -> None:
        """No more trials; waiting strategies return."""
        self._stopped = True

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the journal and NNI's database hold it."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to restore, see `state_dict`."""

    def _refreshed(self) -> tuple[int, int | None]:
        now = time.monotonic()
        if now - self._limits_at > REFRESH_S:
            self._limits_at = now
            try:
                params = self._manager.experiment()["params"]
                self._limits = (int(params.get("trialConcurrency") or 1), params.get("maxTrialNumber"))
            except ExperimentError as error:
                _log.warning("limits not refreshed: %s", error)
        return self._limits

    @property
    def exhausted(self) -> bool:
        """Whether every trial that the experiment allows was submitted and none runs."""
        _, most = self._refreshed()
        with self._lock:
            return most is not None and self._submitted >= most and not self._running

    # ---- what NNI tells

    def adopt(
        self, parameter_id: int | None, sample: dict[str, Any], job: str | None, counted: bool
    ) -> ExecutableModelSpace:
        """Take in a job that this process did not submit: recovered after a resume, or added in the web UI.

        Args:
            parameter_id: NNI's parameter id, None for a job from the web UI.
            sample: Its parameters.
            job: NNI's job id where known.
            counted: Whether it is among `submitted` already.
        """
        model = self._freeze(sample)
        model.status = ModelStatus.Training
        with self._lock:
            if parameter_id is not None:
                self._models[parameter_id] = model
                self._next_parameter_id = max(self._next_parameter_id, parameter_id + 1)
            if job is not None:
                self._by_job[job] = model
            self._running[id(model)] = model
            self._submitted += not counted
        self._adopted(model)
        return model

    def recover(self, parameter_id: int, sample: dict[str, Any]) -> None:
        """A job of an earlier session runs again; it may even have ended before NNI tells of its recovery."""
        if parameter_id not in self._models:
            self.adopt(parameter_id, sample, None, counted=True)

    def on_metric(self, data: dict[str, Any]) -> None:
        """An intermediate or final metric arrived."""
        job = data["trial_job_id"]
        model = self._model_of(data.get("parameter_id"), job)
        if model is None:
            _log.warning("metric of job %s belongs to no known model", job)
            return
        self._by_job[job] = model
        value = json.loads(data["value"])
        event = FinalMetricEvent(model, value) if data["type"] == "FINAL" else IntermediateMetricEvent(model, value)
        self._dispatch(event, job)

    def on_end(self, data: dict[str, Any]) -> None:
        """A trial job ended in whatever way."""
        job = data["trial_job_id"]
        record = json.loads(data["hyper_params"])
        model = self._model_of(record.get("parameter_id"), job)
        if model is None:
            _log.warning("job %s ended and belongs to no known model", job)
            return
        with self._lock:
            self._running.pop(id(model), None)
        status, cause = ENDINGS.get(data["event"], (ModelStatus.Failed, f"NNI says {data['event']}"))
        if status is ModelStatus.Failed:
            cause = self._failure_cause(job) or cause
        self._dispatch(TrainingEndEvent(model, status), job, cause)

    def _dispatch(self, event: ModelEvent, job: str, cause: str = "") -> None:
        event.job_id = job
        event.cause = cause
        self.dispatch_model_event(event)

    def _model_of(self, parameter_id: int | None, job: str) -> ExecutableModelSpace | None:
        if parameter_id is not None and parameter_id in self._models:
            return self._models[parameter_id]
        if job in self._by_job:
            return self._by_job[job]
        stored = self._manager.own_parameters(job)
        if stored is None:
            return None
        record = json.loads(stored)
        try:
            number = record.get("parameter_id")
            # A number means that it was submitted by an earlier session and is counted among its jobs.
            return self.adopt(number, record["parameters"], job, counted=number is not None)
        except Exception as error:
            _log.error("job %s has parameters that are no architecture of this space: %s", job, error)
            return None
