"""Constrain: what is infeasible is never trained."""

from __future__ import annotations

import numpy as np
import pytest

from ednas_nni.compat.nas import ModelStatus
from ednas_nni.compat.nas_search import Random
from ednas_nni.errors import InfeasibleError, PluginError
from ednas_nni.search import mount, reason
from ednas_nni.search.middleware.constrain import Constrain
from ednas_nni.study.objectives import parse_constraint
from ednas_nni.testing.engines import FakeEngine, PlainSpace
from ednas_nni.testing.strategies import check_history
from tests.search.scripted import PROBLEM, WORLD, Script, honest, infeasible, run, samples


# -------------------------------------------------------------------- Constrain
def test_infeasible_models_are_rejected_and_never_trained(tmp_path):
    script = Script([infeasible()[0], *samples(1)])
    _, fake, history = run(script, tmp_path)
    assert len(fake.submitted) == 1
    assert script.ends[0][1] == ModelStatus.Invalid and script.models[0].metric is None
    assert "latency_ms" in history.rejected[0].reasons[0]


class LetsThrough(Constrain):
    """Broken: journals the refusal and trains anyway."""

    def submit_models(self, *models):
        self.engine.submit_models(*models)


def test_the_history_check_rejects_a_constraint_that_lets_through(journal):
    chain = mount(Script(infeasible()), PROBLEM, journal)
    chain._middlewares[-3] = LetsThrough(PROBLEM, journal)
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
        known = {parse_constraint("latency_ms <= 1"): 1.25}
        mount(Random(), WORLD.problem(["latency_ms <= 1"]), journal, reachable=known)
    with pytest.raises(InfeasibleError, match="largest reachable macs"):
        mount(Random(), WORLD.problem(["macs >= 1e15"]), journal)
    with pytest.raises(InfeasibleError, match="Each may be reachable alone"):
        mount(Random(), WORLD.problem(["latency_ms <= 1.1", "macs >= 3e9"]), journal)


def test_a_tight_constraint_that_random_samples_miss_is_found():
    from ednas_nni.search.reachable import check_reachable, find_feasible

    tight = WORLD.problem(["latency_ms <= 1.05"])
    assert find_feasible(tight, np.random.default_rng(0)) is not None
    check_reachable(tight)
