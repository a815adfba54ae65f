"""Reuse, Constrain, Record and the reward over a fake engine, NNI's strategies above."""

from __future__ import annotations

import math

import numpy as np
import pytest
from nni.nas.execution.event import FinalMetricEvent, IntermediateMetricEvent, TrainingEndEvent
from nni.nas.space import ModelStatus
from nni.nas.strategy import Random, RegularizedEvolution
from nni.nas.strategy.base import Strategy
from nni.nas.strategy.middleware import Chain

from ednas_nni.errors import InfeasibleError, PluginError, StudyError
from ednas_nni.journal import Journal
from ednas_nni.objectives import reward
from ednas_nni.strategy import CostAware, Record, mount, reason
from ednas_nni.strategy.middleware.constrain import Constrain
from ednas_nni.strategy.mounting import layers
from ednas_nni.testing.engines import FakeEngine, PlainSpace
from ednas_nni.testing.strategies import check_history, search
from ednas_nni.testing.synthetic import Synthetic
from strategies import Ednas, HardwareAware


@pytest.fixture
def journal(tmp_path):
    opened = Journal(tmp_path / "j.jsonl")
    yield opened
    opened.close()


WORLD = Synthetic(noise=0.0)
PROBLEM = WORLD.problem()
OPEN = WORLD.problem([])


class Script(Strategy):
    """Submits given samples and writes down what it is told."""

    def __init__(self, samples, wait=True):
        super().__init__()
        self.samples, self.wait = samples, wait
        self.finals, self.ends, self.models = [], [], []

    def _initialize(self, space, engine):
        engine.register_model_event_callback("final_metric", lambda e: self.finals.append((self.index(e), e.metric)))
        engine.register_model_event_callback(
            "training_end", lambda e: self.ends.append((self.index(e), e.status, getattr(e, "cause", "")))
        )
        return space

    def index(self, event):
        return next(i for i, model in enumerate(self.models) if model is event.model)

    def _run(self):
        for sample in self.samples:
            if not self.wait_for_resource():
                return
            self.models.append(self.model_space.freeze(sample))
            self.engine.submit_models(self.models[-1])
        if self.wait:
            self.engine.wait_models()


def samples(count, problem=PROBLEM, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        sample = WORLD.domains.random(rng)
        if problem.feasible([sample])[0] and sample not in found:
            found.append(sample)
    return found


def ident(sample):
    return WORLD.domains.architecture_id(sample)


def honest(sample):
    return {"default": WORLD.quality(sample), "architecture": ident(sample)}


def run(strategy, path, problem=PROBLEM, trial=honest, **options):
    return search(strategy, WORLD, problem, path / "journal.jsonl", trial=trial, **({"trials": 20} | options))


# -------------------------------------------------------------------- Record
def test_record_books_everything_in_order(tmp_path):
    script = Script(samples(2))
    _, _, history = run(script, tmp_path)
    assert [r.status for r in history.trials] == ["trained", "trained"]
    assert [r.trial for r in history.trials] == [0, 1]
    assert [r.job for r in history.trials] == ["job0", "job1"]
    assert [r.quality for r in history.trials] == [WORLD.quality(s) for s in script.samples]
    assert len(history.trials[0].intermediates) == 1
    assert "architecture" not in script.finals[0][1]  # only numbers reach the strategy


def test_submitted_is_on_the_disk_before_the_engine_gets_the_model(tmp_path, journal):
    seen = []

    class Looks(FakeEngine):
        def submit_models(self, *models):
            seen.append((tmp_path / "j.jsonl").read_text().count('"submitted"'))
            super().submit_models(*models)

    mount(Script(samples(3)), PROBLEM, journal)(PlainSpace(WORLD.domains), Looks(honest, 5))
    assert seen == [1, 2, 3]


def test_models_are_canonical_and_the_strategys_sample_is_untouched(tmp_path):
    raw = dict(samples(1)[0], stage1_depth=1)
    raw["stage1_block2_op"] = "fused_k3_e6"  # inactive at depth 1
    kept = dict(raw)
    _, fake, _ = run(Script([raw]), tmp_path, OPEN)
    assert raw == kept
    assert fake.submitted == [WORLD.domains.canonical(raw)] != [raw]


def test_trial_numbers_go_on_after_a_restart(tmp_path):
    run(Script(samples(2)), tmp_path)
    _, _, history = run(Script(samples(2, seed=5)), tmp_path)
    assert [r.trial for r in history.trials] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("report", "word"),
    [
        ({"default": math.nan}, "nan"),
        (math.inf, "inf"),
        ({"segmentation_miou": 0.5}, "default"),
        ({"default": "good"}, "default"),
        ({"default": 0.5, "depth_abs_error_m": math.nan}, "depth_abs_error_m"),
        (None, "default"),
    ],
)
def test_what_is_no_number_becomes_a_failed_trial(tmp_path, report, word):
    script = Script(samples(1))
    _, _, history = run(script, tmp_path, trial=lambda sample: report)
    (record,) = history.trials
    assert record.status == "failed" and word in record.cause and record.quality is None
    assert script.finals == [] and script.ends[0][1] == ModelStatus.Failed
    assert script.models[0].metric is None and script.models[0].status == ModelStatus.Failed


