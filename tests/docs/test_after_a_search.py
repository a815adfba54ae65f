"""docs/after_a_search.md: its commands exist, its way is walked on a search of seconds."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ednas_nni.cli import ADDED, COMMANDS, main, parser

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "after_a_search.md").read_text(encoding="utf-8")
WAY = re.findall(r"^```\n(.*?)```", PAGE, flags=re.S | re.M)[0]
STUDY = {
    "space": "nano",
    "tasks": ["segmentation", "depth"],
    "data": "ednas_nni.testing.noise:Noise",
    "train_size": [32, 64],
    "deploy_size": [64, 128],
    "evaluator": {"name": "jared", "steps": 2, "batch_size": 2, "reports": 1, "accelerator": "cpu", "threads": 1},
    "constraints": ["latency_ms <= 99"],
    "start": ["mobilenet_v2_small"],
}


def commands(program: str) -> list[list[str]]:
    """Command lines of a program, in blocks and in running text."""
    found = re.findall(rf"^{program} .*$", PAGE, flags=re.M) + re.findall(rf"`({program} [^`]+)`", PAGE)
    return [shlex.split(line, comments=True)[1:] for line in found]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a search of three networks, named ID, and a photo."""
    import ednas_nni

    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("EDNAS_CACHE", str(home / "cache"))
        search = ednas_nni.experiment(STUDY, engine="sequential", trials=3, id="ID")
        search.run()
        search.stop()
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(home / "photo.jpg")
    return home


def test_the_commands_of_ednas_exist() -> None:
    found, there = commands("ednas"), {*COMMANDS, *ADDED.names()}
    assert {words[0] for words in found} >= {"confirm", "pick", "train", "export", "benchmark", "predict", "report"}
    for words in (words for words in found if words != ["confirm"] and words[0] in there and len(words) > 1):
        assert parser().parse_args(words).run is not None
    assert {words[0] for words in found} <= there
    with pytest.raises(SystemExit):
        parser().parse_args(["distill", "ID"])


def test_the_pages_it_names_exist() -> None:
    for name in re.findall(r"\]\(([\w]+\.md)", PAGE):
        assert (ROOT / "docs" / name).is_file(), name
    assert "docs/after_a_search.md" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_way_is_walked(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of the first block after the search, as it stands there, but for the steps."""
    pytest.importorskip("onnx")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("EDNAS_CACHE", str(home / "cache"))
    monkeypatch.chdir(home)
    architecture = ""
    lines = [shlex.split(line, comments=True)[1:] for line in WAY.splitlines()]
    assert [words[0] for words in lines][:5] == ["search", "confirm", "report", "pick", "train"] and len(lines) == 8
    for words in lines[1:]:
        words = [{"ARCHITECTURE": architecture, "5000": "3"}.get(word, word) for word in words]
        words += ["--workers", "1"] if words[0] in ("confirm", "train") else []
        assert main(words) == 0, (words, capsys.readouterr())
        printed = capsys.readouterr().out
        architecture = printed.splitlines()[0] if words[0] == "pick" else architecture
        if words[0] == "benchmark":
            assert "onnx" in printed and "segmentation" in printed
    assert (home / "reports/ID/report.html").is_file() and (home / "networks/small/network.safetensors").is_file()
    assert list((home / "networks/small").glob("*.onnx")) and list((home / "predictions/small").iterdir())


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
