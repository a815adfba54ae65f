"""CostAware and HardwareAware: the reward of quality and cost."""

from __future__ import annotations

import numpy as np
import pytest

from ednas_nni.compat.nas import FinalMetricEvent
from ednas_nni.compat.nas_search import Chain, RegularizedEvolution
from ednas_nni.errors import StudyError
from ednas_nni.search import CostAware, mount
from ednas_nni.search.mounting import layers
from ednas_nni.study.objectives import reward
from ednas_nni.testing.engines import FakeEngine, PlainSpace
from ednas_nni.testing.strategies import search
from strategies import Ednas, HardwareAware
from tests.search.scripted import PROBLEM, WORLD, Script, honest, run, samples


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


def test_a_reward_of_delta_t_is_seen_under_its_name():
    """A core of objectives reads `delta_t`; where that is not the score, it stays as it was."""
    for raw, told in (({"default": -3.0, "delta_t": -3.0}, True), ({"default": 0.5, "delta_t": -3.0}, False)):
        strategy = Script(samples(1))
        aware = HardwareAware(latency_ms=2.0, weight=-0.5, problem=PROBLEM)
        Chain(strategy, aware)(PlainSpace(WORLD.domains), FakeEngine(lambda sample, raw=raw: raw, 3, jobs=False))
        seen = strategy.finals[0][1]
        assert seen["default"] == aware.reward_of(raw["default"], strategy.samples[0]) != raw["default"]
        assert seen["delta_t"] == (seen["default"] if told else -3.0)


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


def test_a_reward_of_a_network_without_cost_is_withheld(tmp_path):
    from dataclasses import replace

    script = Script(samples(1))
    free = replace(PROBLEM, costs=lambda found: np.zeros((len(found), len(PROBLEM.cost_names))))
    _, _, history = search(script, WORLD, free, tmp_path / "j.jsonl", trials=1, hardware_aware={"target": 2.0})
    assert script.finals == [] and history.trials[0].quality is not None


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


def test_a_strategy_as_in_nnis_docs_gets_numbers(tmp_path):
    """It may compare, add and format what a FinalMetric event holds; the whole result is in `metrics`."""
    seen = []

    class Climbs(Script):
        def _initialize(self, space, engine):
            engine.register_model_event_callback("final_metric", lambda event: seen.append(event.metric))
            return space

    run(Climbs(samples(3)), tmp_path)
    assert len(seen) == 3 and max(seen) >= sum(seen) / 3 > 0 and f"{max(seen):.2f}"
    assert all(score.metrics["default"] == score for score in seen)
