"""Record: events of models that are not in flight, and what is read back from the journal."""

from __future__ import annotations

import pytest

from ednas_nni.compat.nas import FinalMetricEvent, IntermediateMetricEvent, ModelStatus, TrainingEndEvent
from ednas_nni.compat.nas_search import RegularizedEvolution
from ednas_nni.search import Record, mount
from ednas_nni.search.mounting import layers
from ednas_nni.testing.engines import FakeEngine, PlainSpace
from tests.search.scripted import PROBLEM, WORLD, Script, honest, run, samples


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
    assert [note.metrics.get("default") for note in history.notes] == [0.9, 0.99, 0.7, None]
    assert all(note.job == "job0" for note in history.notes)


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
    from ednas_nni.space.domains import Dimension, Domains

    engine = FakeEngine(honest)
    mount(Script([]), PROBLEM, journal).initialize(PlainSpace(WORLD.domains), engine)
    stranger = PlainSpace(Domains([Dimension("x", (1, 2))])).freeze({"x": 1})
    engine.dispatch_model_event(TrainingEndEvent(stranger, ModelStatus.Trained))
    assert "another space" in journal.history().notes[0].text and journal.history().trials == []


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
    known = layers(chain)[-1].outcomes
    known.running = Watched(known)
    chain(PlainSpace(WORLD.domains), FakeEngine(honest, 5))
    assert known.running.gaps == [False] * 3


def test_rankings_come_from_the_journal(tmp_path):
    strategy = RegularizedEvolution(population_size=3, sample_size=2, seed=0)
    chain, _, history = run(strategy, tmp_path, trials=6, hardware_aware={"target": 2.0, "weight": -1.0})
    ranked = [model.metric for model in chain.list_models()]
    assert ranked == sorted((r.quality for r in history.trials), reverse=True)
