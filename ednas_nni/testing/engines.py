"""A model space and an engine without networks, processes or clocks, to drive NNI strategies in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import nni
from nni.mutable import Categorical, MutableDict

from ednas_nni.compat.nas import (
    ExecutableModelSpace,
    ExecutionEngine,
    FinalMetricEvent,
    IntermediateMetricEvent,
    ModelStatus,
    TrainingEndEvent,
)
from ednas_nni.errors import PluginError
from ednas_nni.space.domains import Domains, Sample


class PlainSpace(ExecutableModelSpace):
    """A model space of labels only, as NNI's strategies see a `SimplifiedModelSpace`.

    `evaluate` gives what the trial of a sample reports; only engines that execute models in this process need it.
    """

    def __init__(self, domains: Domains, evaluate: Callable[[Sample], object] | None = None) -> None:
        super().__init__()
        self.domains = domains
        self.evaluate = evaluate
        self.evaluator = None
        self.sample: Sample | None = None
        self.mutables = MutableDict({d.label: Categorical(d.values, label=d.label) for d in domains.dimensions})

    def freeze(self, sample: Sample) -> PlainSpace:
        """A model with this sample."""
        self.validate(sample)
        model = PlainSpace.__new__(PlainSpace)
        ExecutableModelSpace.__init__(model, ModelStatus.Frozen)
        model.domains, model.evaluate, model.evaluator = self.domains, self.evaluate, None
        model.mutables, model.sample = self.mutables, dict(sample)
        return model

    def check_contains(self, sample: Sample) -> Any:
        """NNI's own check."""
        return self.mutables.check_contains(sample)

    def leaf_mutables(self, is_leaf: Callable[..., bool]) -> Iterable[Any]:
        """NNI's own traversal."""
        yield from self.mutables.leaf_mutables(is_leaf)

    def extra_repr(self) -> str:
        """Show the sample."""
        return repr(self.sample)

    def execute(self) -> None:
        """Report what `evaluate` returns, as a trial would."""
        if self.evaluate is None or self.sample is None:
            raise PluginError("PlainSpace: only a frozen one with `evaluate` can be executed.")
        nni.report_final_result(self.evaluate(self.sample))


class FakeEngine(ExecutionEngine):
    """An engine whose trials end when the strategy waits: asynchronous, deterministic, without threads.

    Submitted models run until no worker is free; then the oldest one ends. Asking twice for a worker without
    submitting lets one end as well, as time would.

    Args:
        trial: Sample -> raw metric; an exception fails the trial and becomes its cause.
        budget: Number of trials.
        workers: Trials at a time.
        ran: Which architecture a job really ran: (its own sample, all samples in flight) -> sample; None: its own.
        jobs: Attach `job_id` and `cause` to events, as our own engine does.
    """

    def __init__(
        self,
        trial: Callable[[Sample], object],
        budget: int = 8,
        workers: int = 1,
        ran: Callable[[Sample, list[Sample]], Sample] | None = None,
        jobs: bool = True,
    ) -> None:
        super().__init__()
        self.trial, self.budget, self.workers, self.ran, self.jobs = trial, budget, workers, ran, jobs
        self.submitted: list[Sample] = []
        self.models: list[ExecutableModelSpace] = []
        self.running: list[tuple[str, ExecutableModelSpace, Sample]] = []
        self._idle_asked = False

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """Start jobs."""
        for model in models:
            self.submitted.append(dict(model.sample))
            self.models.append(model)
            model.status = ModelStatus.Training
            self.running.append((f"job{len(self.submitted) - 1}", model, dict(model.sample)))
            self._idle_asked = False

    def idle_worker_available(self) -> bool:
        """Whether a worker is free; lets time pass where it is not."""
        if self.running and (self._idle_asked or len(self.running) >= self.workers):
            self.finish_one()
        self._idle_asked = True
        return len(self.running) < self.workers

    def budget_available(self) -> bool:
        """Whether another trial may be submitted."""
        return len(self.submitted) < self.budget

    def trials_left(self) -> float:
        """How many more may be submitted."""
        return self.budget - len(self.submitted)

    def finish_one(self, index: int = 0) -> None:
        """End a running job, the oldest by default."""
        job, model, sample = self.running[index]
        try:
            metric = self.trial(self.ran(sample, [s for _, _, s in self.running]) if self.ran else sample)
        except Exception as error:
            del self.running[index]
            self._send(TrainingEndEvent(model, ModelStatus.Failed), job, str(error))
            return
        del self.running[index]
        self._send(IntermediateMetricEvent(model, metric), job)
        self._send(FinalMetricEvent(model, metric), job)
        self._send(TrainingEndEvent(model, ModelStatus.Trained), job)

    def _send(self, event: Any, job: str, cause: str = "") -> None:
        if self.jobs:
            event.job_id = job
            if cause:
                event.cause = cause
        self.dispatch_model_event(event)

    def wait_models(self, *models: ExecutableModelSpace) -> None:
        """Let everything end."""
        while self.running:
            self.finish_one()

    def list_models(self, status: ModelStatus | None = None) -> list[ExecutableModelSpace]:
        """What was submitted."""
        return [model for model in self.models if status in (None, model.status)]

    def shutdown(self) -> None:
        """Nothing to stop."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing to save."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to restore."""