def test_a_trial_without_a_result_failed(journal):
    class Silent(FakeEngine):
        def finish_one(self, index=0):
            job, model, _ = self.running.pop(index)
            self._send(TrainingEndEvent(model, ModelStatus.Trained), job)

    mount(Script(samples(1)), PROBLEM, journal)(PlainSpace(WORLD.domains), Silent(honest, 5))
    assert journal.history().trials[0].status == "failed"
    assert "without a final result" in journal.history().trials[0].cause


def test_the_engines_cause_is_kept(tmp_path):
    def boom(sample):
        raise RuntimeError("CUDA out of memory")

    script = Script(samples(1))
    _, _, history = run(script, tmp_path, trial=boom)
    assert history.trials[0].cause == script.ends[0][2] == "CUDA out of memory"


# ---- parameter swaps
def crosswise(sample, flying):
    """Two jobs that got each other's parameters; a job that flies alone runs the one that is left."""
    return next((s for s in flying if s != sample), sample)


def swapped_run(journal, record=None, order=(0, 1)):
    """Two jobs in flight that run each other's architecture."""
    script = Script(samples(2))
    chain = mount(script, PROBLEM, journal)
    if record is not None:
        chain._middlewares[-1] = record(PROBLEM, journal)
    engine = FakeEngine(honest, 5, workers=2)
    other = {ident(a): b for a, b in (script.samples, script.samples[::-1])}
    engine.ran = lambda sample, flying: other[ident(sample)]
    engine.wait_models = lambda *models: [engine.finish_one(i) for i in ((1, 0) if order == (1, 0) else (0, 0))]
    chain(PlainSpace(WORLD.domains), engine)
    return script, journal.history()


def check_swap(script, history):
    for record, sample in zip(history.trials, script.samples, strict=True):
        assert record.architecture == ident(sample)
        assert record.status == "trained"
        assert record.quality == WORLD.quality(sample), "a result is booked on another architecture"
    told = dict(script.finals)
    assert {i: m["default"] for i, m in told.items()} == {i: WORLD.quality(s) for i, s in enumerate(script.samples)}
    assert sorted(script.ends) == [(0, ModelStatus.Trained, ""), (1, ModelStatus.Trained, "")]
    assert [m.metric for m in script.models] == [WORLD.quality(s) for s in script.samples]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_swapped_result_goes_to_the_architecture_that_ran(journal, order):
    script, history = swapped_run(journal, order=order)
    check_swap(script, history)
    one, two = map(ident, script.samples)
    assert {(s["sent"], s["owns"]) for s in history.swaps} == {(one, two), (two, one)}


class Trusting(Record):
    """Broken: books on the model that NNI believes in."""

    def _read(self, event, booking):
        reading, _ = super()._read(event, booking)
        return reading, booking


class Impatient(Record):
    """Broken: ends a model whose report is still on its way."""

    def _in_flight(self):
        return False


@pytest.mark.parametrize("broken", [Trusting, Impatient])
def test_the_swap_check_rejects(journal, broken):
    script, history = swapped_run(journal, broken)
    with pytest.raises(AssertionError):
        check_swap(script, history)


