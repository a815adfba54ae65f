"""What the documents say can be typed is tried."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.S)


def test_python_snippets_run(tmp_path: Path) -> None:
    """In a process of its own, as a user types it: nothing was imported or mended before."""
    (snippet,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", snippet + "\nprint(type(experiment).__name__)"],
        cwd=ROOT, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "NasExperiment"


def test_commands_exist() -> None:
    from ednas_nni.cli import COMMANDS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    used = set(re.findall(r"^ednas (\w+)", text, flags=re.M))
    assert used
    assert used <= set(COMMANDS)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) | set(re.findall(r"^make ([a-z-]+)", text, flags=re.M)) <= targets


def test_named_files_exist() -> None:
    for document in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        for path in re.findall(r"\]\(([\w./-]+\.(?:md|png))\)", text):
            assert (ROOT / path).exists(), f"{document} names {path}"
        for path in re.findall(r"`?((?:tests|benchmarks|experiments|tools)/[\w./-]+\.(?:py|yml|sh))", text):
            assert (ROOT / path).exists(), f"{document} names {path}"


def test_every_strategy_of_the_readme_is_registered() -> None:
    from ednas_nni import plugins

    (study,) = blocks("yaml")
    named = set(re.findall(r"\b(ednas|regularized_evolution|random|tpe|grid_search|policy_based_rl)\b", study))
    assert named <= set(plugins.names("strategies"))
    assert len(named) == 6


RUN = """
from ednas_nni.bridge.manager.ports import free_port
from ednas_nni.bridge.manager.exposure import guarded
experiment.config.max_trial_number, experiment.config.trial_concurrency = 1, 1
with guarded(None):
    experiment.run(free_port(28000))
"""
SMALL = (
    "JaredEvaluator(steps=2, batch_size=4, data={'name': 'rooms', 'train': 16, 'search': 8, 'select': 8, 'test': 8})"
)


@pytest.mark.slow
@pytest.mark.nni
@pytest.mark.parametrize(("classes", "code"), [(13, 0), (2, 1)])
def test_the_python_snippet_trains(classes: int, code: int, tmp_path: Path) -> None:
    """On NNI, in processes that NNI starts, beside whatever torchvision there is; no trained model is an error."""
    (snippet,) = blocks("python")
    small = snippet.replace("JaredEvaluator()", SMALL).replace('"segmentation": 13', f'"segmentation": {classes}')
    done = subprocess.run(
        [sys.executable, "-c", small + RUN],
        cwd=ROOT, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert ("None of 1 trials was trained" in done.stderr) == bool(code)
