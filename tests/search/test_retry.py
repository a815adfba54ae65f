"""Retry and the first failures: what the machine did is tried again, what the network does is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.compat.nas import ModelStatus
from ednas_nni.errors import StudyError, TrialError
from ednas_nni.record.journal import Journal
from ednas_nni.search import mount, reason
from ednas_nni.search.middleware.outcomes import Outcomes, attempts_owed
from ednas_nni.search.middleware.patience import REMEDIES, Patience
from ednas_nni.search.middleware.retry import Retry
from ednas_nni.search.mounting import hopeless
from ednas_nni.testing.engines import FakeEngine, PlainSpace
from tests.search.scripted import PROBLEM, WORLD, Script, honest, ident, samples


def failing(times: int, cause: str = "killed: by a test") -> Callable[[dict[str, Any]], Any]:
    """A trial that fails so often per architecture, then succeeds."""
    seen: Counter[str] = Counter()

    def trial(sample: dict[str, Any]) -> Any:
        seen[ident(sample)] += 1
        if seen[ident(sample)] <= times:
            raise TrialError(cause)
        return honest(sample)

    return trial


def search(folder: Path, script: Script, trial: Any, budget: int = 20, **options: Any) -> tuple[Any, FakeEngine, Any]:
    journal = Journal(folder / "journal.jsonl")
    chain, engine = mount(script, PROBLEM, journal, **options), FakeEngine(trial, budget)
    chain(PlainSpace(WORLD.domains), engine)
    journal.close()
    return chain, engine, journal.history()


def test_a_passing_failure_is_tried_again_and_the_strategy_hears_of_the_last_attempt(tmp_path: Path) -> None:
    script = Script(samples(2))
    _, engine, history = search(tmp_path, script, failing(1), retries=1)
    assert [status for _, status, _ in script.ends] == [ModelStatus.Trained] * 2
    assert [(t.status, t.cause) for t in history.trials] == [("failed", "killed: by a test"), ("trained", "")] * 2
    assert len({t.trial for t in history.trials}) == 4
    assert engine.submitted == [s for s in samples(2) for _ in range(2)]


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a_limit_bounds_the_attempts(tmp_path: Path, limit: int) -> None:
    script = Script(samples(1))
    _, engine, history = search(tmp_path, script, failing(99), retries=limit)
    assert len(engine.submitted) == len(history.trials) == limit + 1
    assert [(status, cause) for _, status, cause in script.ends] == [(ModelStatus.Failed, "killed: by a test")]


def test_the_limit_check_rejects_a_retry_that_forgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counter, "__setitem__", lambda self, key, value: dict.__setitem__(self, key, min(value, 1)))
    script = Script(samples(1))
    _, engine, _ = search(tmp_path, script, failing(99), retries=1, budget=6)
    assert len(engine.submitted) == 6, "only the budget ended it"


@pytest.mark.parametrize("cause", ["ValueError: a bug", "time limit: too long", "The loss is not finite at step 3"])
def test_what_the_network_does_is_not_tried_again(tmp_path: Path, cause: str) -> None:
    script = Script(samples(1))
    _, engine, _ = search(tmp_path, script, failing(1, cause), retries=5)
    assert len(engine.submitted) == 1
    assert [c for _, _, c in script.ends] == [cause]


def test_no_attempt_beyond_the_budget(tmp_path: Path) -> None:
    script = Script(samples(1))
    _, engine, _ = search(tmp_path, script, failing(99), budget=2, retries=9)
    assert len(engine.submitted) == 2
    assert len(script.ends) == 1


def test_attempts_are_counted_across_a_resume(tmp_path: Path) -> None:
    (sample,) = samples(1)
    search(tmp_path, Script([sample]), failing(99), retries=0)
    journal = Journal(tmp_path / "journal.jsonl")
    assert attempts_owed(journal.history(), 1) == {ident(sample)}
    assert ident(sample) in Outcomes(journal.history(), 0).failed
    assert ident(sample) not in Outcomes(journal.history(), 1).failed
    journal.close()
    script = Script([sample])
    _, engine, _ = search(tmp_path, script, failing(99), retries=1)
    assert len(engine.submitted) == 1, "one attempt was left"
    again = Script([sample])
    _, engine, _ = search(tmp_path, again, honest, retries=1)
    assert engine.submitted == []
    assert [status for _, status, _ in again.ends] == [ModelStatus.Failed]


def test_a_negative_limit_is_refused(journal: Journal) -> None:
    with pytest.raises(StudyError, match="retries = -1"):
        Retry(PROBLEM, journal, -1)


def test_first_failures_end_the_search_with_the_likely_cause(tmp_path: Path) -> None:
    script = Script(samples(9), wait=False)
    chain, engine, _ = search(tmp_path, script, failing(99, "disk full: no space"), stop_after_failures=3)
    assert len(engine.submitted) == 3
    assert hopeless(chain)
    assert "the first 3 trials failed, all with: disk full: no space (make room)" in reason(chain)


def test_one_success_is_hope_enough(tmp_path: Path) -> None:
    good = ident(samples(9)[1])
    script = Script(samples(9), wait=False)

    def trial(sample: dict[str, Any]) -> Any:
        if ident(sample) != good:
            raise TrialError("a bug")
        return honest(sample)

    chain, engine, _ = search(tmp_path, script, trial, budget=9, stop_after_failures=3)
    assert len(engine.submitted) == 9
    assert not hopeless(chain)


def test_the_most_frequent_cause_is_told() -> None:
    patience = Patience(first_failures=3)
    for cause in ("a", "killed: x", "killed: x"):
        patience.ended("failed", cause)
    patience.ended("cancelled", "by the user")
    assert "2 of 3 with: killed: x" in patience.reason
    assert patience.exhausted


def test_zero_never_stops() -> None:
    patience = Patience(first_failures=0)
    for _ in range(50):
        patience.ended("failed", "a bug")
    assert not patience.exhausted


def test_every_kind_has_a_remedy() -> None:
    from ednas_nni.record import failures

    assert set(REMEDIES) == {*failures.KINDS, failures.ERROR} - {failures.CANCELLED}