def test_a_shifted_queue_never_hangs_and_late_results_are_kept(tmp_path):
    """One worker; the first job dies before it reads its parameters, so each next job runs the previous one's."""
    script = Script(samples(4))
    jobs = iter(range(9))

    def trial(sample):
        turn = next(jobs)
        if turn == 0:
            raise RuntimeError("died early")
        return honest(script.samples[turn - 1])

    _, _, history = run(script, tmp_path, trial=trial)
    assert len(script.ends) == 4
    for record, sample in zip(history.trials[:3], script.samples, strict=False):
        assert record.status == "trained" and record.quality == WORLD.quality(sample)
    assert history.trials[3].status == "failed" and "no other job" in history.trials[3].cause
    assert all(metric["default"] == WORLD.quality(script.samples[i]) for i, metric in script.finals)


def test_an_architecture_nobody_submitted_is_noted_not_booked(tmp_path):
    (stranger,) = samples(1, seed=9)
    script = Script(samples(1))
    _, _, history = run(script, tmp_path, trial=lambda sample: honest(stranger))
    assert history.trials[0].status == "failed" and history.results == {}
    assert history.notes[0]["metrics"]["default"] == WORLD.quality(stranger)


def test_an_engine_that_refuses_a_model_leaves_no_open_trial(journal):
    class Refuses(FakeEngine):
        def submit_models(self, *models):
            raise RuntimeError("no credit")

    with pytest.raises(RuntimeError, match="no credit"):
        mount(Script(samples(1)), PROBLEM, journal)(PlainSpace(WORLD.domains), Refuses(honest))
    assert journal.history().trials[0].status == "failed"


def test_adopted_jobs_are_booked_and_teach_the_strategy(journal):
    old, by_hand = samples(2, seed=11)
    journal.append("submitted", trial=7, architecture=ident(old), sample=old, costs={})
    strategy = Ednas(initial=2)
    chain = mount(strategy, PROBLEM, journal)
    space, engine = PlainSpace(WORLD.domains), FakeEngine(honest, 0)
    chain.initialize(space, engine)
    for sample, number in ((old, 7), (by_hand, None)):
        model = space.freeze(sample)
        engine.running.append((f"job-{number}", model, sample))
        layers(chain)[-1].adopt(model, number)
    engine.wait_models()
    assert [(r.trial, r.status, r.quality) for r in journal.history().trials] == [
        (7, "trained", WORLD.quality(old)),
        (8, "trained", WORLD.quality(by_hand)),
    ]
    assert len(strategy.core.front()) in (1, 2)


class ThenDies(FakeEngine):
    """Reports a good final result; then the process ends badly."""

    ending = (ModelStatus.Failed, "exit code 139")

    def finish_one(self, index=0):
        job, model, sample = self.running.pop(index)
        self._send(FinalMetricEvent(model, self.trial(sample)), job)
        self._send(TrainingEndEvent(model, self.ending[0]), job, self.ending[1])


def check_result_counts(script, history):
    assert [r.status for r in history.trials] == ["trained"]
    assert history.results[ident(script.samples[0])].quality == WORLD.quality(script.samples[0])
    assert script.ends == [(0, ModelStatus.Trained, "")] and script.models[0].status == ModelStatus.Trained


@pytest.mark.parametrize(
    "ending", [(ModelStatus.Failed, "exit code 139"), (ModelStatus.Interrupted, "killed by a signal")]
)
def test_a_result_counts_whatever_becomes_of_its_process(journal, ending):
    script, engine = Script(samples(1)), ThenDies(honest, 5)
    engine.ending = ending
    mount(script, PROBLEM, journal)(PlainSpace(WORLD.domains), engine)
    check_result_counts(script, journal.history())
    (note,) = journal.history().notes
    assert ending[1] in note["text"] and "trial 0" in note["text"] and note["job"] == "job0"


def test_the_check_rejects_a_record_that_believes_the_exit_code(journal, monkeypatch):
    from ednas_nni.strategy.middleware.booking import Booking

    monkeypatch.setattr(Booking, "outcome", lambda self, status, cause: (status, cause))
    script = Script(samples(1))
    mount(script, PROBLEM, journal)(PlainSpace(WORLD.domains), ThenDies(honest, 5))
    with pytest.raises(AssertionError):
        check_result_counts(script, journal.history())


# ---- events of models that are not in flight
class Talkative(FakeEngine):
    """Reports twice, ends twice, and goes on reporting after the end."""

    def finish_one(self, index=0):
        job, model, _ = self.running.pop(index)
        for value in (0.5, 0.9):
            self._send(FinalMetricEvent(model, {"default": value}), job)
        self._send(TrainingEndEvent(model, ModelStatus.Trained), job)
        self._send(FinalMetricEvent(model, {"default": 0.99}), job)
        self._send(IntermediateMetricEvent(model, {"default": 0.7}), job)
        self._send(TrainingEndEvent(model, ModelStatus.Failed), job, "again")


