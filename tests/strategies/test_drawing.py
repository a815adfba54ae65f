"""Cores that draw by label: `policy_gradient`, and the samplers of Optuna where it is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ednas_nni.errors import PluginError, StudyError
from ednas_nni.search.core import Core
from ednas_nni.search.problem import Problem
from ednas_nni.space.domains import Domains
from ednas_nni.space.draws import draw_architectures
from ednas_nni.study.objectives import parse_objective
from ednas_nni.testing.strategies import check_core
from ednas_nni.testing.synthetic import Synthetic, drive
from strategies import OptunaStrategy, PolicyGradient
from strategies.optuna_sampler import OptunaCore, sampler_of
from strategies.policy_gradient import PolicyCore

Make = Callable[[Problem, int], Core]
POLICIES: dict[str, dict[str, Any]] = {"reinforce": {}, "ppo": {"algorithm": "ppo", "batch": 4}}
SAMPLERS = ("nsga2", "nsga3", "tpe", "gp", "RandomSampler")


def optuna_core(name: str, **options: Any) -> Make:
    pytest.importorskip("optuna")
    sampler = sampler_of(name, options)
    return lambda problem, seed: OptunaCore(problem, sampler, seed)


@pytest.mark.parametrize("name", POLICIES)
def test_contract_of_policies(name: str) -> None:
    check_core(lambda problem, seed: PolicyCore(problem, seed=seed, **POLICIES[name]), budget=20)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n != "nsga2" else n for n in SAMPLERS])
def test_contract_of_samplers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ednas_nni.testing.strategies.ASK_MEDIAN_S", 5.0)  # Optuna's time, not ours
    options = {"population_size": 4} if name.startswith("nsga") else {}
    check_core(optuna_core(name, **options), budget=14)


class Stale(PolicyCore):
    """Broken: forgets how likely open samples were when they were drawn."""

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"_batch": [], "logits": {d.label: [0.0] * len(d.values) for d in AXES}}


class Amnesiac(OptunaCore):
    """Broken: its state lacks the trials, and what the sampler keeps of them."""

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"trials": [], "numbers": {}, "study": {}}


class Unlimited(PolicyCore):
    """Broken: hands out what is new, feasible or not."""

    def fits(self, sample: Any) -> bool:
        return self.problem.domains.architecture_id(sample) not in self._asked


AXES = Synthetic().domains.dimensions


@pytest.mark.parametrize(("broken", "message"), [(Stale, "another sequence"), (Unlimited, "infeasible")])
def test_the_contract_rejects(broken: type[PolicyCore], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        check_core(lambda problem, seed: broken(problem, seed=seed), budget=20)


def test_the_contract_rejects_a_study_that_is_not_saved() -> None:
    pytest.importorskip("optuna")
    sampler = sampler_of("nsga2", {"population_size": 4})
    with pytest.raises(PluginError, match="another sequence"):
        check_core(lambda problem, seed: Amnesiac(problem, sampler, seed), budget=14)


@pytest.mark.parametrize("name", POLICIES)
def test_probabilities_move_towards_reward(name: str) -> None:
    """Half of all choices are worth something more: they end up likely, in state and report."""
    world, rng = Synthetic(), np.random.default_rng(0)
    core = PolicyCore(world.problem([], ["quality"]), seed=0, **POLICIES[name])
    good = {d.label: d.values[-1] for d in AXES}
    for _ in range(150):
        sample = core.ask()
        assert sample is not None
        active = world.domains.active(sample).items()
        core.tell(sample, {"quality": sum(good[k] == v for k, v in active) / len(active) + 0.05 * rng.normal()})
    always = [d for d in AXES if d.conditions == ((),)]
    shares = {label: dict(map(tuple, values)) for label, values in core.state_dict()["shares"].items()}
    assert np.mean([shares[d.label][good[d.label]] for d in always]) > 2 * np.mean([1 / len(d.values) for d in always])
    assert all(abs(sum(of.values()) - 1) < 1e-9 for of in shares.values())


@pytest.mark.parametrize("objectives", [["quality", "latency_ms"], ["latency_ms", "quality"]])
def test_the_order_of_objectives_is_no_choice(objectives: list[str]) -> None:
    """A policy follows the score, which a reward is put into, wherever it stands."""
    world = Synthetic(noise=0.0)
    core = PolicyCore(world.problem([], objectives), seed=0)
    wanted = PolicyCore(world.problem([], ["quality"]), seed=0)
    for number in range(12):
        sample = core.ask()
        assert sample is not None and sample == wanted.ask()
        core.tell(sample, {"quality": number / 12, "latency_ms": float(number % 3)})
        wanted.tell(sample, {"quality": number / 12})


def test_a_space_of_one_network_ends_with_a_reason() -> None:
    one = Domains([])
    assert draw_architectures(one.dimensions, 3, np.random.default_rng(0)).shape == (3, 0)
    core = PolicyCore(Problem(one, (), lambda s: np.ones((len(s), 0)), (parse_objective("quality"),)), seed=0)
    only = core.ask()
    assert only == {}
    core.tell({}, {"quality": 0.5})
    assert core.ask() is None and "no new architecture" in core.reason


def test_optuna_is_told_everything() -> None:
    """Running trials, failures, results of others, and the violation of what was not trained."""
    world = Synthetic(noise=0.0)
    core = optuna_core("nsga2")(world.problem(), 0)
    assert isinstance(core, OptunaCore)
    drive(core, world, 20, np.random.default_rng(0), workers=3)
    open_one, failed = core.ask(), core.ask()
    assert open_one is not None and failed is not None
    core.tell(failed, None, "broken")
    other = next(s for s in map(world.domains.random, [np.random.default_rng(9)] * 99) if core.fits(s))
    core.tell(other, {"quality": 0.5, "latency_ms": 2.0})
    by_state: dict[str, list[Any]] = {}
    for trial in core._study.get_trials(deepcopy=False):
        by_state.setdefault(trial.state.name, []).append(trial)
    assert [trial.params for trial in by_state["RUNNING"]] == [open_one]
    assert len(by_state["COMPLETE"]) == 21 and by_state["COMPLETE"][-1].values == [0.5, 2.0]
    assert all(t.constraints["latency_ms <= 3"] <= 0 for t in by_state["COMPLETE"])
    assert by_state["PRUNED"] and all(t.constraints["latency_ms <= 3"] > 0 for t in by_state["PRUNED"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "gpp"}, "'gpp' is no sampler of Optuna. Did you mean 'gp'"),
        ({"sampler_options": {"population": 3}}, "sampler_options: TPESampler is not made with"),
        ({"sampler": "os:system"}, "holds no plugins"),
    ],
)
def test_what_optuna_cannot_be_asked(options: dict[str, Any], message: str) -> None:
    pytest.importorskip("optuna")
    with pytest.raises((StudyError, PluginError), match=message):
        OptunaStrategy(**options)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(StudyError, match=r"pip install 'ednas-nni\[optuna\]'"):
        OptunaStrategy()


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(StudyError, match="algorithm"):
        PolicyGradient(algorithm="a2c")
