"""NNI's own training-service engine: the same study gives the same journal as in one process."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

import ednas_nni
from ednas_nni.bridge.manager import exposure
from tests.bridge.strangers import ask, attacks, visited

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
    left = [process.as_dict(["cmdline", "status"]) for process in psutil.Process().children(recursive=True)]
    running = [p["cmdline"] for p in left if p["status"] != psutil.STATUS_ZOMBIE]  # NNI does not collect its manager
    assert not [words for words in running if "nni" in " ".join(words)]


@pytest.mark.slow
@pytest.mark.nni
@pytest.mark.parametrize("preload", [True, False])
def test_its_server_answers_no_stranger(preload: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if not preload:  # NNI as it is lets all of them in
        monkeypatch.setattr(exposure, "node_options", lambda environment: "")
    search = ednas_nni.experiment(STUDY, engine="ts", trials=1, concurrency=1)
    try:
        search.run()
        port = search.port
        answers = attacks(port)
        title = visited(port, tmp_path / "profile")
        alive = ask(port, f"Host: localhost:{port}")
    finally:
        search.stop()
    assert (answers == {"HTTP/1.1 403 Forbidden"}) == preload, answers
    assert preload or {"HTTP/1.1 200 OK", "HTTP/1.1 101 Switching Protocols"} <= answers
    assert ("open" in title) != preload, title
    assert alive.startswith("HTTP/1.1 200"), "the user's own browser is answered, and nobody ended the manager"
    assert [trial.status for trial in search.journal.history().trials] == ["trained"]


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
