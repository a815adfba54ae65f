"""Failure rates per choice: counted once per trial, against those that ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ednas_nni.bridge.session import STATE
from ednas_nni.record.journal import load
from ednas_nni.report.choices import MOST_RATES, failure_rate, failure_rates
from ednas_nni.report.data import Trial, view
from ednas_nni.report.html import predictions, render
from tests.report.conftest import write_journal


def trial(status: str, cause: str = "", **choices: Any) -> Trial:
    return Trial(0, "a", "", status, None, {}, {}, (), None, cause, None, choices)


TRIALS = [
    trial("failed", "out of memory: x", stage1_block1_op="wide", stage1_block2_op="wide", stage1_depth=2),
    trial("failed", "ValueError: y", stage1_block1_op="wide", stage1_depth=1),
    trial("trained", stage1_block1_op="narrow", stage1_block2_op="wide", stage1_depth=2),
    trial("trained", stage1_block1_op="narrow", stage1_depth=1),
    trial("cancelled", "cancelled by the user", stage1_block1_op="wide", stage1_depth=1),
    trial("running", stage1_block1_op="wide", stage1_depth=1),
]


def test_rates() -> None:
    found = {(r.place, r.name, r.value): (r.failed, r.ended, r.kinds) for r in failure_rates(TRIALS)}
    assert found == {
        ("stage1", "op", "wide"): (2, 3, "out of memory, error"),
        ("stage1", "depth", "2"): (1, 2, "out of memory"),
        ("stage1", "depth", "1"): (1, 2, "error"),
    }
    assert failure_rates(TRIALS)[0].share == 2 / 3
    assert failure_rate(TRIALS) == "2 of 4 trials failed (50%)"


def test_without_failures_there_is_nothing_to_show() -> None:
    assert failure_rates(TRIALS[2:]) == []
    assert failure_rate([]) == ""


def test_the_worst_are_shown() -> None:
    many = [trial("failed", "x", **{f"stage{i}_op": "bad" for i in range(30)})]
    assert len(failure_rates(many)) == MOST_RATES


def test_shares_of_a_strategy_are_drawn(tmp_path: Path) -> None:
    search = view(load(write_journal(tmp_path / "x", trials=3)))
    state = search.history.path.parent / STATE
    learned = {"stage1_depth": [[1, 0.25], [2, 0.75]], "<b>": [["a", 1.0]]}
    pages = []
    for text in (
        "",
        json.dumps({"core": {"told": []}}),
        json.dumps({"core": {"shares": learned}}),
        "{",
        "[]",
        '{"core": {"shares": 3}}',
    ):
        if text:
            state.write_text(text, encoding="utf-8")
        pages.append(render(search, predictions(search)))
    assert ["What the strategy has learned" in page for page in pages] == [False, False, True, False, False, False]
    assert '--share: 75%">2 0.75<' in pages[2] and "<td>&lt;b&gt;</td>" in pages[2]
