"""Finish: the last trials train what leads the front once more; no strategy hears of them, no kill repeats one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ednas_nni import plugins
from ednas_nni.errors import StudyError, TrialError
from ednas_nni.record import events
from ednas_nni.record.front import front_keys
from ednas_nni.record.journal import History, Journal
from ednas_nni.record.parameters import SEED, STEPS, TrialParameters, key_in
from ednas_nni.search import mount, reason
from ednas_nni.search.middleware.finish import Finish
from ednas_nni.search.problem import Problem
from ednas_nni.study import FinishOptions as Options
from ednas_nni.study import parse
from ednas_nni.testing.engines import FakeEngine, PlainSpace
from tests.search.scripted import OPEN, WORLD, Script, ident, samples

OPTIONS = Options(networks=3, steps=7, seeds=2)
BUDGET = 20


def honest(parameters: dict[str, Any]) -> dict[str, Any]:
    """What a trial reports: a finished network is better than it was in the search, a little otherwise with a seed."""
    asked = TrialParameters.of(parameters)
    more = 0.0 if asked.seed is None else 5.0 + asked.seed / 1e4
    return {"default": WORLD.quality(asked.sample) + more, "architecture": asked.key(WORLD.domains)}


def search(
    folder: Path,
    strategy: Any,
    finish: Options | None = OPTIONS,
    budget: int = BUDGET,
    trial: Any = honest,
    **more: Any,
) -> tuple[Any, FakeEngine, History]:
    journal = Journal(folder / "journal.jsonl")
    try:
        for lost in [t for t in journal.history().all_trials if t.status == "running"]:
            journal.append(events.Ended(trial=lost.trial, job=lost.job, status="cancelled", cause="lost"))
        left = budget - len([t for t in journal.history().all_trials if t.cause != "lost"])
        chain, engine = mount(strategy, OPEN, journal, finish=finish, **more), FakeEngine(trial, left)
        chain(PlainSpace(WORLD.domains), engine)
    finally:
        journal.close()
    return chain, engine, journal.history()


def front(history: History, problem: Problem = OPEN) -> set[str]:
    return set(front_keys({k: (r.metrics, r.costs) for k, r in history.results.items()}, problem.objectives))


def check(history: History, strategy: Script) -> None:
    """The strategy knows its own trials alone; each network of the front's lead was finished once with each seed."""
    assert [metric["default"] for _, metric in strategy.finals] == [t.quality for t in history.trials]
    assert len(strategy.ends) == len(history.trials)
    assert all(quality < 5 for quality in (t.quality for t in history.results.values()))
    done = Counter(record.key for record in history.finishing if record.status == "trained")
    networks = {record.architecture for record in history.finishing}
    assert networks <= front(history) and len(networks) == min(3, len(front(history)))
    assert done == Counter({f"{network}-{seed}": 1 for network in networks for seed in (2000, 2001)})
    assert [(e.architecture, e.seed, e.metrics, e.options) for e in history.confirmed] == [
        (r.architecture, r.seed, r.metrics, {"steps": 7}) for r in history.finishing if r.status == "trained"
    ]


@pytest.mark.parametrize("name", ["random", "ednas"])
def test_the_search_part_is_that_of_a_search_without(name: str, tmp_path: Path) -> None:
    _, _, alone = search(tmp_path / "alone", plugins.load("strategies", name)(seed=1), None, BUDGET - OPTIONS.trials)
    strategy = plugins.load("strategies", name)(seed=1)
    chain, engine, history = search(tmp_path / "finished", strategy)
    assert [t.architecture for t in history.trials] == [t.architecture for t in alone.trials]
    assert [t.architecture for t in history.finishing[:3]] == [t.architecture for t in history.finishing[3:]]
    assert [t.seed for t in history.finishing] == [2000] * 3 + [2001] * 3
    assert engine.submitted[-1] == {**history.finishing[-1].sample, SEED: 2001, STEPS: 7}
    assert reason(chain) == "3 networks of the front are finished"
    lines = (tmp_path / "finished" / "journal.jsonl").read_text().splitlines()
    assert sum('"seed"' in line for line in lines if '"submitted"' in line) == 6, "trials of the search have none"


def test_no_strategy_hears_of_it(tmp_path: Path) -> None:
    strategy = Script(samples(30, OPEN))
    _, _, history = search(tmp_path, strategy)
    assert len(history.trials) == BUDGET - OPTIONS.trials
    check(history, strategy)


