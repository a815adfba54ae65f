"""docs/after_a_search.md: its commands exist, its Python runs on a search."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.record import events
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal, journal_path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "after_a_search.md").read_text(encoding="utf-8")
LIST, TRAIN = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
STUDY = {
    "space": "nano",
    "tasks": ["segmentation"],
    "data": "ednas_nni.testing.noise:Noise",
    "train_size": [32, 64],
    "evaluator": {"name": "jared", "steps": 2, "batch_size": 2, "reports": 1, "accelerator": "cpu"},
}


def commands(program: str) -> list[list[str]]:
    """Command lines of a program, in blocks and in running text."""
    found = re.findall(rf"^{program} .*$", PAGE, flags=re.M) + re.findall(rf"`({program} [^`]+)`", PAGE)
    return [shlex.split(line, comments=True)[1:] for line in found]


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A finished search of two networks under a home folder of its own."""
    from search_spaces import nano

    monkeypatch.setenv("EDNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    space = nano({"segmentation": 3})
    journal = Journal(journal_path(tmp_path / "nni-experiments", "ID"))
    head = {"study": STUDY, "columns": [], "members": {}, "experiment": "ID", "domains": []}
    journal.append(JournalHead(ednas="0", nni="3", torch="2", python="3", digest="d", data="f", **head))
    journal.append(events.Started(mode="create"))
    best = {}
    for number, name in enumerate(("mobilenet_v2", "mobilenet_v2_small")):
        sample = space.member(name)
        architecture = space.domains.architecture_id(sample)
        costs = {"latency_ms": 15.0 - number}
        journal.append(events.Submitted(trial=number, architecture=architecture, sample=sample, costs=costs))
        metrics = {"default": 0.3 + number / 10}
        journal.append(events.Final(trial=number, job="J", architecture=architecture, metrics=metrics))
        journal.append(events.Ended(trial=number, job="J", status="trained", cause=""))
        best = {"architecture": architecture, "sample": sample}
    journal.close()
    return best


def test_the_commands_of_ednas_exist() -> None:
    from ednas_nni.cli import parser

    found = [words for words in commands("ednas") if words != ["search"]]
    assert {words[0] for words in found} == {"report", "verify", "describe"}
    for words in found:
        assert parser().parse_args(words).run is not None
    with pytest.raises(SystemExit):
        parser().parse_args(["export", "ID"])


def test_the_files_and_options_it_names_exist() -> None:
    script = (ROOT / "benchmarks" / "main_job.py").read_text(encoding="utf-8")
    assert all(f'"{option}"' in script for option in ("--top", "--steps", "--any-latency", "--seeds", "--json"))
    for name in re.findall(r"\]\(([\w]+\.md)", PAGE):
        assert (ROOT / "docs" / name).is_file(), name
    assert "docs/after_a_search.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_list_of_networks_is_printed(search: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(LIST, "after_a_search.md", "exec"), {})
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{search['architecture']} 0.4 14.0" and second.endswith(" 0.3 15.0")


@pytest.mark.slow
def test_the_best_network_is_trained_again_and_its_weights_fit(search: dict[str, Any], tmp_path: Path) -> None:
    import torch

    from ednas_nni.nn.checkpoint import init_from
    from ednas_nni.nn.tree import build
    from ednas_nni.search.assembled import Assembled

    assert '"steps": 2000' in TRAIN
    names: dict[str, Any] = {}
    exec(compile(TRAIN.replace('"steps": 2000', '"steps": 3'), "after_a_search.md", "exec"), names)
    assert names["best"].architecture == search["architecture"] and names["study"].evaluator.options["steps"] == 3
    again = build(Assembled(names["study"]).space, names["best"].sample).eval()
    image = torch.rand(1, 3, 32, 64)
    with torch.inference_mode():
        trained = names["network"](image)["segmentation"]
        assert not torch.equal(trained, again(image)["segmentation"])
        init_from(again, tmp_path / "network.safetensors")
        assert torch.equal(trained, again(image)["segmentation"])


@pytest.mark.slow
def test_nnictl_has_the_commands() -> None:
    for words in commands("nnictl"):
        command = [word for word in words if word.islower()]
        options = {word for word in command if word.startswith("--")}
        path = command[: 2 if command[0] in ("experiment", "update") else 1]
        nnictl = [sys.executable, "-c", "from nni.tools.nnictl.nnictl import parse_args; parse_args()"]
        done = subprocess.run([*nnictl, *path, "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert all(option in done.stdout for option in options), (words, done.stdout)
