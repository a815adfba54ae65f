"""Record: every trial is booked once, on the architecture that ran."""

from __future__ import annotations

import math

import pytest

from ednas_nni.compat.nas import FinalMetricEvent, ModelStatus, TrainingEndEvent
from ednas_nni.record import events
from ednas_nni.search import Record, mount
from ednas_nni.search.mounting import layers
from ednas_nni.testing.engines import FakeEngine, PlainSpace
from strategies import Ednas
from tests.search.scripted import OPEN, PROBLEM, WORLD, Script, honest, ident, run, samples


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
    assert {(s.sent, s.owns) for s in history.swaps} == {(one, two), (two, one)}


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
    assert history.notes[0].metrics["default"] == WORLD.quality(stranger)


def test_an_engine_that_refuses_a_model_leaves_no_open_trial(journal):
    class Refuses(FakeEngine):
        def submit_models(self, *models):
            raise RuntimeError("no credit")

    with pytest.raises(RuntimeError, match="no credit"):
        mount(Script(samples(1)), PROBLEM, journal)(PlainSpace(WORLD.domains), Refuses(honest))
    assert journal.history().trials[0].status == "failed"


def test_adopted_jobs_are_booked_and_teach_the_strategy(journal):
    old, by_hand = samples(2, seed=11)
    journal.append(events.Submitted(trial=7, architecture=ident(old), sample=old, costs={}))
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
    assert [outcome["sample"] for outcome in strategy.core.state_dict()["told"]] == [old, by_hand]


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
    assert ending[1] in note.text and "trial 0" in note.text and note.job == "job0"


def test_the_check_rejects_a_record_that_believes_the_exit_code(journal, monkeypatch):
    from ednas_nni.search.middleware.record import Booking

    monkeypatch.setattr(Booking, "outcome", lambda self, status, cause: (status, cause))
    script = Script(samples(1))
    mount(script, PROBLEM, journal)(PlainSpace(WORLD.domains), ThenDies(honest, 5))
    with pytest.raises(AssertionError):
        check_result_counts(script, journal.history())
