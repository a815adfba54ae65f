"""`ednas repeat` without NNI: arms, order, what is finished, and going on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.bridge import findings
from ednas_nni.bridge.findings import Findings
from ednas_nni.bridge.manager import launch
from ednas_nni.bridge.manager.processes import Process
from ednas_nni.cli import main, parser, search_command
from ednas_nni.record import events
from ednas_nni.record.journal import Journal
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import read_experiment
from evidence.searches.compare_command import arms_of

COMMAND = ["--strategies", "ednas,random", "--seeds", "2", "--trials", "3"]


class FakeNNI:
    """`asked`: ("create", "strategy seed") or ("resume", id); the search number `stops_at` ends by Ctrl-C."""

    def __init__(self, folder: Path, journal: Path) -> None:
        self.asked: list[tuple[str, str]] = []
        self.started, self.stops_at = 0, -1
        self._folder, self._lines = folder, [n for n in journal.read_text().splitlines() if '"finished"' not in n]

    def create(self, config: dict[str, Any], port: int | None) -> launch.Running:
        study = config["tuner"]["classArgs"]
        assert config["maxTrialNumber"] == 3
        self.started += 1
        self.asked.append(("create", f"{study['strategy']} {study['seed']}"))
        journal = self._folder / f"exp{self.started}" / "ednas" / "journal.jsonl"
        journal.parent.mkdir(parents=True)
        head = json.loads(self._lines[0])
        head |= {"experiment": journal.parents[1].name, "study": {**head["study"], **study}}
        journal.write_text("\n".join([json.dumps(head), *self._lines[1:]]) + "\n")
        return launch.Running(journal.parents[1].name, 8123, journal.parents[1], Process(1, 1))

    def resume(self, folder: Path, port: int | None) -> launch.Running:
        self.asked.append(("resume", folder.name))
        return launch.Running(folder.name, 8123, folder, Process(1, 1))

    def search(self, file: Any, assembled: Any, options: Any, start: Callable[[], launch.Running]) -> int:
        folder = start().folder
        if len(self.asked) == self.stops_at:
            return 130
        Journal(folder / "ednas" / "journal.jsonl").append(events.Finished(reason="the end"))
        return 0


@pytest.fixture
def nni(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_journal: Path) -> FakeNNI:
    fake = FakeNNI(tmp_path / "nni", small_journal)
    monkeypatch.setattr(launch, "create", fake.create)
    monkeypatch.setattr(launch, "resume", fake.resume)
    monkeypatch.setattr(search_command, "search", fake.search)
    monkeypatch.setattr(findings, "examine", lambda path, *_: Findings(Path(path)))
    monkeypatch.chdir(tmp_path)
    return fake


def test_arms_of_a_seed_come_before_the_next_seed(
    nni: FakeNNI, experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(experiment(experimentWorkingDirectory="nni"))
    assert main(["repeat", path, *COMMAND]) == 0
    assert [what for _, what in nni.asked] == ["ednas 0", "random 0", "ednas 1", "random 1"]
    assert "strategy random: 2 searches" in capsys.readouterr().out
    assert (Path("repeats") / "test" / "comparison.html").is_file()
    nni.asked.clear()
    assert main(["repeat", path, *COMMAND, "--seeds", "3"]) == 0
    assert [what for _, what in nni.asked] == ["ednas 2", "random 2"], "what is finished is not run again"


def test_a_stop_and_going_on(nni: FakeNNI, experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = str(experiment(experimentWorkingDirectory="nni"))
    nni.stops_at = 2
    assert main(["repeat", path, *COMMAND]) == 130
    assert "After 1 of 4 searches. The same command goes on." in capsys.readouterr().out
    nni.asked, nni.stops_at = [], -1
    assert main(["repeat", path, *COMMAND]) == 0
    assert nni.asked == [("resume", "exp2"), ("create", "ednas 1"), ("create", "random 1")]
    other = Path(path).with_name("other.yml")
    other.write_text(Path(path).read_text())
    assert main(["repeat", str(other), *COMMAND, "--out", "repeats/test"]) == 1
    assert "holds searches of" in capsys.readouterr().err


def test_an_edited_file_is_not_mixed_in(
    nni: FakeNNI, experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = experiment(experimentWorkingDirectory="nni")
    assert main(["repeat", str(path), *COMMAND]) == 0
    record, before = Path("repeats/test/repeat.json"), path.read_text()
    path.write_text(before + "maxTrialDuration: 1h\n")
    assert main(["repeat", str(path), *COMMAND, "--seeds", "3"]) == 1
    assert "was edited after the first of the searches in repeats/test/repeat.json (maxTrialDuration)." in (
        capsys.readouterr().err
    )
    path.write_text(before + "# as it was\n")
    assert main(["repeat", str(path), *COMMAND, "--seeds", "3"]) == 0
    saved = json.loads(record.read_text())
    record.write_text(json.dumps({**saved, "of": {k: v for k, v in saved["of"].items() if k != "experiment"}}))
    assert main(["repeat", str(path), *COMMAND, "--seeds", "3"]) == 0, "a file of a version that did not save it"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("data.seed=1,2", "data"),
        ('tasks=["depth"],["depth", "segmentation"]', "tasks"),
        ("evaluator.protocol=standard,adashare", "tasks"),
        ("device=edge_tpu,roofline", "devices"),
    ],
)
def test_arms_that_could_not_be_compared_are_refused_before_anything_runs(
    nni: FakeNNI,
    experiment: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: str,
    what: str,
) -> None:
    def examine(path: str, _: object, arm: tuple[str, ...]) -> Findings:
        return Findings(Path(path), assembled=Assembled(read_experiment(path, arm)[1]))

    monkeypatch.setattr(findings, "examine", examine)
    assert main(["repeat", str(experiment(experimentWorkingDirectory="nni")), "--set", change, "--trials", "3"]) == 1
    assert f"have other {what} (" in capsys.readouterr().err
    assert nni.asked == []


@pytest.mark.parametrize(
    ("words", "arms"),
    [
        ([], [()]),
        (["--strategies", "a,b"], [("strategy=\"a\"",), ("strategy=\"b\"",)]),
        (["--set", "train_size=[32, 64]", "--set", "x.y=1,null"], [
            ("train_size=[32, 64]", "x.y=1"), ("train_size=[32, 64]", "x.y=null")]),
    ],
)  # fmt: skip
def test_every_combination_is_an_arm(words: list[str], arms: list[tuple[str, ...]]) -> None:
    given = parser().parse_args(["repeat", "x.yml", *words])
    assert arms_of(given.strategies, given.changes) == arms


@pytest.mark.parametrize("words", ["seed=1,2", "x=", "x", "strategy=a,{"])
def test_arms_that_cannot_be(words: str, experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repeat", str(experiment()), "--set", words]) == 1
    assert f"--set '{words}'" in capsys.readouterr().err
