"""Strategies on the networks of a finished search: measured rows only, each once, with their own values."""

from __future__ import annotations

from pathlib import Path

import pytest

import strategies
from ednas_nni.cli import main
from ednas_nni.errors import EdnasError
from ednas_nni.handover.search import SearchRecord, open_search
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal
from ednas_nni.space.domains import Dimension, Domains, Literal
from ednas_nni.testing.strategies import search
from ednas_nni.testing.synthetic import Synthetic
from evidence.searches import replay
from evidence.searches.replay import MeasuredDomains, NearestRow, replayed

ARMS = [('strategy="ednas"',), ('strategy="policy_gradient"',), ('strategy="regularized_evolution"',)]


def finished(folder: Path, trials: int) -> SearchRecord:
    world, path = Synthetic(noise=0.02), folder / "table" / "ednas" / "journal.jsonl"
    path.parent.mkdir(parents=True)
    study = {"objectives": ["quality", "latency_ms"], "constraints": ["latency_ms <= 3"]}
    with_head = Journal(path)
    with_head.append(JournalHead(experiment="table", study=study, domains=world.domains.to_json()))
    with_head.close()
    search(strategies.random(seed=0), world, world.problem(), path, trials)
    return open_search(path)


def test_rows_are_asked_once_and_answered_with_what_was_measured(tmp_path: Path) -> None:
    table = finished(tmp_path, 30)
    measured = {row.architecture: (row.searched["default"], row.costs) for row in table.results}
    records = replayed(table, ARMS, seeds=2, trials=10)
    asked = [[row.architecture for row in record.results] for record in records]
    for record, architectures in zip(records, asked, strict=True):
        assert len(set(architectures)) == len(record.history.all_trials) == 10
        assert [(r.searched["default"], r.costs) for r in record.results] == [measured[a] for a in architectures]
    assert len(set(map(tuple, asked))) == 6, "arms and seeds differ"
    again = replayed(table, ARMS[:1], seeds=2, trials=10)
    assert [[row.architecture for row in record.results] for record in again] == [asked[0], asked[3]]


class AnyProposal(NearestRow):
    """Broken: lets everything through."""

    def submit_models(self, *models: object) -> None:
        self.engine.submit_models(*models)


def test_that_check_rejects_proposals_that_were_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "NearestRow", AnyProposal)
    (record,) = replayed(finished(tmp_path, 12), [ARMS[1]], seeds=1, trials=5)
    assert not record.results and all(trial.status == "failed" for trial in record.history.all_trials)


def test_the_nearest_row() -> None:
    deep = (((Literal("depth", frozenset({2})),),),)
    space = Domains([Dimension("depth", (1, 2)), Dimension("op", ("a", "b", "c")), Dimension("op2", ("a", "b"), deep)])
    rows = [{"depth": 1, "op": "a"}, {"depth": 2, "op": "a", "op2": "a"}, {"depth": 2, "op": "b", "op2": "b"}]
    measured = MeasuredDomains(space, rows)
    assert [measured.nearest(row) for row in measured.rows] == [0, 1, 2]
    assert measured.nearest({"depth": 1, "op": "c", "op2": "b"}) == 0, "what is not active says nothing"
    assert measured.nearest({"depth": 2, "op": "c", "op2": "b"}) == 2


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = str(finished(tmp_path, 20).history.path)
    given = ["--strategies", "ednas,random", "--seeds", "2", "--trials", "6", "--out", str(tmp_path / "out")]
    assert main(["compare", journal, *given]) == 0
    text = capsys.readouterr().out
    assert "20 networks of table are the table" in text and "strategy random: 2 searches" in text and "lead " in text
    assert (tmp_path / "out" / "comparison.csv").read_text().count("\n") == 5
    assert main(["compare", journal, journal, "--strategies", "ednas"]) == 1
    assert "the networks of one search" in capsys.readouterr().err


def test_too_small_a_table(tmp_path: Path) -> None:
    with pytest.raises(EdnasError, match="has 5 results"):
        replayed(finished(tmp_path, 5), ARMS, seeds=1)
