"""Reuse: known architectures are answered, not trained again."""

from __future__ import annotations

import math

from ednas_nni.compat.nas import ModelStatus, TrainingEndEvent
from ednas_nni.search import mount, reason
from ednas_nni.search.middleware.reuse import Reuse
from ednas_nni.search.mounting import layers
from ednas_nni.testing.engines import FakeEngine, PlainSpace
from tests.search.scripted import OPEN, PROBLEM, WORLD, Script, honest, ident, infeasible, run, samples


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
    assert [r.trial for r in history.reused] == [0, 1, 2] and len(history.trials) == 4


def test_without_the_old_failures_each_would_be_trained_again(tmp_path, monkeypatch):
    """The broken variant: Outcomes that forgets them."""
    from ednas_nni.search.middleware.outcomes import Outcomes

    once = samples(3)
    run(Script(once), tmp_path, trial=boom)
    monkeypatch.setattr(Outcomes, "failed", property(lambda self: {}, lambda self, value: None), raising=False)
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
        next(layer for layer in layers(chain) if isinstance(layer, Reuse))._count = count
    chain(PlainSpace(WORLD.domains), engine)
    return script, engine, chain


def test_a_replay_costs_no_patience_and_refuses_nothing_twice_in_the_journal(journal):
    good, bad = samples(6), infeasible(6)
    past = [sample for pair in zip(good, bad, strict=True) for sample in pair]
    replay(journal, past)
    refused = [entry.architecture for entry in journal.history().rejected]
    assert refused == [ident(sample) for sample in bad]
    script, engine, chain = replay(journal, [*past])
    assert len(script.ends) == len(past) + 1 and reason(chain) == ""
    assert engine.submitted == [] and [e.architecture for e in journal.history().rejected] == refused


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