def check_said_once(script, history):
    assert script.finals == [(0, {"default": 0.5})] and script.ends == [(0, ModelStatus.Trained, "")]
    assert script.models[0].metric == 0.5 and script.models[0].status == ModelStatus.Trained
    assert [(r.status, r.quality, r.intermediates) for r in history.trials] == [("trained", 0.5, [])]
    assert [note.get("metrics", {}).get("default") for note in history.notes] == [0.9, 0.99, 0.7, None]
    assert all(note["job"] == "job0" for note in history.notes)


def test_late_events_are_noted_and_reach_nobody(journal):
    script = Script(samples(1))
    mount(script, PROBLEM, journal)(PlainSpace(WORLD.domains), Talkative(honest, 5))
    check_said_once(script, journal.history())


class PassesOn(Record):
    """Broken: events of unknown models go on to the strategy."""

    def _stop_late(self, event, reading):
        return


def test_the_check_rejects_a_record_that_passes_late_events_on(journal):
    script = Script(samples(1))
    chain = mount(script, PROBLEM, journal)
    chain._middlewares[-1] = PassesOn(PROBLEM, journal)
    chain(PlainSpace(WORLD.domains), Talkative(honest, 5))
    with pytest.raises(AssertionError):
        check_said_once(script, journal.history())


def test_a_late_result_that_proves_its_architecture_is_not_lost(journal):
    """The end overtook the report."""

    class Overtakes(FakeEngine):
        def finish_one(self, index=0):
            job, model, sample = self.running.pop(index)
            self._send(TrainingEndEvent(model, ModelStatus.Trained), job)
            self._send(FinalMetricEvent(model, self.trial(sample)), job)

    script = Script(samples(1))
    mount(script, PROBLEM, journal)(PlainSpace(WORLD.domains), Overtakes(honest, 5))
    assert [(r.status, r.quality) for r in journal.history().trials] == [("trained", WORLD.quality(script.samples[0]))]
    assert script.finals == [] and script.ends[0][1] == ModelStatus.Failed


def test_events_of_another_space_do_not_raise_into_the_engine(journal):
    from ednas_nni.domains import Dimension, Domains

    engine = FakeEngine(honest)
    mount(Script([]), PROBLEM, journal).initialize(PlainSpace(WORLD.domains), engine)
    stranger = PlainSpace(Domains([Dimension("x", (1, 2))])).freeze({"x": 1})
    engine.dispatch_model_event(TrainingEndEvent(stranger, ModelStatus.Trained))
    assert "another space" in journal.history().notes[0]["text"] and journal.history().trials == []


class Watched(set):
    """A set that looks, whenever something leaves it, whether it is known by then."""

    def __init__(self, known):
        super().__init__()
        self.known, self.gaps = known, []

    def discard(self, architecture):
        super().discard(architecture)
        self.gaps.append(architecture not in self.known)


def test_an_architecture_is_known_before_it_stops_running(journal):
    chain = mount(Script(samples(3)), PROBLEM, journal)
    known = layers(chain)[-1].known
    known.running = Watched(known)
    chain(PlainSpace(WORLD.domains), FakeEngine(honest, 5))
    assert known.running.gaps == [False] * 3


def test_rankings_come_from_the_journal(tmp_path):
    strategy = RegularizedEvolution(population_size=3, sample_size=2, seed=0)
    chain, _, history = run(strategy, tmp_path, trials=6, hardware_aware={"target": 2.0, "weight": -1.0})
    ranked = [model.metric for model in chain.list_models()]
    assert ranked == sorted((r.quality for r in history.trials), reverse=True)


# -------------------------------------------------------------------- Reuse
def test_known_architectures_are_answered_from_the_journal(tmp_path):
    once = samples(3)
    run(Script(once), tmp_path)
    again = Script([*once, *samples(1, seed=3)])
    _, fake, history = run(again, tmp_path)
    assert len(fake.submitted) == 1 and len(history.reused) == 3
    assert [m["default"] for _, m in again.finals] == [WORLD.quality(s) for s in again.samples]
    assert [status for _, status, _ in again.ends] == [ModelStatus.Trained] * 4


