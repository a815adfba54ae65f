"""The execution engine behind the Advisor: models out as trial jobs, NNI's messages back as model events."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ednas_nni.bridge.catching_up import ending
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.bridge.messages import EndMessage, MetricMessage, ParameterRecord, whole_number
from ednas_nni.compat.nas import (
    ExecutableModelSpace,
    ExecutionEngine,
    FinalMetricEvent,
    IntermediateMetricEvent,
    ModelEvent,
    ModelStatus,
    TrainingEndEvent,
)
from ednas_nni.errors import ExperimentError

_log = logging.getLogger("nni.ednas.engine")

REFRESH_S = 1.0
# In other states NNI queues a job that it will not start: NO_MORE_TRIAL (maxTrialNumber or maxExperimentDuration is
# reached, which includes trials added in the web UI), DONE, STOPPING, ERROR.
OPEN = ("INITIALIZED", "RUNNING", "TUNER_NO_MORE_TRIAL")


@dataclass(frozen=True)
class Limits:
    """What the manager allows: trials at a time, trials in all (None for no limit), NNI's word for the state."""

    concurrency: int
    trials: int | None
    status: str


class AdvisorEngine(ExecutionEngine):
    """Submits models as NNI trial jobs whose parameters are just the sample.

    How many trials may run, how many there may be at all and whether NNI still starts any is read from the manager
    again and again, so that `nnictl update concurrency`, `trialnum` and `duration` work at any time, also after the
    experiment was DONE: NNI goes back to RUNNING by itself.

    Args:
        send_job: Sends one parameter record (plain data) to the manager as a new trial job.
        end_job: Asks the manager to end the job of this id early.
        manager: REST access to the manager.
        freeze: sample -> frozen executable model, for jobs that this process did not submit itself.
        last_words: Job id -> the cause that its log gives, None where its log is not on this machine.
        earlier: Ids of the trial jobs that exist already (a resumed experiment).
        next_parameter_id: First one that was never used.
        adopted: Is given each model of a job that this process did not submit.
    """

    def __init__(
        self,
        send_job: Callable[[ParameterRecord], None],
        manager: Manager,
        freeze: Callable[[dict[str, Any]], ExecutableModelSpace],
        last_words: Callable[[str], str | None] = lambda job: None,
        earlier: Collection[str] = (),
        next_parameter_id: int = 0,
        adopted: Callable[[ExecutableModelSpace], None] = lambda model: None,
        end_job: Callable[[str], None] = lambda job: None,
    ) -> None:
        super().__init__()
        self._end_job = end_job
        self._send_job = send_job
        self._manager = manager
        self._freeze = freeze
        self._last_words = last_words
        self._earlier = frozenset(earlier)
        self._submitted = len(self._earlier)
        self._next_parameter_id = next_parameter_id
        self._adopted = adopted
        self._lock = threading.RLock()
        self._models: dict[int, ExecutableModelSpace] = {}
        self._by_job: dict[str, ExecutableModelSpace] = {}
        self._running: dict[int, ExecutableModelSpace] = {}  # id(model) -> model
        self._refreshing = threading.Lock()
        self._limits: Limits | None = None
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

    def end_early(self, model: ExecutableModelSpace) -> None:
        """Let NNI end the job of a model that has reported, as its assessors do: the web UI shows EARLY_STOPPED."""
        with self._lock:
            jobs = [job for job, one in self._by_job.items() if one is model]
        for job in jobs:
            self._end_job(job)

    def list_models(self, status: ModelStatus | None = None) -> Iterable[ExecutableModelSpace]:
        """Models that this process submitted or adopted."""
        with self._lock:  # those from the web UI are known by their job only
            models = {id(model): model for model in [*self._models.values(), *self._by_job.values()]}
        return [model for model in models.values() if status is None or model.status == status]

    def idle_worker_available(self) -> bool:
        """Whether a new trial could start now; never before the manager has said what it allows."""
        limits = self._refreshed()
        return limits is not None and self.room() and len(self._running) < limits.concurrency

    def budget_available(self) -> bool:
        """True until the experiment stops: `nnictl update trialnum` may add trials at any time."""
        return not self._stopped

    def wait_models(self, *models: ExecutableModelSpace) -> None:
        """Wait until the given models (or all) ended or the experiment stops."""
        while not self._stopped and any(not m.status.completed() for m in models or self.list_models()):
            time.sleep(0.2)

    def room(self) -> bool:
        """Whether NNI would start one more trial by itself, now or when a worker is free."""
        limits = self._refreshed()
        return limits is not None and limits.status in OPEN and not self._stopped and self.trials_left() > 0

    def trials_left(self) -> float:
        """How many trials NNI's limit still allows; infinite without one, and until the manager has told it."""
        limits = self._refreshed()
        if limits is None or limits.trials is None:
            return float("inf")
        with self._lock:
            return max(0, limits.trials - self._submitted)

    def shutdown(self) -> None:
        """No more trials; waiting strategies return."""
        self._stopped = True

    def _refreshed(self) -> Limits | None:
        """The manager's limits, at most `REFRESH_S` old where it answers; None until it has answered once."""
        with self._refreshing:  # a second caller waits for the answer instead of using an outdated one
            if time.monotonic() - self._limits_at > REFRESH_S:
                try:
                    status = self._manager.status()["status"]
                    params = self._manager.experiment()["params"]
                    concurrency = whole_number(params, "trialConcurrency") or 1
                    self._limits = Limits(concurrency, whole_number(params, "maxTrialNumber"), status)
                except ExperimentError as error:
                    _log.warning("limits not refreshed: %s", error)
                self._limits_at = time.monotonic()
            return self._limits

    @property
    def exhausted(self) -> bool:
        """Whether NNI starts no more trials by itself and none of ours runs."""
        limits = self._refreshed()
        if limits is None:
            return False
        with self._lock:
            if not self._running:
                return limits.status == "DONE" or not self.trials_left()
            numbers = {number for number, model in self._models.items() if id(model) in self._running}
            nameless = len(self._running) > len(numbers)  # from the web UI: known by a message, so they do run
        return limits.status == "DONE" and not nameless and not numbers & self._started()

    def _started(self) -> set[int | None]:
        """Parameter ids of the jobs that NNI ever started; the others wait in its queue, if need be for ever."""
        try:
            texts = [text for job in self._manager.trials() for text in job.get("hyperParameters") or []]
        except ExperimentError:
            return set(self._models)
        return {json.loads(text).get("parameter_id") for text in texts}

    # ---- what NNI tells

    def adopt(
        self, parameter_id: int | None, sample: dict[str, Any], job: str | None, counted: bool
    ) -> ExecutableModelSpace | None:
        """Take in a job that this process did not submit: recovered after a resume, or added in the web UI.

        A job from the web UI has no parameter id; `counted` are those that are among the submitted ones already.
        Returned is the model; None, with a line in the log, where the sample is no architecture of this space.
        """
        try:
            model = self._freeze(sample)
        except Exception as error:
            _log.error("job %s has parameters that are no architecture of this space: %s", job or parameter_id, error)
            return None
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

    def recover(self, parameter_id: int | None, sample: dict[str, Any]) -> None:
        """A job of an earlier session runs again; it may even have ended before NNI tells of its recovery.

        One from the web UI has no parameter id, so that it can only be told by its job: at its first message.
        """
        if parameter_id is not None and parameter_id not in self._models:
            self.adopt(parameter_id, sample, None, counted=True)

    def on_metric(self, data: MetricMessage) -> None:
        """An intermediate or final metric arrived."""
        job = data["trial_job_id"]
        model = self._model_of(data.get("parameter_id"), job)
        if model is None:
            _log.warning("metric of job %s belongs to no known model", job)
            return
        with self._lock:
            self._by_job[job] = model
        value = json.loads(data["value"])
        event = FinalMetricEvent(model, value) if data["type"] == "FINAL" else IntermediateMetricEvent(model, value)
        self._dispatch(event, job)

    def on_end(self, data: EndMessage) -> None:
        """A trial job ended in whatever way."""
        job = data["trial_job_id"]
        record = json.loads(data["hyper_params"])
        model = self._model_of(record.get("parameter_id"), job)
        if model is None:
            _log.warning("job %s ended and belongs to no known model", job)
            return
        with self._lock:
            self._running.pop(id(model), None)
        status, cause = ending(data["event"], self._last_words(job))
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
        number = record.get("parameter_id")
        # A number means that an earlier session submitted it; the web UI gives none.
        return self.adopt(number, record["parameters"], job, counted=number is not None or job in self._earlier)
