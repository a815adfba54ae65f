"""Every registered strategy through the shipped contract; NNI's own sequential engine; names and arrows."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest

import strategies
from ednas_nni import plugins
from ednas_nni.compat.nas import SequentialExecutionEngine
from ednas_nni.compat.nas_search import TPE, Random
from ednas_nni.errors import PluginError, StudyError
from ednas_nni.record import events
from ednas_nni.record.journal import Journal
from ednas_nni.search import mount
from ednas_nni.search.mounting import layers
from ednas_nni.search.shell import AskTellStrategy
from ednas_nni.study.objectives import reward
from ednas_nni.testing.engines import FakeEngine, PlainSpace
from ednas_nni.testing.strategies import check_strategy, search
from ednas_nni.testing.synthetic import Synthetic

QUICK = ("Ednas", "PolicyGradient", "random", "regularized_evolution")
ALL = (*QUICK, "OptunaStrategy", "grid_search", "tpe", "policy_based_rl")


@pytest.fixture(autouse=True)
def no_naps(monkeypatch):
    """NNI's wrapper of tuners sleeps a second after each submission."""
    monkeypatch.setattr("nni.nas.strategy.hpo.time", SimpleNamespace(sleep=lambda seconds: None))


def named(name, seed=0):
    if name == "OptunaStrategy":
        pytest.importorskip("optuna")
        return strategies.OptunaStrategy("nsga2", seed=seed)
    if name == "policy_based_rl":
        pytest.importorskip("tianshou")
        return strategies.policy_based_rl(seed=seed, samples_per_update=2)
    return getattr(strategies, name)(seed=seed)


# NNI's own policy is slow to update, and tests/golden has a sequence of it.
@pytest.mark.parametrize("name", [*ALL[:-1], pytest.param(ALL[-1], marks=pytest.mark.slow)])
def test_contract(name, tmp_path):
    check_strategy(lambda seed: named(name, seed), tmp_path, trials=6 if name in QUICK else 3)


def search_with_adopted_jobs(strategy, path):
    """A search of two trials, while a job of an earlier session and one added by hand run and end."""
    rng = np.random.default_rng(5)
    old, by_hand = (WORLD.domains.random(rng) for _ in range(2))
    with closing(Journal(path)) as journal:
        return adopt_and_run(strategy, journal, old, by_hand)


def adopt_and_run(strategy, journal, old, by_hand):
    journal.append(events.Submitted(trial=3, architecture=WORLD.domains.architecture_id(old), sample=old, costs={}))
    chain = mount(strategy, PROBLEM, journal)
    space, engine = PlainSpace(WORLD.domains), FakeEngine(lambda s: {"default": WORLD.quality(s)}, 2, workers=3)
    chain.initialize(space, engine)
    for sample, number in ((old, 3), (by_hand, None)):
        model = space.freeze(sample)
        engine.running.append((f"adopted-{number}", model, sample))
        layers(chain)[-1].adopt(model, number)
    chain.run()
    engine.wait_models()
    return journal.history().trials


@pytest.mark.parametrize("name", ALL)
def test_adopted_jobs_are_booked_under_every_strategy(name, tmp_path):
    trials = search_with_adopted_jobs(named(name), tmp_path / "j.jsonl")
    assert [r.trial for r in trials] == [3, 4, 5, 6]
    assert [(r.status, r.quality) for r in trials] == [("trained", WORLD.quality(r.sample)) for r in trials]


def test_the_adoption_check_rejects_nnis_own_tpe(tmp_path, monkeypatch):
    monkeypatch.setattr(TPE, "on_training_end", TPE.on_training_end.__wrapped__)
    with pytest.raises(KeyError):
        search_with_adopted_jobs(TPE(seed=0), tmp_path / "j.jsonl")


class Repeats(Random):
    """Broken: proposes one sample for ever."""

    def random(self, model_space):
        return model_space.freeze(ONE)


class Unseeded(Random):
    """Broken: ignores its seed."""

    def __init__(self, seed):
        super().__init__()


WORLD = Synthetic(noise=0.0)
PROBLEM = WORLD.problem()
RNG = np.random.default_rng(0)
ONE = next(s for s in (WORLD.domains.random(RNG) for _ in range(100)) if PROBLEM.feasible([s])[0])


@pytest.mark.parametrize(("broken", "message"), [(Repeats, "budget"), (Unseeded, "sequence")])
def test_the_contract_rejects(broken, message, tmp_path):
    with pytest.raises(PluginError, match=message):
        check_strategy(lambda seed: broken(seed=seed), tmp_path)


def test_tpe_maximises(tmp_path):
    strategy = strategies.tpe(seed=0, startup=2)
    _, _, history = search(strategy, WORLD, WORLD.problem([]), tmp_path / "j.jsonl", trials=2)
    # NNI's wrapper returns before its last trial has ended; Record books that one all the same.
    assert [r.status for r in history.trials] == ["trained"] * 2
    # NNI's tuner keeps losses; unless told to maximise, its sign would be wrong.
    losses = [record.loss for record in strategy.tuner._history[next(iter(strategy.tuner._history))]]
    assert losses == [-history.trials[0].quality]