def test_the_same_architecture_under_other_inactive_labels_is_known(tmp_path):
    one = dict(samples(1)[0], stage1_depth=1)
    two = dict(one, stage1_block2_op="fused_k3_e6")
    script = Script([one, two])
    _, fake, history = run(script, tmp_path, OPEN)
    assert len(fake.submitted) == 1 and len(history.reused) == 1


def test_a_twin_of_a_running_trial_waits_for_it(tmp_path):
    (one,) = samples(1)
    script = Script([one, one])
    _, fake, _ = run(script, tmp_path, workers=3)
    assert len(fake.submitted) == 1
    assert sorted(i for i, _, _ in script.ends) == [0, 1]
    assert [m["default"] for _, m in script.finals] == [WORLD.quality(one)] * 2


def test_a_twin_of_a_failing_trial_fails_too(tmp_path):
    (one,) = samples(1)
    script = Script([one, one])
    run(script, tmp_path, workers=3, trial=lambda sample: {"default": math.nan})
    assert [status for _, status, _ in script.ends] == [ModelStatus.Failed] * 2
    assert all("nan" in cause for _, _, cause in script.ends)


def test_a_strategy_that_repeats_itself_ends_with_a_reason(tmp_path):
    (one,) = samples(1)
    script = Script([one] * 10_000)
    chain, fake, _ = run(script, tmp_path)
    assert len(fake.submitted) == 1 and len(script.ends) < 400
    assert "known already" in reason(chain)


def boom(sample):
    raise RuntimeError("CUDA out of memory")


def test_failures_of_earlier_sessions_are_answered_and_not_trained_again(tmp_path):
    once = samples(3)
    run(Script(once), tmp_path, trial=boom)
    again = Script([*once, *samples(1, seed=3)])
    _, fake, history = run(again, tmp_path)
    assert fake.submitted == [WORLD.domains.canonical(again.samples[3])]
    assert again.ends[:3] == [(i, ModelStatus.Failed, "CUDA out of memory") for i in range(3)]
    assert [r["trial"] for r in history.reused] == [0, 1, 2] and len(history.trials) == 4


def test_without_the_old_failures_each_would_be_trained_again(tmp_path, monkeypatch):
    """The broken variant: Known that forgets them."""
    from ednas_nni.strategy.middleware.known import Known

    once = samples(3)
    run(Script(once), tmp_path, trial=boom)
    monkeypatch.setattr(Known, "failed", property(lambda self: {}, lambda self, value: None), raising=False)
    _, fake, _ = run(Script(once), tmp_path)
    assert len(fake.submitted) == 3


def test_within_a_session_a_failure_may_be_tried_again(tmp_path):
    (one,) = samples(1)
    turns = iter(range(9))
    flaky = lambda sample: boom(sample) if next(turns) == 0 else honest(sample)  # noqa: E731
    script = Script([one, one])
    _, fake, history = run(script, tmp_path, trial=flaky)
    assert len(fake.submitted) == 2 and [r.status for r in history.trials] == ["failed", "trained"]
    _, fake, _ = run(Script([one]), tmp_path, trial=boom)
    assert fake.submitted == []  # the result stands, not the failure before it


def test_a_cancelled_trial_is_trained_in_the_next_session(tmp_path, journal):
    class Cancels(FakeEngine):
        def finish_one(self, index=0):
            job, model, _ = self.running.pop(index)
            self._send(TrainingEndEvent(model, ModelStatus.Interrupted), job, "cancelled by the user")

    once = samples(1)
    mount(Script(once), PROBLEM, journal)(PlainSpace(WORLD.domains), Cancels(honest, 5))
    engine = FakeEngine(honest, 5)
    mount(Script(once), PROBLEM, journal)(PlainSpace(WORLD.domains), engine)
    assert [r.status for r in journal.history().trials] == ["cancelled", "trained"] and len(engine.submitted) == 1


def replay(journal, past, count=None):
    """A session that proposes its past again, refused proposals in between, and then something new."""
    script = Script([*past, *samples(1, seed=9)])
    engine = FakeEngine(honest, 20)
    chain = mount(script, PROBLEM, journal, patience=3)
    if count is not None:
        layers(chain)[0]._count = count
    chain(PlainSpace(WORLD.domains), engine)
    return script, engine, chain


