"""The engine: limits, late messages, jobs it did not submit."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ednas_nni.bridge import engine as module
from ednas_nni.bridge.engine import AdvisorEngine
from ednas_nni.errors import ExperimentError, JournalError, SampleError

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
        self.state = "RUNNING"
        self.jobs: list[dict[str, Any]] = []
        self.asked = 0

    def status(self) -> dict[str, Any]:
        self.asked += 1
        if not self.reachable:
            raise ExperimentError("gone")
        return {"status": self.state, "errors": []}

    def trials(self) -> list[dict[str, Any]]:
        return self.jobs

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

    made = AdvisorEngine(sent.append, manager, freeze, last_words=lambda job: f"log of {job}")
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


@pytest.mark.parametrize("state", ["NO_MORE_TRIAL", "DONE", "ERROR", "STOPPING", "STOPPED", "VIEWED"])
def test_nothing_is_started_where_nni_would_only_queue_it(
    engine: AdvisorEngine, manager: FakeManager, state: str
) -> None:
    """maxExperimentDuration is over, or trials from the web UI used the budget up, before we have submitted all."""
    assert engine.idle_worker_available()
    manager.state = state
    assert not fresh(engine).idle_worker_available()
    assert engine.exhausted is (state == "DONE")
    assert engine.budget_available()
    manager.state = "RUNNING"  # as NNI sets it after `nnictl update trialnum` or `update duration`
    assert fresh(engine).idle_worker_available()
    assert not engine.exhausted


@pytest.mark.parametrize("state", ["INITIALIZED", "RUNNING", "TUNER_NO_MORE_TRIAL"])
def test_states_in_which_nni_starts_trials(engine: AdvisorEngine, manager: FakeManager, state: str) -> None:
    manager.state = state
    assert engine.idle_worker_available()


def test_nothing_is_known_before_the_manager_has_answered(engine: AdvisorEngine, manager: FakeManager) -> None:
    manager.reachable = False
    manager.state = "DONE"
    assert not engine.idle_worker_available()
    assert engine.exhausted is False
    assert engine.budget_available()


def test_a_second_caller_waits_for_the_answer(engine: AdvisorEngine, manager: FakeManager) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow() -> dict[str, Any]:
        asked.set()
        assert go_on.wait(10)
        return {"params": manager.params}

    manager.experiment = slow
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(engine.idle_worker_available)
        assert asked.wait(10)
        second = pool.submit(engine.idle_worker_available)
        assert not second.done()
        go_on.set()
        assert first.result(10) and second.result(10)
    assert manager.asked == 1


def test_a_job_that_nni_never_started_does_not_keep_the_search_open(
    engine: AdvisorEngine, manager: FakeManager
) -> None:
    engine.submit_models(Model({"x": 1}), Model({"x": 2}))
    engine.on_end(end(0, "A"))
    manager.state = "DONE"  # maxExperimentDuration was over before parameter 1 was started
    manager.jobs = [{"hyperParameters": [json.dumps({"parameter_id": 0})]}]
    assert fresh(engine).exhausted
    manager.jobs.append({"hyperParameters": [json.dumps({"parameter_id": 1})]})
    assert not engine.exhausted  # it did start, so its end is on the way
    engine.on_end(end(1, "B"))
    assert engine.exhausted


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


def test_a_recovered_trial_of_the_web_ui_waits_for_its_first_message(manager: FakeManager) -> None:
    manager.stored["U"] = json.dumps({"parameter_id": None, "parameters": {"x": 9}})
    engine = AdvisorEngine([].append, manager, Model, earlier=["U", "A"])
    engine.recover(None, {"x": 9})
    assert not engine._running
    engine.on_metric(metric(None, "U", {"default": 0.5}))
    assert [model.sample for model in engine.list_models()] == [{"x": 9}]
    assert engine._submitted == 2  # among the earlier ones already
    engine.on_end(end(None, "U"))
    assert not engine._running


def test_a_recovered_sample_from_outside_the_space_is_logged(
    engine: AdvisorEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.recover(5, {"y": 9})
    assert not engine._running
    assert "no architecture of this space" in caplog.text


def test_an_error_of_the_journal_is_not_taken_for_a_bad_sample(manager: FakeManager) -> None:
    def adopted(model: Model) -> None:
        raise JournalError("disk full")

    manager.stored["U"] = json.dumps({"parameter_id": None, "parameters": {"x": 9}})
    engine = AdvisorEngine([].append, manager, Model, adopted=adopted)
    with pytest.raises(JournalError):
        engine.on_metric(metric(None, "U", {"default": 0.5}))