def test_policy_based_rl_runs(tmp_path):
    pytest.importorskip("tianshou")
    strategy = strategies.policy_based_rl(seed=1, samples_per_update=2)
    _, _, history = search(strategy, WORLD, WORLD.problem([]), tmp_path / "j.jsonl", trials=2)
    assert [r.status for r in history.trials] == ["trained"] * 2


@pytest.mark.slow
def test_policy_based_rl_repeats_itself(tmp_path):
    pytest.importorskip("tianshou")
    asked = []
    for turn in range(2):
        strategy = strategies.policy_based_rl(seed=1, samples_per_update=2)
        path = tmp_path / f"{turn}.jsonl"
        asked.append(search(strategy, WORLD, WORLD.problem([]), path, trials=4)[1].submitted)
    assert asked[0] == asked[1]


def test_grid_search_of_a_small_space(tmp_path):
    from ednas_nni.search.problem import Problem
    from ednas_nni.space.domains import Dimension, Domains

    domains = Domains([Dimension("a", (1, 2, 3)), Dimension("b", (1, 2))])
    problem = Problem(domains, ("macs",), lambda samples: np.ones((len(samples), 1)))
    journal = Journal(tmp_path / "j.jsonl")
    engine = FakeEngine(lambda sample: float(sample["a"]), 20)
    mount(strategies.grid_search(seed=0), problem, journal)(PlainSpace(domains), engine)
    engine.wait_models()
    journal.close()
    assert len(journal.history().trials) == 6


def test_small_population_is_checked():
    with pytest.raises(StudyError, match="sample_size"):
        strategies.regularized_evolution(population_size=2, sample_size=4)


# -------------------------------------------------------------------- NNI's sequential engine
def sequential(strategy, path, trials=5, evaluate=None, **options):
    journal = Journal(path)
    space = PlainSpace(WORLD.domains, evaluate or (lambda sample: {"default": WORLD.quality(sample)}))
    engine = SequentialExecutionEngine(max_model_count=trials, continue_on_failure=True)
    chain = mount(strategy, PROBLEM, journal, **options)
    chain(space, engine)
    journal.close()
    return chain, journal.history()


@pytest.mark.parametrize("name", QUICK)
def test_sequential_engine(name, tmp_path):
    chain, history = sequential(getattr(strategies, name)(seed=0), tmp_path / "j.jsonl")
    assert [r.quality for r in history.trials] == [WORLD.quality(r.sample) for r in history.trials]
    assert len(history.trials) == 5 and all(r.status == "trained" for r in history.trials)
    assert next(iter(chain.list_models(limit=1))).metric == max(r.quality for r in history.trials)


def test_sequential_and_fake_engine_give_equal_journals(tmp_path):
    def facts(history):
        return [(r.trial, r.architecture, r.status, r.metrics, r.costs) for r in history.trials]

    _, one = sequential(strategies.Ednas(seed=4), tmp_path / "a.jsonl", trials=12)
    report = lambda sample: {"default": WORLD.quality(sample)}  # noqa: E731
    _, _, two = search(strategies.Ednas(seed=4), WORLD, PROBLEM, tmp_path / "b.jsonl", 12, trial=report)
    assert facts(one) == facts(two)


def test_population_under_the_sequential_engine_holds_rewards(tmp_path):
    strategy = strategies.regularized_evolution(seed=0, population_size=4, sample_size=2)
    sequential(strategy, tmp_path / "j.jsonl", hardware_aware={"target": 2.0, "weight": -0.5})
    for individual in strategy._population:
        cost = PROBLEM.cost_dict(individual.x)["latency_ms"]
        assert individual.y == pytest.approx(reward("log", WORLD.quality(individual.x), cost, 2.0, -0.5))


def test_a_crash_in_the_sequential_engine_is_a_failed_trial(tmp_path):
    def boom(sample):
        raise RuntimeError("boom")

    _, history = sequential(strategies.Ednas(seed=0), tmp_path / "j.jsonl", 3, boom)
    assert [r.status for r in history.trials] == ["failed"] * 3 and all(r.cause for r in history.trials)


def test_a_resumed_search_trains_nothing_twice(tmp_path):
    """Same seed, no saved state: the past is answered from the journal, then the search goes on."""
    whole = sequential(strategies.Ednas(seed=3), tmp_path / "whole.jsonl", trials=14)[1]
    sequential(strategies.Ednas(seed=3), tmp_path / "j.jsonl", trials=8)
    _, history = sequential(strategies.Ednas(seed=3), tmp_path / "j.jsonl", trials=6)
    assert [r.architecture for r in history.trials] == [r.architecture for r in whole.trials]
    assert len(history.reused) == 8