def test_a_replay_costs_no_patience_and_refuses_nothing_twice_in_the_journal(journal):
    good, bad = samples(6), infeasible(6)
    past = [sample for pair in zip(good, bad, strict=True) for sample in pair]
    replay(journal, past)
    refused = [entry["architecture"] for entry in journal.history().rejected]
    assert refused == [ident(sample) for sample in bad]
    script, engine, chain = replay(journal, [*past])
    assert len(script.ends) == len(past) + 1 and reason(chain) == ""
    assert engine.submitted == [] and [e["architecture"] for e in journal.history().rejected] == refused


def test_the_replay_check_rejects_answers_that_are_no_progress(journal):
    past = [sample for pair in zip(samples(6), infeasible(6), strict=True) for sample in pair]
    replay(journal, past)
    script, _, chain = replay(journal, past, count=lambda architecture, kind: None)
    assert len(script.ends) < len(past) and "outside the constraints" in reason(chain)


def test_the_second_answer_in_a_session_costs_patience(journal):
    good = samples(2)
    replay(journal, good)
    script, _, chain = replay(journal, [*good, *good, *good])
    assert len(script.ends) == 5 and "3 that are known already" in reason(chain)


def test_answers_for_architectures_of_this_session_cost_patience(journal):
    (one,) = samples(1)
    script, engine, chain = replay(journal, [one] * 9)
    assert len(script.ends) == 4 and len(engine.submitted) == 1 and "3 that are known already" in reason(chain)


# -------------------------------------------------------------------- Constrain
def infeasible(count=1):
    rng = np.random.default_rng(4)
    drawn = [WORLD.domains.random(rng) for _ in range(300)]
    return [s for s, ok in zip(drawn, PROBLEM.feasible(drawn), strict=True) if not ok][:count]


def test_infeasible_models_are_rejected_and_never_trained(tmp_path):
    script = Script([infeasible()[0], *samples(1)])
    _, fake, history = run(script, tmp_path)
    assert len(fake.submitted) == 1
    assert script.ends[0][1] == ModelStatus.Invalid and script.models[0].metric is None
    assert "latency_ms" in history.rejected[0]["reasons"][0]


class LetsThrough(Constrain):
    """Broken: journals the refusal and trains anyway."""

    def submit_models(self, *models):
        self.engine.submit_models(*models)


def test_the_history_check_rejects_a_constraint_that_lets_through(journal):
    chain = mount(Script(infeasible()), PROBLEM, journal)
    chain._middlewares[-2] = LetsThrough(PROBLEM, journal)
    engine = FakeEngine(honest, 5)
    chain(PlainSpace(WORLD.domains), engine)
    with pytest.raises(PluginError, match="outside the constraints"):
        check_history(journal.history(), engine.submitted, PROBLEM, 1)


def test_only_infeasible_proposals_end_with_a_reason(tmp_path):
    script = Script(infeasible() * 10_000)
    chain, fake, _ = run(script, tmp_path)
    assert fake.submitted == [] and "outside the constraints" in reason(chain)


def test_a_constraint_nobody_can_meet_is_refused_with_the_smallest_value(journal):
    with pytest.raises(InfeasibleError, match=r"smallest reachable latency_ms is 0\.97\d+ \(estimated from"):
        mount(Random(), WORLD.problem(["latency_ms <= 0.5"]), journal)
    with pytest.raises(InfeasibleError, match=r"smallest reachable latency_ms is 1\.25\. "):
        mount(Random(), WORLD.problem(["latency_ms <= 1"]), journal, reachable={"latency_ms": 1.25})
    with pytest.raises(InfeasibleError, match="largest reachable macs"):
        mount(Random(), WORLD.problem(["macs >= 1e15"]), journal)
    with pytest.raises(InfeasibleError, match="Each may be reachable alone"):
        mount(Random(), WORLD.problem(["latency_ms <= 1.1", "macs >= 3e9"]), journal)


def test_a_tight_constraint_that_random_samples_miss_is_found():
    from ednas_nni.strategy.reachable import check_reachable, find_feasible

    tight = WORLD.problem(["latency_ms <= 1.05"])
    assert find_feasible(tight, np.random.default_rng(0)) is not None
    check_reachable(tight)


