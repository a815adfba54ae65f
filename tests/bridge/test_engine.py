"""The engine: limits, late messages, jobs it did not submit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ednas_nni.bridge import engine as module
from ednas_nni.bridge.engine import AdvisorEngine
from ednas_nni.errors import ExperimentError, SampleError

# Through our module, which mends the outside world before it imports NNI.
FinalMetricEvent, TrainingEndEvent = module.FinalMetricEvent, module.TrainingEndEvent
ExecutableModelSpace, ModelStatus = module.ExecutableModelSpace, module.ModelStatus
KINDS = ("final_metric", "intermediate_metric", "training_end")


class Model(ExecutableModelSpace):
    def __init__(self, sample: dict[str, Any]) -> None:
        super().__init__(ModelStatus.Frozen)
        self.sample = sample


class FakeManager:
    def __init__(self) -> None:
        self.params: dict[str, Any] = {"trialConcurrency": 2, "maxTrialNumber": 3}
        self.stored: dict[str, str] = {}
        self.reachable = True

    def experiment(self) -> dict[str, Any]:
        if not self.reachable:
            raise ExperimentError("gone")
        return {"params": self.params}

    def own_parameters(self, job: str) -> str | None:
        return self.stored.get(job)


@pytest.fixture
def manager() -> FakeManager:
    return FakeManager()


@pytest.fixture
def engine(manager: FakeManager) -> AdvisorEngine:
    sent: list[dict[str, Any]] = []

    def freeze(sample: dict[str, Any]) -> Model:
        if "x" not in sample:
            raise SampleError("no x")
        return Model(sample)

    made = AdvisorEngine(sent.append, manager, freeze, failure_cause=lambda job: f"log of {job}")
    made.sent = sent
    return made


def metric(number: int | None, job: str, value: Any, kind: str = "FINAL") -> dict[str, Any]:
    return {"parameter_id": number, "trial_job_id": job, "type": kind, "value": json.dumps(value), "sequence": 0}


def end(number: int | None, job: str, event: str = "SUCCEEDED") -> dict[str, Any]:
    return {"trial_job_id": job, "event": event, "hyper_params": json.dumps({"parameter_id": number})}


def fresh(engine: AdvisorEngine) -> AdvisorEngine:
    engine._limits_at = float("-inf")
    return engine


def test_parameters_are_just_the_sample(engine: AdvisorEngine) -> None:
    engine.submit_models(Model({"x": 1}), Model({"x": 2}))
    assert [job["parameters"] for job in engine.sent] == [{"x": 1}, {"x": 2}]
    assert [job["parameter_id"] for job in engine.sent] == [0, 1]


def test_concurrency_and_number_of_trials_follow_the_manager(engine: AdvisorEngine, manager: FakeManager) -> None:
    assert engine.idle_worker_available()
    engine.submit_models(Model({"x": 1}), Model({"x": 2}))
    assert not engine.idle_worker_available()
    manager.params = {"trialConcurrency": 3, "maxTrialNumber": 3}
    assert fresh(engine).idle_worker_available()
    engine.submit_models(Model({"x": 3}))
    manager.params = {"trialConcurrency": 9, "maxTrialNumber": 3}
    assert not fresh(engine).idle_worker_available()
    assert engine.budget_available()  # more trials may be allowed at any time
    manager.params = {"trialConcurrency": 9, "maxTrialNumber": 4}
    assert fresh(engine).idle_worker_available()
    manager.reachable = False
    assert fresh(engine).idle_worker_available()  # the last known limits hold
    engine.shutdown()
    assert not engine.budget_available()


def test_events_carry_job_and_cause(engine: AdvisorEngine) -> None:
    seen = []
    for kind in KINDS:
        engine.register_model_event_callback(kind, seen.append)
    engine.submit_models(Model({"x": 1}))
    engine.on_metric(metric(0, "A", {"default": 0.5}))
    engine.on_end(end(0, "A", "FAILED"))
    final, ended = seen
    assert isinstance(final, FinalMetricEvent)
    assert final.metric == {"default": 0.5}
    assert isinstance(ended, TrainingEndEvent)
    assert (ended.job_id, ended.cause, ended.status) == ("A", "log of A", ModelStatus.Failed)
    assert engine.exhausted is False


def test_a_recovered_job_that_ended_before_nni_told_of_it_is_not_running_for_ever(
    engine: AdvisorEngine, manager: FakeManager
) -> None:
    manager.stored["A"] = json.dumps({"parameter_id": 7, "parameters": {"x": 1}})
    engine.on_metric(metric(7, "A", {"default": 0.5}))
    engine.on_end(end(7, "A"))
    engine.recover(7, {"x": 1})
    assert not engine._running
    engine.submit_models(Model({"x": 2}))
    assert engine.sent[0]["parameter_id"] == 8


def test_the_recovery_check_rejects_an_engine_that_adopts_twice(engine: AdvisorEngine, manager: FakeManager) -> None:
    """Without the test in `recover` the job would count as running."""
    manager.stored["A"] = json.dumps({"parameter_id": 7, "parameters": {"x": 1}})
    engine.on_end(end(7, "A"))
    engine.adopt(7, {"x": 1}, None, counted=True)
    assert engine._running


def test_a_trial_added_in_the_web_ui_is_adopted(engine: AdvisorEngine, manager: FakeManager) -> None:
    manager.stored["U"] = json.dumps({"parameter_id": None, "parameters": {"x": 9}})
    seen = []
    engine.register_model_event_callback("final_metric", seen.append)
    engine.on_metric(metric(None, "U", {"default": 0.5}))
    engine.on_end(end(None, "U"))
    assert seen[0].model.sample == {"x": 9}
    assert engine._submitted == 1
    assert not engine._running


def test_parameters_from_outside_the_space_are_refused(engine: AdvisorEngine, manager: FakeManager) -> None:
    manager.stored["U"] = json.dumps({"parameter_id": None, "parameters": {"y": 9}})
    engine.on_metric(metric(None, "U", {"default": 0.5}))
    engine.on_end(end(None, "U"))
    assert not engine._running
