"""docs/python.md: its snippets run, one after the other, on a search of two networks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ednas_nni
from ednas_nni.networks.prediction import Prediction
from ednas_nni.record import events
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal, journal_path
from tests.small_networks import small_study

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)


@pytest.fixture
def _searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished search under a home folder of its own, and a photo."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assembled = small_study(steps=3)
    journal = Journal(journal_path(tmp_path / "nni-experiments", "ID"))
    journal.append(
        JournalHead(
            ednas="0",
            nni="3",
            torch="2",
            python="3",
            digest="d",
            experiment="ID",
            columns=(),
            members={},
            study={**assembled.study.dump(), "objectives": ["quality", "macs"]},
            domains=assembled.domains.to_json(),
        )
    )
    journal.append(events.Started(mode="create"))
    for number, name in enumerate(("mobilenet_v2", "mobilenet_v2_small")):
        sample = assembled.domains.complete(assembled.member(name))
        key = assembled.domains.architecture_id(sample)
        costs = {"latency_ms": 15.0 - number, "macs": 2e8 - number}
        journal.append(events.Submitted(trial=number, architecture=key, sample=sample, costs=costs))
        journal.append(events.Final(trial=number, job="J", architecture=key, metrics={"default": 0.3}))
        journal.append(events.Ended(trial=number, job="J", status="trained", cause=""))
    journal.close()
    Image.fromarray(np.zeros((60, 90, 3), np.uint8)).save("photo.jpg")


@pytest.mark.slow
def test_snippets_run(_searched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[Prediction] = []
    monkeypatch.setattr(Prediction, "show", lambda self: shown.append(self))
    names: dict[str, object] = {"torch": torch}
    for snippet in SNIPPETS:
        exec(compile(snippet.replace("steps=4000", "steps=4, workers=1"), "python.md", "exec"), names)
    assert Path("front.csv").read_text().count("\n") == 2  # the cheaper of two equal networks
    assert len(shown) == 1 and Path("photo_predicted.png").is_file()
    assert capsys.readouterr().out.splitlines()[-1].startswith("test (64, 128) 16 ")
    network = ednas_nni.load("networks/small")
    assert network.description.origin.search == "ID" and len(network.description.origin.journal) == 64
    assert "test_opened" in (Path("nni-experiments") / "ID" / "ednas" / "journal.jsonl").read_text()


def test_the_page_names_what_there_is() -> None:
    import inspect

    arguments = inspect.signature(ednas_nni.train).parameters
    named = re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.M)
    assert named and set(named) <= set(arguments)
