"""Journals that a later version has written, and two processes that write one journal."""

from __future__ import annotations

import json
from multiprocessing import get_context
from pathlib import Path

from ednas_nni.record.events import Confirmed, Note, WeightsEvent
from ednas_nni.record.journal import Journal, load

HEAD = {"event": "study", "time": 1, "study": {}}


def test_an_unknown_event_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(json.dumps(e) + "\n" for e in (HEAD, {"event": "distilled", "time": 2, "into": [1]})))
    assert load(path).head is not None
    journal = Journal(path)
    journal.append(Confirmed(architecture="a" * 10, seed=2000, metrics={"default": 0.5}))
    journal.append(WeightsEvent(architecture="a" * 10, digest="d"))
    journal.append(WeightsEvent(architecture="b" * 10, digest="e"))
    journal.append(WeightsEvent(architecture="a" * 10))
    journal.close()
    history = load(path)
    assert [(c.seed, c.split, c.metrics) for c in history.confirmed] == [(2000, "select", {"default": 0.5})]
    assert history.weights == {"b" * 10: "e"}
    assert "distilled" in path.read_text(), "nothing is rewritten"


def write(path: Path, letter: str, count: int) -> None:
    """Open the journal anew for every event, as a second process may at any moment."""
    for _ in range(count):
        journal = Journal(path)
        journal.append(Note(text=letter * 3000))
        journal.close()


def test_two_processes_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(json.dumps(HEAD) + "\n")
    processes = [get_context("spawn").Process(target=write, args=(path, letter, 40)) for letter in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    texts = [note.text or "" for note in load(path).notes]
    assert len(texts) == 80 and {text[0] * 3000 for text in texts} == set(texts)
