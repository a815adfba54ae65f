"""As docs/reliability.md says: what each strategy does when its search is resumed from the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ednas_nni import plugins
from ednas_nni.record.journal import load
from ednas_nni.search.middleware.reuse import Reuse
from tests.search.scripted import OPEN, run

FIRST, ALL = 5, 9
REPLAYED = ["random", "grid_search", "regularized_evolution", "tpe"]


def architectures(folder: Path) -> list[str]:
    return [t.architecture for t in load(folder / "journal.jsonl").trials]


def made(name: str, seed: int = 3) -> Any:
    options = {"population_size": 4, "sample_size": 2} if name == "regularized_evolution" else {}
    options |= {"startup": 3} if name == "tpe" else {}
    return plugins.load("strategies", name)(seed=seed, **options)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "tpe" else n for n in REPLAYED])
def test_a_resumed_search_is_the_same_as_one_that_was_never_interrupted(name: str, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(made(name), whole, OPEN, trials=ALL)
    run(made(name), parts, OPEN, trials=FIRST)
    assert architectures(parts) == architectures(whole)[:FIRST]
    run(made(name), parts, OPEN, trials=ALL - FIRST)
    assert architectures(parts) == architectures(whole)


def test_that_check_rejects_another_seed(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(made("random"), whole, OPEN, trials=ALL)
    run(made("random"), parts, OPEN, trials=FIRST)
    run(made("random", seed=4), parts, OPEN, trials=ALL - FIRST)
    assert architectures(parts)[:FIRST] == architectures(whole)[:FIRST]
    assert architectures(parts) != architectures(whole)


def test_that_check_rejects_answers_with_another_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evolution would breed from what was proposed in the past and from what was trained in the present."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(made("regularized_evolution"), whole, OPEN, trials=ALL)
    run(made("regularized_evolution"), parts, OPEN, trials=FIRST)
    answer = Reuse._answer

    def as_proposed(self: Reuse, architecture: str, model: Any) -> None:
        proposed = dict(model.sample)
        self.dispatch_model_event, dispatch = None, self.dispatch_model_event

        def told(*args: Any, **kwargs: Any) -> None:
            model.sample = proposed
            dispatch(*args, **kwargs)

        self.dispatch_model_event = told
        answer(self, architecture, model)
        self.dispatch_model_event = dispatch

    monkeypatch.setattr(Reuse, "_answer", as_proposed)
    run(made("regularized_evolution"), parts, OPEN, trials=ALL - FIRST)
    assert architectures(parts) != architectures(whole)


@pytest.mark.slow
def test_policy_based_rl_trains_nothing_twice(tmp_path: Path) -> None:
    pytest.importorskip("tianshou")
    for trials in (FIRST, ALL - FIRST):
        run(plugins.load("strategies", "policy_based_rl")(seed=3, samples_per_update=4), tmp_path, OPEN, trials=trials)
    found = architectures(tmp_path)
    assert len(found) == len(set(found)) == ALL
