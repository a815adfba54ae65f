"""Finish under a manager that says things in NNI's order: to the end, and killed in the middle of it."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.bridge.search import Search
from ednas_nni.errors import StudyError
from ednas_nni.record.journal import load
from ednas_nni.record.parameters import SEED, TrialParameters
from ednas_nni.search.assembled import Assembled
from ednas_nni.search.checks import check_finish
from ednas_nni.study import parse
from ednas_nni.training.evaluator import SampleEvaluator
from tests.bridge.scripted_nni import STUDY, Nni, prepared, session, until


class Mute(SampleEvaluator):
    """An evaluator of a user, which knows no splits."""

    def __init__(self, tasks: Any = (), data: Any = None, train_size: Any = (64, 128), seed: int = 0) -> None:
        self.seed = seed


FINISHING = {"objectives": "quality", "finish": {"networks": 1, "steps": 7, "seeds": 3}}


def answer(search: Search, nni: Nni, jobs: list[str]) -> None:
    """Results as the trials send them, each with its end; finished networks are better."""
    for job in jobs:
        asked = TrialParameters.of(nni.record(job)["parameters"], search.problem.domains)
        proved = asked.key(search.problem.domains)
        value = 0.1 + int(job[1:]) / 100 if asked.seed is None else 0.9
        search.on_message(*nni.metric(job, {"default": value, "architecture": proved}))
        search.on_message(*nni.end(job))


def search_part(search: Search, nni: Nni) -> None:
    search.on_message("ready", 5)
    until(lambda: len(nni.jobs) == 5)
    assert not any(SEED in nni.record(job)["parameters"] for job in nni.jobs)
    answer(search, nni, list(nni.jobs))
    until(lambda: len(nni.jobs) == 8)


def check(folder: Path, nni: Nni) -> None:
    history = load(folder / "ednas" / "journal.jsonl")
    assert [(t.status, t.quality) for t in history.trials] == [("trained", 0.1 + i / 100) for i in range(5)]
    done = Counter((t.architecture, t.seed) for t in history.finishing if t.status == "trained")
    best = max(history.results.values(), key=lambda r: r.quality or 0).architecture
    assert done == {(best, seed): 1 for seed in (2000, 2001, 2002)}
    assert [(e.architecture, e.seed, e.metrics["default"]) for e in history.confirmed] == [
        (best, t.seed, 0.9) for t in sorted(history.finishing, key=lambda t: t.ended_at or 0)
    ]
    assert history.finished is not None
    told = json.loads((folder / "ednas" / "strategy.json").read_text())["core"]["told"]
    assert len(told) == 5 and all(max(known["values"]) < 0.9 for known in told)
    assert len({r["parameter_id"] for r in nni.records}) == len(nni.records) == 8


def test_to_the_end(nni: Nni, tmp_path: Path) -> None:
    with session(nni, tmp_path, resumed=False, **FINISHING) as search:
        search_part(search, nni)
        answer(search, nni, ["J5", "J6", "J7"])
        until(lambda: search.journal.history().finished is not None)
    check(tmp_path, nni)


def test_a_small_front_leaves_trials_and_the_search_ends(nni: Nni, tmp_path: Path) -> None:
    """Of one objective there is one network, and three of the six trials that were set aside are not needed."""
    nni.params["maxTrialNumber"] = 11
    with session(
        nni, tmp_path, resumed=False, **{**FINISHING, "finish": {"networks": 2, "steps": 7, "seeds": 3}}
    ) as search:
        search_part(search, nni)
        answer(search, nni, ["J5", "J6", "J7"])
        until(lambda: search.journal.history().finished is not None)
        assert search.journal.history().finished == "1 network of the front is finished"
    check(tmp_path, nni)


def test_killed_in_the_middle_and_resumed(nni: Nni, tmp_path: Path) -> None:
    with session(nni, tmp_path, resumed=False, **FINISHING) as search:
        search_part(search, nni)
        answer(search, nni, ["J5"])
    # J6 ended while nobody listened; J7 runs again under its old id.
    key = TrialParameters.of(nni.record("J6")["parameters"], search.problem.domains).key(search.problem.domains)
    nni.metric("J6", {"default": 0.9, "architecture": key})
    nni.end("J6")
    nni.jobs["J7"]["status"] = "ADD_RESUMED"
    with session(nni, tmp_path, resumed=True, **FINISHING) as search:
        search.on_message("recover", [{**nni.record("J7"), "parameter_source": "resumed"}])
        search.on_message("ready", 5)
        nni.jobs["J7"]["status"] = "RUNNING"
        answer(search, nni, ["J7"])
        until(lambda: search.journal.history().finished is not None)
    check(tmp_path, nni)


def test_a_search_ends_once_whichever_thread_says_so(
    nni: Nni, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    search = prepared(nni, tmp_path, resumed=False)
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(search.finish, [f"reason {i}" for i in range(32)]))
    search.journal.close()
    assert sum(ended) == 1 == (tmp_path / "ednas" / "journal.jsonl").read_text().count('"finished"')
    assert sum(line.startswith("Finished: ") for line in capfd.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    ("fields", "trials", "message"),
    [
        ({}, 3, r"finish: 1 networks x 3 seeds are 3 trials, and maxTrialNumber is 3: nothing is left"),
        ({"objectives": "delta_t", "reference": "mobilenet_v2_small"}, 8, "finish: delta_t is measured against"),
        (
            {"evaluator": "tests.bridge.test_finish:Mute"},
            8,
            "Mute' has no option 'scored_on', so `finish`",
        ),
    ],
)
def test_what_cannot_be_finished_is_refused(fields: dict[str, Any], trials: int, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        check_finish(Assembled(parse({**STUDY, **FINISHING, **fields})), trials)