def test_that_check_rejects_a_finish_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Finish, "_hold_back", lambda self, event: None)
    monkeypatch.setattr(Script, "index", lambda self, event: -1)  # as a strategy that learns from whatever it hears
    strategy = Script(samples(30, OPEN))
    _, _, history = search(tmp_path, strategy)
    with pytest.raises(AssertionError):
        check(history, strategy)


@pytest.mark.parametrize("killed_in", [0, 2, 5])
def test_killed_in_the_middle_nothing_is_repeated_and_nothing_lost(tmp_path: Path, killed_in: int) -> None:
    begun = []

    def dies(parameters: dict[str, Any]) -> Any:
        if SEED in parameters:
            begun.append(parameters)
            if len(begun) == killed_in + 1:
                raise KeyboardInterrupt
        return honest(parameters)

    first = Script(samples(30, OPEN))
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, first, trial=dies)
    second = Script(samples(30, OPEN))
    _, engine, history = search(tmp_path, second)
    assert len(engine.submitted) == OPTIONS.trials - killed_in
    assert second.finals == [], "the search part was over"
    check(history, first)


def test_more_trials_search_on_and_finish_the_front_of_then(tmp_path: Path) -> None:
    search(tmp_path, Script(samples(30, OPEN)))
    again = Script(samples(60, OPEN))
    _, _, history = search(tmp_path, again, budget=40)
    assert len(history.trials) > BUDGET - OPTIONS.trials
    done = Counter(record.key for record in history.finishing)
    assert set(done.values()) == {1}
    new = {record.architecture for record in history.finishing[OPTIONS.trials :]}
    assert new and new <= front(history)


def test_a_retry_of_the_search_takes_no_trial_from_what_is_to_be_finished(tmp_path: Path) -> None:
    failed = []

    def last_fails(parameters: dict[str, Any]) -> Any:
        failed.append(parameters)
        if len(failed) == BUDGET - OPTIONS.trials:
            raise TrialError("killed: by a test")
        return honest(parameters)

    _, _, history = search(tmp_path, Script(samples(30, OPEN)), trial=last_fails, retries=3)
    assert [t.status for t in history.finishing] == ["trained"] * OPTIONS.trials


def test_a_finishing_trial_that_failed_by_accident_is_tried_again_where_there_is_room(tmp_path: Path) -> None:
    few = Options(networks=1, steps=7, seeds=1)
    for budget, statuses in ((9, ["failed", "trained"]), (8, ["failed"])):
        seen: list[Any] = []

        def once(parameters: dict[str, Any], seen: list[Any] = seen) -> Any:
            if SEED in parameters and not seen:
                seen.append(parameters)
                raise TrialError("killed: by a test")
            return honest(parameters)

        folder = tmp_path / str(budget)
        strategy = Script(samples(7, OPEN))
        _, _, history = search(folder, strategy, few, budget, once, retries=1)
        assert [t.status for t in history.finishing] == statuses
        assert len(strategy.ends) == 7
        notes = [note.text for note in history.notes]
        lacks = ["finish: of its trainings 1 failed; `ednas confirm` does what is missing."]
        assert notes == ([] if "trained" in statuses else lacks), "an attempt that was made good lacks nothing"


def test_what_travels_is_read_back_and_nothing_else_is_taken_for_it() -> None:
    sample = samples(1, OPEN)[0]
    asked = TrialParameters(sample, 2000, 500)
    assert TrialParameters.of(asked.whole(), WORLD.domains) == asked
    assert key_in(WORLD.domains, asked.whole()) == f"{ident(sample)}-2000"
    assert key_in(WORLD.domains, sample) == ident(sample)
    for wrong in ({SEED: 2000}, {SEED: -1, STEPS: 5}, {SEED: True, STEPS: 5}, {SEED: "2", STEPS: 5}, {"finish": 1}):
        assert key_in(WORLD.domains, {**sample, **wrong}) is None


@pytest.mark.parametrize(
    ("finish", "message"),
    [
        ({"network": 3}, r"unknown field 'finish\.network'\. Did you mean 'networks'"),
        ({"networks": 0}, r"finish\.networks = 0: must be at least 1"),
        ({"steps": 2.5}, r"finish\.steps = 2\.5: must be a whole number"),
        (5, r"finish = 5: must be a mapping\. For example `finish: \{networks: 6"),
    ],
)
def test_a_wrong_finish_says_what_is_allowed(finish: Any, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        parse({"finish": finish})


def test_a_finish_decides_no_result_of_the_search() -> None:
    assert parse({"finish": {"networks": 2}}).digest == parse({}).digest
    assert parse({"finish": {}}).dump()["finish"] == {"networks": 6, "steps": 500, "seeds": 2}
