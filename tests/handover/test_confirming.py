"""Confirmation: which networks, what is trained, what is kept, and what a second call does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.cli import main
from ednas_nni.errors import EdnasError, JournalError, StudyError, TrialError
from ednas_nni.handover import confirming
from ednas_nni.handover.confirming import confirm, leading, planned
from ednas_nni.handover.search import SearchedArchitecture, SearchRecord, open_search
from ednas_nni.record.journal import load
from ednas_nni.search.assembled import Assembled
from ednas_nni.search.problem import Problem
from tests.handover.conftest import confirmed, key
from tests.report.test_delta_t import references

Make = Callable[..., SearchRecord]
DONE = confirmed(2, 0.3)[0]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Trainings that are only written down; architecture 4 diverges."""
    asked: list[tuple[str, int]] = []

    def results(call: Any, jobs: Any, workers: Any) -> Iterator[tuple[Any, Any]]:
        for job in jobs:
            asked.append(job)
            if job[0] == key(4):
                yield job, TrialError("not finite")
            else:
                yield job, {"default": 0.2 + 0.01 * (job[1] - confirming.FIRST_SEED), "extra": 1.0}

    monkeypatch.setattr(confirming, "results", results)
    return asked


def test_the_networks_that_hold_most_of_the_front_come_first(made: Make) -> None:
    search = made()
    assert [a.architecture for a in leading(search, 3)] == [key(4), key(2), key(1)]
    assert {a.architecture for a in leading(search, 9)} == {key(w) for w in (0, 1, 2, 4)}
    assert leading(made({}), 4) == ()


def test_a_second_call_trains_only_what_is_missing(made: Make, pool: list[tuple[str, int]]) -> None:
    search = made(extra=[DONE], evaluator="jared", data="rooms")
    confirm(search, planned(search, 0, 2, [key(2)]), progress=False)
    assert pool == [(key(2), 2001)]
    again = open_search(search.history.path)
    confirm(again, planned(again, 0, 2, [key(2)]), progress=False)
    confirm(again, planned(again, 0, 3, [key(2), key(1)]), progress=False)
    assert pool[1:] == [(key(1), 2000), (key(1), 2001), (key(2), 2002), (key(1), 2002)]
    after = open_search(search.history.path)
    assert [len(a.confirmed) for a in after.front] == [3, 3]
    longer = planned(after, 1, 3, steps=9)
    assert len(longer.missing) == 3, "another recipe is another confirmation"


def test_the_baselines_of_delta_t_stand_beside_it(
    made: Make, pool: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Assembled, "baselines", (references(), ""))
    search = made(evaluator="jared", data="rooms")
    confirm(search, planned(search, 0, 1, [key(2)]), progress=False)
    (again,) = open_search(search.history.path).confirmed
    assert again.against == references()


def test_what_failed_is_said_and_tried_again(made: Make, pool: list[tuple[str, int]]) -> None:
    search = made(evaluator="jared", data="rooms")
    with pytest.raises(TrialError, match=f"architecture {key(4)}, seed 2000: not finite"):
        confirm(search, planned(search, 2, 1), progress=False)
    after = open_search(search.history.path)
    assert [a.architecture for a in after.confirmed] == [key(2)]
    assert planned(after, 2, 1).missing == ((key(4), 2000),)


def test_other_data_are_rejected(made: Make, pool: list[tuple[str, int]]) -> None:
    search = made(evaluator="jared", data="rooms")
    object.__setattr__(search, "head", search.head.model_copy(update={"data": "0123"}))
    with pytest.raises(JournalError, match="has another content than when the search began"):
        confirm(search, planned(search, 1, 1), progress=False)
    assert pool == []


def check_member(search: SearchRecord, member: str) -> None:
    """It stands among the confirmed with its mean and costs, is found by name and id, and beats what it beats."""
    (found,) = (a for a in search.confirmed if a.name == member)
    assert found.value("quality") == pytest.approx(0.205) and found.costs["latency_ms"] == 1.5
    assert search.architecture(member) == search.architecture(found.architecture) == found
    assert found in search.front.members and found.sample == {"width": 1}


def test_a_member_that_the_search_did_not_score(made: Make, pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant leaves its choices and costs out of the journal: then it is known to nobody."""

    def untrained(search: SearchRecord, member: str) -> SearchedArchitecture:
        return SearchedArchitecture(key(1), member, {"width": 1}, {"latency_ms": 1.5, "params": 100.0}, {})

    monkeypatch.setattr(SearchRecord, "_untrained", untrained)
    monkeypatch.setattr(Problem, "feasible", lambda problem, samples: [samples == [{"width": 1}]])
    points = {0: (0.10, 2.0), 2: (0.40, 4.0)}
    search = made(points, extra=confirmed(2, 0.3, 0.32), evaluator="jared", data="rooms")
    search = search.confirm(0, 2, ["slim"])
    check_member(search, "slim")
    assert search.optimism is not None and search.optimism.n == 1
    more = search.confirm(0, 3, ["slim"])
    assert pool == [(key(1), 2000), (key(1), 2001), (key(1), 2002)] and len(more.architecture("slim").confirmed) == 3
    lost = [{"event": "confirmed", "time": 3, "architecture": key(1), "seed": 2000, "metrics": {"default": 0.205}}]
    with pytest.raises(ValueError, match="unpack"):
        check_member(made(points, extra=lost, name="lost"), "slim")
    monkeypatch.setattr(Problem, "feasible", lambda problem, samples: [False])
    with pytest.raises(StudyError, match="slim does not meet the constraints of search"):
        planned(made(points, evaluator="jared", data="rooms", name="other"), 0, 2, ["slim"])


def test_what_cannot_be_confirmed(made: Make, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StudyError, match="'stub' has no option 'warmup', so this search cannot be confirmed so"):
        planned(made(evaluator="stub"), warmup=0.5)
    with pytest.raises(EdnasError, match="nothing to confirm"):
        planned(made({}, evaluator="jared"))
    assert main(["confirm", str(made(evaluator="jared").history.path), "no_such"]) == 1
    assert "no architecture 'no_such'" in capsys.readouterr().err


KILLED = """
    import sys, time
    from ednas_nni.handover import confirming
    from ednas_nni.handover.search import open_search
    def results(call, jobs, workers):
        for number, job in enumerate(jobs):
            if number == 2:
                print("two are done", flush=True)
                time.sleep(60)
            yield job, {"default": 0.5}
    confirming.results = results
    search = open_search(sys.argv[1])
    confirming.confirm(search, confirming.planned(search, 2, 2), progress=False)
"""


def test_kill_9_loses_nothing_that_had_ended(made: Make) -> None:
    search = made(evaluator="jared", data="rooms")
    path: Path = search.history.path
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "two are done\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(load(path).confirmed) == 2
    assert len(planned(open_search(path), 2, 2).missing) == 2


def test_the_command_says_how_optimistic_the_search_was(
    made: Make, pool: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(made(evaluator="jared", data="rooms").history.path)
    assert main(["confirm", path, "slim", key(2), "--top", "0", "--seeds", "3"]) == 0
    out = capsys.readouterr().out
    assert "2 architectures with 3 seeds each: 6 trainings" in out
    assert "0.210 ± 0.025" in out  # Student's t of three values 0.01 apart: 4.303 x 0.01 / sqrt(3)
    assert "The search was optimistic by 0.090" in out and "n = 2 architectures" in out