def test_a_saved_state_is_plain_json_and_goes_on(tmp_path):
    whole = sequential(strategies.Ednas(seed=3), tmp_path / "whole.jsonl", trials=14)[1]
    first = strategies.Ednas(seed=3)
    sequential(first, tmp_path / "j.jsonl", trials=8)
    second = strategies.Ednas(seed=99)
    second.bind(PROBLEM)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    _, history = sequential(second, tmp_path / "j.jsonl", trials=6)
    assert [r.architecture for r in history.trials] == [r.architecture for r in whole.trials]
    assert history.reused == []


def test_no_second_is_slept(tmp_path, monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    search(strategies.Ednas(seed=0), WORLD, PROBLEM, tmp_path / "j.jsonl", trials=60, workers=3)
    assert sum(slept) < 6  # NNI's own waiting would take a minute


def test_threads_wake_the_strategy(tmp_path):
    """An engine that reports from another thread, as NNI's training service does."""

    class Threaded(FakeEngine):
        listener = threading.Lock()  # events come from one thread at a time, as from NNI's channel

        def finish_one(self, index=0):
            with self.listener:
                super().finish_one(index)

        def idle_worker_available(self):
            return len(self.running) < self.workers

        def submit_models(self, *models):
            super().submit_models(*models)
            threading.Timer(0.005, self.finish_one).start()

        def wait_models(self, *models):
            while self.running:
                time.sleep(0.005)

    engine = Threaded(lambda sample: {"default": WORLD.quality(sample)}, 30, workers=3)
    journal = Journal(tmp_path / "j.jsonl")
    begin = time.monotonic()
    mount(strategies.Ednas(seed=0), PROBLEM, journal)(PlainSpace(WORLD.domains), engine)
    taken = time.monotonic() - begin
    journal.close()
    assert [r.status for r in journal.history().trials] == ["trained"] * 30
    assert taken < 5


# -------------------------------------------------------------------- how often the shell asks
class Waits:
    """A core that has one sample, then nothing before its result is told, then another one."""

    multi_objective = True
    reason = "done"

    def __init__(self, problem):
        self.problem, self.asked, self.told, self.given = problem, 0, 0, 0
        self.rng = np.random.default_rng(0)

    def ask(self):
        self.asked += 1
        if self.given > self.told or self.given == 2:
            return None
        self.given += 1
        return next(s for _ in range(99) if self.problem.feasible([s := self.problem.domains.random(self.rng)])[0])

    def tell(self, sample, values, cause=""):
        self.told += 1


class WaitingStrategy(AskTellStrategy):
    def make_core(self, problem):
        return Waits(problem)


class Restless(WaitingStrategy):
    """Broken: forgets that the core had nothing to propose."""

    _dry = property(lambda self: None, lambda self, value: None)


class Counting(FakeEngine):
    """Trials take 0.25 s on another thread; counts what it is asked."""

    idle_polls = budget_polls = 0

    def submit_models(self, *models):
        super().submit_models(*models)
        threading.Timer(0.25, self.finish_one).start()

    def idle_worker_available(self):
        self.idle_polls += 1
        return len(self.running) < self.workers

    def budget_available(self):
        self.budget_polls += 1
        return super().budget_available()

    def wait_models(self, *models):
        while self.running:
            time.sleep(0.005)


def slow_trials(strategy, path, workers):
    journal = Journal(path)
    engine = Counting(lambda sample: {"default": WORLD.quality(sample)}, 5, workers=workers)
    mount(strategy, PROBLEM, journal)(PlainSpace(WORLD.domains), engine)
    journal.close()
    assert [r.status for r in journal.history().trials] == ["trained"] * 2
    return strategy, engine


@pytest.mark.parametrize("workers", [1, 3])
def test_the_core_is_asked_again_only_when_it_was_told_something(workers, tmp_path):
    strategy, engine = slow_trials(WaitingStrategy(), tmp_path / "j.jsonl", workers)
    # Twice a sample, twice nothing while it trains (the worker is free before its result is told), nothing at the end.
    assert 3 <= strategy.core.asked <= 5
    # Waiting looks for a free worker again and again, at the budget once a second and once a proposal.
    assert engine.idle_polls > engine.budget_polls and engine.budget_polls <= 10


def test_the_check_rejects_a_shell_that_keeps_asking(tmp_path):
    strategy, _ = slow_trials(Restless(), tmp_path / "j.jsonl", 3)
    assert strategy.core.asked > 20


# -------------------------------------------------------------------- names and arrows
def test_registered_names_exist():
    for plugin in plugins.listing("strategies"):
        module, _, name = plugin.target.partition(":")
        if module == "strategies":
            assert callable(getattr(strategies, name))
    with pytest.raises(AttributeError):
        strategies.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("ednas_nni.study.objectives, ednas_nni.study.pareto", ("torch", "nni", "moocore")),
        ("ednas_nni.search.problem, ednas_nni.search.reachable, ednas_nni.search.core", ("torch", "nni")),
        ("strategies, strategies.evolution, strategies.spread", ("torch", "nni")),
    ],
)
def test_pure_modules_stay_pure(module, forbidden):
    code = f"import sys, {module}; print([m for m in {forbidden!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
