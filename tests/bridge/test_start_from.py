"""start_from under a manager: the strategy knows earlier results, none is trained again, a resume needs no others."""

from __future__ import annotations

from pathlib import Path

from ednas_nni.record.journal import Journal
from tests.bridge.scripted_nni import Nni, session, until


def test_a_search_begins_with_them(nni: Nni, tmp_path: Path) -> None:
    """The strategy knows them, none is trained again, and they take nothing of the budget; so after a kill."""
    with session(nni, tmp_path / "abcd", resumed=False) as search:
        path = search.journal.path
        search.on_message("ready", 5)
        until(lambda: len(nni.jobs) == 5)
        for i, job in enumerate(list(nni.jobs)):
            proof = search.key_in(nni.record(job)["parameters"])
            search.on_message(*nni.metric(job, {"default": 0.1 * i, "architecture": proof}))
            search.on_message(*nni.end(job))
    trained = set(Journal(path).history().results)
    assert len(trained) == 5
    for resumed in (False, True):
        nni.jobs.clear()
        with session(nni, tmp_path / "efgh", resumed=resumed, start_from=[str(path)]) as search:
            if resumed:
                search.on_message("recover", [])
            search.on_message("ready", 5)
            until(lambda: len(nni.jobs) == 5)
            history = search.journal.history()
            assert set(history.results) == trained and len([t for t in history.trials if t.source]) == 5
            assert not trained & {t.architecture for t in history.own}
            core = search.assembled.strategy.core
            assert any(outcome["values"] for outcome in core.state_dict()["told"]) and search.engine.trials_left() <= 3
