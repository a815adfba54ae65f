"""NNI's training-service engine with models that do not get lost: jobs of an earlier process, causes, job ids."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nni.utils import MetricType

from ednas_nni.bridge.endings import ending
from ednas_nni.bridge.messages import sample_of
from ednas_nni.bridge.trial.folder import TrialFolders
from ednas_nni.compat.nas import (
    ExecutableModelSpace,
    FinalMetricEvent,
    IntermediateMetricEvent,
    ModelStatus,
    TrainingEndEvent,
    TrainingServiceExecutionEngine,
)

_log = logging.getLogger("ednas")


class JournalledEngine(TrainingServiceExecutionEngine):
    """As NNI's, but models are held until their trials end, and events say of which job they are and why it ended.

    Args:
        experiment: The experiment that this engine serves.
        folder: Its folder, for the logs of trials.
    """

    def __init__(self, experiment: Any, folder: Path) -> None:
        self._held: dict[int, ExecutableModelSpace] = {}
        self._logs = TrialFolders(folder)
        self._delivered: set[str] = set()
        self._ignored: set[str] = set()
        self._failure: Exception | None = None
        super().__init__(experiment)

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """NNI keeps weak references only."""
        self._go_on()
        for model in models:
            super().submit_models(model)
            self._held[self._current_parameter_id] = model

    def adopt(self, jobs: Mapping[int, tuple[str, ExecutableModelSpace]], ignored: set[str], again: int) -> None:
        """Take in the jobs of an earlier process that run again.

        Args:
            jobs: Parameter id -> job id and its model.
            ignored: Jobs whose results are booked; their messages come too late.
            again: How many jobs NNI starts again, whether their results are booked or not.
        """
        self._ignored = ignored
        for number, (_, model) in jobs.items():
            model.status = ModelStatus.Training
            self._held[number] = model
        self._workers -= again  # NNI offers every worker anew

    def room(self) -> bool:
        """Whether NNI would start one more trial by itself, now or when a worker is free."""
        return not self._stopped and self.nodejs_binding.get_status() in ("INITIALIZED", "RUNNING")

    def _next_parameter_id(self) -> int:
        # NNI looks once and takes what it finds; a job from the web UI has no id, which it cannot compare.
        if self._current_parameter_id is None:
            jobs = self.nodejs_binding.list_trial_jobs()
            found = [p.parameter_id for job in jobs for p in job.hyperParameters or [] if p.parameter_id is not None]
            self._current_parameter_id = max([*found, *self._held], default=-1)
        self._current_parameter_id += 1
        return self._current_parameter_id

    def idle_worker_available(self) -> bool:
        """As NNI's; raises what ended the thread of NNI's messages, for which a strategy would wait for ever."""
        self._go_on()
        return super().idle_worker_available()

    def budget_available(self) -> bool:
        """As NNI's; raises what ended the thread of NNI's messages."""
        self._go_on()
        return super().budget_available()

    def wait_models(self, *models: ExecutableModelSpace) -> None:
        """As NNI's; raises what ended the thread of NNI's messages."""
        self._go_on()
        super().wait_models(*(_Awaited(model, self._go_on) for model in models))
        self._go_on()

    def _go_on(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _guarded(self, handle: Callable[[Any], None], command: Any) -> None:
        """NNI's listening thread would end without a word, for example when the journal's disk is full."""
        try:
            handle(command)
        except Exception as error:
            _log.exception("a message of NNI's manager could not be taken in; the search ends")
            self._failure = self._failure or error

    def _report_metric_data_callback(self, command: Any) -> None:
        self._guarded(self._on_metric, command)

    def _trial_end_callback(self, command: Any) -> None:
        self._guarded(self._on_end, command)

    def _on_metric(self, command: Any) -> None:
        model = self._model(command.parameter_id, command.trial_job_id)
        if model is None:
            return
        final = command.type == MetricType.FINAL
        if final:
            self._delivered.add(command.trial_job_id)
        self._tell((FinalMetricEvent if final else IntermediateMetricEvent)(model, command.value), command.trial_job_id)

    def _on_end(self, command: Any) -> None:
        job, (number, *_) = command.trial_job_id, command.parameter_ids
        model = self._model(number, job)
        if model is None:
            return
        self._held.pop(number, None)
        kept = None if job in self._delivered else self._logs.result(job)
        if kept is not None:  # Record checks which architecture it names
            self._tell(FinalMetricEvent(model, kept), job)
        status, cause = ending(str(command.event), self._logs.last_words(job))
        self._tell(TrainingEndEvent(model, status), job, cause)

    def _model(self, number: int | None, job: str | None) -> ExecutableModelSpace | None:
        if job in self._ignored or number is None:
            return None
        self._invalidate_submitted_cache(number)
        return self._held.get(number)

    def _tell(self, event: Any, job: str | None, cause: str = "") -> None:
        event.job_id, event.cause = job, cause
        self.dispatch_model_event(event)


class _Awaited:
    """A model for which is waited as long as NNI's messages are taken in: its end may be the one that was not."""

    def __init__(self, model: ExecutableModelSpace, go_on: Callable[[], None]) -> None:
        self._model, self._go_on = model, go_on

    @property
    def status(self) -> ModelStatus:
        self._go_on()
        return self._model.status


def open_jobs(
    jobs: list[dict[str, Any]], booked: set[str], ended: tuple[str, ...], freeze: Callable[[Any], ExecutableModelSpace]
) -> dict[int, tuple[str, ExecutableModelSpace]]:
    """Jobs of an earlier process that NNI runs again: parameter id -> job id and a model of its sample.

    Args:
        jobs: As NNI's manager lists them.
        booked: Job ids to leave out.
        ended: NNI's words for jobs that are over.
        freeze: Sample -> model.
    """
    found = {}
    for job in jobs:
        if job["trialJobId"] in booked or job["status"] in ended or not job.get("hyperParameters"):
            continue
        record = json.loads(job["hyperParameters"][0])
        if record.get("parameter_id") is not None:
            found[record["parameter_id"]] = (job["trialJobId"], freeze(sample_of(record["parameters"])))
    return found