# -------------------------------------------------------------------- rewards
def test_regularized_evolution_holds_the_reward_in_its_own_population(tmp_path):
    strategy = RegularizedEvolution(population_size=4, sample_size=2, seed=0)
    aware = HardwareAware(latency_ms=2.0, weight=-0.5)
    _, _, history = run(strategy, tmp_path, trials=6, hardware_aware=aware)
    assert len(strategy._population) == 4
    for individual in strategy._population:
        quality = WORLD.quality(individual.x)
        expected = reward("log", quality, PROBLEM.cost_dict(individual.x)["latency_ms"], 2.0, -0.5)
        assert individual.y == pytest.approx(expected) and individual.y != pytest.approx(quality)
    assert [r.quality for r in history.trials] == [WORLD.quality(r.sample) for r in history.trials]


@pytest.mark.parametrize("raw", [0.5, {"default": 0.5, "miou": 0.3}])
def test_hardware_aware_alone_takes_numbers_and_dicts(raw):
    strategy = Script(samples(1))
    aware = HardwareAware(latency_ms=2.0, weight=-0.5, problem=PROBLEM)
    Chain(strategy, aware)(PlainSpace(WORLD.domains), FakeEngine(lambda sample: raw, 3, jobs=False))
    expected = aware.reward_of(0.5, strategy.samples[0])
    assert strategy.finals[0][1] == ({**raw, "default": expected} if isinstance(raw, dict) else {"default": expected})
    assert strategy.models[0].metric == expected
    assert raw in (0.5, {"default": 0.5, "miou": 0.3})  # the trial's own dict is untouched


def test_a_reward_that_redispatches_is_overwritten():
    """The broken variant: a second event, as NNI's own middlewares do it, loses against the first."""

    class Redispatches(CostAware):
        def _on_final(self, event):
            self.dispatch_model_event(FinalMetricEvent(event.model, {"default": -1.0}))

    strategy = Script(samples(1))
    chain = Chain(strategy, Redispatches(problem=PROBLEM))
    chain(PlainSpace(WORLD.domains), FakeEngine(lambda sample: 0.5, 3))
    assert strategy.models[0].metric == 0.5


def test_a_reused_result_gets_the_reward_of_this_search(tmp_path):
    once = samples(1)
    run(Script(once), tmp_path)
    script = Script(once)
    _, fake, _ = run(script, tmp_path, hardware_aware={"target": 1.0, "weight": -1.0})
    assert fake.submitted == []
    assert script.finals[0][1]["default"] < WORLD.quality(once[0]) - 0.1


def test_a_product_reward_of_a_negative_quality_is_withheld(tmp_path):
    script = Script(samples(1))
    options = {"reward": "mnas_soft", "target": 2.0}
    _, _, history = run(script, tmp_path, trial=lambda s: {"default": -0.1}, hardware_aware=options)
    assert script.finals == [] and script.models[0].metric is None
    assert history.trials[0].quality == -0.1


def test_unregistering_takes_callbacks_out_everywhere(journal):
    strategy = RegularizedEvolution(population_size=2, sample_size=1, seed=0)
    engine = FakeEngine(honest, 3)
    chain = mount(strategy, PROBLEM, journal)
    chain(PlainSpace(WORLD.domains), engine)
    for layer in [*layers(chain), engine]:
        assert strategy._training_end_callback not in layer._callbacks["training_end"]


def test_a_reward_around_a_multi_objective_strategy_is_refused(journal):
    for arguments in ({"hardware_aware": HardwareAware()}, {"hardware_aware": {"target": 3.0}}):
        with pytest.raises(StudyError, match="itself"):
            mount(Ednas(), PROBLEM, journal, **arguments)
    with pytest.raises(StudyError, match="itself"):
        mount(Chain(Ednas(), HardwareAware()), PROBLEM, journal)
    strategy = Ednas()
    strategy.bind(PROBLEM)
    with pytest.raises(StudyError, match="twice"):
        Chain(strategy, HardwareAware(problem=PROBLEM))(PlainSpace(WORLD.domains), FakeEngine(honest))


@pytest.mark.parametrize(
    "options", [{"reward": "logg"}, {"weight": 0.1}, {"latency_ms": 0}, {"target": -1.0}, {"cost": "energy_mj"}]
)
def test_a_wrong_hardware_aware_is_refused(options):
    with pytest.raises(StudyError):
        HardwareAware(**options, problem=PROBLEM)


def test_a_strategy_without_a_problem_says_how_to_start_it():
    with pytest.raises(StudyError, match="mount"):
        Ednas()(PlainSpace(WORLD.domains), FakeEngine(honest))
