"""NNI's own training-service engine: the same study gives the same journal as in one process."""

from __future__ import annotations

import psutil
import pytest

import ednas_nni

STUDY = {
    "evaluator": {"name": "stub", "seconds": 0.1, "reports": 2},
    "constraints": "latency_ms <= 24",
    "strategy": "regularized_evolution",
    "seed": 5,
}


def _essence(history) -> list[tuple]:
    return [(t.architecture, t.costs, t.status, t.quality, len(t.intermediates)) for t in history.trials]


@pytest.mark.slow
@pytest.mark.nni
def test_equal_journals_sequential_and_training_service(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = {}
    for engine in ("sequential", "ts"):
        search = ednas_nni.experiment(STUDY, engine=engine, trials=3, concurrency=1)
        try:
            search.run()
        finally:
            search.stop()
        found[engine] = search.journal.history()
    assert [t.status for t in found["ts"].trials] == ["trained"] * 3
    assert _essence(found["ts"]) == _essence(found["sequential"])
    assert all("limits allow" in history.finished for history in found.values())
    assert not [p for p in psutil.Process().children(recursive=True) if "nni" in " ".join(p.cmdline())]


def test_equal_journals_are_no_accident(monkeypatch, tmp_path) -> None:
    """Another seed gives another journal, so the comparison can fail."""
    monkeypatch.setenv("HOME", str(tmp_path))
    found = []
    for seed in (5, 6, 5):
        search = ednas_nni.experiment({**STUDY, "seed": seed}, engine="sequential", trials=2)
        search.run()
        search.stop()
        search.journal.close()
        found.append(_essence(search.journal.history()))
    assert found[0] == found[2] != found[1]
