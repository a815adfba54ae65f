"""What the documents say can be typed is tried."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.S)


def test_python_snippets_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ednas_nni import compat

    compat.apply()
    monkeypatch.setenv("HOME", str(tmp_path))
    (snippet,) = blocks("python")
    names: dict[str, object] = {}
    exec(compile(snippet, "README.md", "exec"), names)
    assert type(names["experiment"]).__name__ == "NasExperiment"


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
