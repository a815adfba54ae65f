"""A search ends when its front no longer grows: not before, for a reason, and a resume goes on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ednas_nni.record import events
from ednas_nni.record.front import growth, plateau
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal
from ednas_nni.search import mount, reason
from ednas_nni.search.middleware.patience import Patience
from ednas_nni.study import StopOptions, parse
from ednas_nni.testing.engines import FakeEngine, PlainSpace
from tests.search.scripted import OPEN, WORLD, Script, samples
from tests.search.test_finish import OPTIONS as FINISH

STOP = StopOptions(hypervolume_gain_below=0.01, over=5)


def search(folder: Path, trial: Any, trials: int = 40, end: bool = True, **options: Any) -> tuple[str, list[float]]:
    """Why a search ended, and the scores of its trials; `end` writes that down, as every engine does."""
    with closing(Journal(folder / "journal.jsonl")) as journal:
        begun = journal.history().head is not None
        journal.append(events.Started(mode="resume") if begun else JournalHead(study={"objectives": ["quality"]}))
        done = len(journal.history().all_trials)
        chain = mount(Script(samples(trials, OPEN)[done:]), OPEN, journal, stop_when=STOP, **options)
        chain(PlainSpace(WORLD.domains), FakeEngine(trial, trials - done))
        if end:
            journal.append(events.Finished(reason=reason(chain)))
        return reason(chain), [t.quality or 0.0 for t in journal.history().trials]


def rising_until(last: int) -> Any:
    """Scores that rise from trial to trial, and stay as they are from one on."""
    count = iter(range(1, 1000))
    return lambda sample: {"default": float(min(next(count), last))}


def check(folder: Path, last: int) -> None:
    text, scores = search(folder, rising_until(last))
    assert len(scores) == last + STOP.over
    assert text.startswith(f"the last 5 of {last + 5} results added 0 of the front's hypervolume (stop_when: less than")


@pytest.mark.parametrize("last", [2, 12])
def test_it_ends_when_nothing_is_added_any_more(tmp_path: Path, last: int) -> None:
    check(tmp_path, last)


def test_that_check_rejects_a_search_that_is_not_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patience, "exhausted", False)
    with pytest.raises(AssertionError):
        check(tmp_path, 12)


def test_killed_it_ends_where_it_would_have_ended_and_resumed_after_its_end_it_goes_on(tmp_path: Path) -> None:
    _, killed = search(tmp_path, rising_until(4), trials=6, end=False)
    text, scores = search(tmp_path, lambda sample: {"default": 4.0}, trials=40)
    assert (len(killed), len(scores)) == (6, 9) and "stop_when" in text
    text, scores = search(tmp_path, lambda sample: {"default": 4.0}, trials=40)
    assert len(scores) == 9 + STOP.over and "stop_when" in text


def test_what_ended_early_is_finished(tmp_path: Path) -> None:
    text, scores = search(tmp_path, rising_until(4), finish=FINISH)
    history = Journal(tmp_path / "journal.jsonl").history()
    assert len(scores) == 9 and "stop_when" in text
    assert {t.seed for t in history.finishing} == {2000, 2001}


def test_one_result_far_out_hides_no_growth(tmp_path: Path) -> None:
    """Qualities rise by 0.01 from 0.2 to 0.5; one network nearly diverged."""
    rng = np.random.default_rng(0)
    scores = [*np.linspace(0.2, 0.3, 10), -30.0, *np.linspace(0.31, 0.5, 10)]
    with closing(Journal(tmp_path / "journal.jsonl")) as journal:
        journal.append(JournalHead(study={"objectives": ["quality", "latency_ms"]}))
        for trial, score in enumerate(scores):
            costs = {"latency_ms": float(rng.uniform(5, 6))}
            journal.append(events.Submitted(trial=trial, architecture=str(trial), sample={"a": 1}, costs=costs))
            journal.append(events.Final(trial=trial, metrics={"default": float(score)}))
            journal.append(events.Ended(trial=trial, status="trained"))
        shares = growth(journal.history())
        assert len(shares) == 21 and shares == sorted(shares) and 0 < shares[0] < shares[-1] <= 1
        assert 1 - shares[-6] / shares[-1] > 0.1 and plateau(journal.history(), STOP) == ""


def test_it_decides_no_result() -> None:
    assert parse({"stop_when": {"over": 30}}).digest == parse({}).digest
