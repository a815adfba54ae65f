"""Which weights stay beside the journal, and that nothing about them can cost a result."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni.nn import checkpoint
from ednas_nni.record import events
from ednas_nni.record.front import front_of
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal, load
from ednas_nni.record.kept_weights import weights_file
from ednas_nni.record.whole_file import file_digest
from ednas_nni.search import front_weights
from ednas_nni.search.front_weights import FrontWeights, write_weights

NETWORK = torch.nn.Conv2d(3, 4, 1)
OBJECTIVES = {"objectives": ["quality", "latency_ms"]}


def searched(folder: Path, points: list[tuple[float, float]], keep: str = "front", kind: Any = FrontWeights) -> Journal:
    """A search whose trials end one after the other and leave their weights, as trials do; the last one still runs."""
    journal = Journal(folder / "journal.jsonl")
    journal.append(JournalHead(study=OBJECTIVES))
    weights = kind(journal, keep)
    for trial, (quality, cost) in enumerate([*points, (0.0, 1.0)]):
        key = f"{trial:010x}"
        journal.append(events.Submitted(trial=trial, architecture=key, sample={}, costs={"latency_ms": cost}))
        weights.write(key, NETWORK)
        if trial < len(points):
            journal.append(events.Final(trial=trial, metrics={"default": quality}))
            journal.append(events.Ended(trial=trial, status="trained"))
        weights.settle()
    journal.close()
    return journal


def wrong(journal: Journal) -> list[str]:
    """What is kept but should not be, or the other way round; the running trial's file may lie there."""
    history = load(journal.path)
    front = {record.architecture for record in front_of(history)}
    files = {path.stem for path in (journal.path.parent / "weights").glob("*.safetensors")}
    running = {record.architecture for record in history.trials if record.status == "running"}
    bad = [*(front ^ set(history.weights)), *((files - running) ^ front)]
    return bad + [k for k, digest in history.weights.items() if file_digest(weights_file(history, k)) != digest]


class Greedy(FrontWeights):
    """The broken variant: it never removes anything."""

    def settle(self) -> None:
        for path in (self.journal.path.parent / "weights").glob("*.safetensors"):
            self.journal.append(events.WeightsEvent(architecture=path.stem, digest=file_digest(path)))


@given(st.lists(st.tuples(st.integers(0, 5).map(float), st.integers(1, 5).map(float)), min_size=1, max_size=8))
def test_the_weights_of_the_front_are_kept(
    tmp_path_factory: pytest.TempPathFactory, points: list[tuple[float, float]]
) -> None:
    assert wrong(searched(tmp_path_factory.mktemp("search"), points)) == []


def test_the_check_rejects_a_search_that_removes_nothing(tmp_path: Path) -> None:
    assert wrong(searched(tmp_path, [(0.1, 2.0), (0.2, 1.0)], kind=Greedy))


@pytest.mark.parametrize(("keep", "count"), [("front", 1), ("all", 3), ("none", 0)])
def test_what_the_study_says(tmp_path: Path, keep: str, count: int) -> None:
    history = load(searched(tmp_path, [(0.1, 3.0), (0.2, 2.0), (0.3, 1.0)], keep).path)
    assert len(history.weights) == count


def test_weights_are_those_of_the_network(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    write_weights(tmp_path, "a" * 10, NETWORK)
    tensors = load_file(tmp_path / "weights" / f"{'a' * 10}.safetensors")
    assert all(torch.equal(tensors[name], tensor) for name, tensor in NETWORK.state_dict().items())


def test_a_full_disk_costs_the_weights_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_whole", full)
    history = load(searched(tmp_path, [(0.1, 3.0), (0.2, 2.0)]).path)
    assert len(history.results) == 2 and history.weights == {}
    said = capsys.readouterr().err
    assert "not kept: [Errno 28] No space left" in said and "ednas: error: " not in said
    monkeypatch.setattr(front_weights, "file_digest", full)
    monkeypatch.undo()
    monkeypatch.setattr(front_weights, "file_digest", full)
    assert len(load(searched(tmp_path / "again", [(0.1, 3.0)]).path).results) == 1
