"""docs/security.md says what is true."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="needs the repository")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)


def test_the_study_opens_the_port_and_lets_other_machines_train() -> None:
    from ednas_nni.bridge.manager.exposure import SWITCH, check_platform
    from ednas_nni.study import parse

    (snippet,) = blocks("yaml")
    study = parse(yaml.safe_load(snippet))
    check_platform({"trainingService": {"platform": "remote"}}, study.allow_open_port)
    assert snippet.strip() in SWITCH


def test_the_commands_exist() -> None:
    from ednas_nni.cli import COMMANDS

    first, forward = blocks("sh")
    assert first.splitlines()[0] == 'eval "$(ednas loopback)"' and "loopback" in COMMANDS
    assert (ROOT / first.split()[-1]).is_file()
    assert shlex.split(forward)[:3] == ["ssh", "-N", "-L"]


def test_every_path_and_file_of_the_page_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:ednas_nni|tests)/[\w./]+)`", text):
        assert (ROOT / name).is_file(), name
    assert "security.md" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["subprocess:run", "torch:load"])
def test_what_it_says_is_refused_is_refused(path: str) -> None:
    from ednas_nni import plugins
    from ednas_nni.errors import PluginError

    assert f"`{path}`" in PAGE.read_text(encoding="utf-8")
    with pytest.raises(PluginError):
        plugins.load("strategies", path)


def experiment_of(study: dict[str, Any], platform: str) -> dict[str, Any]:
    return {
        "searchSpace": {},
        "trialCommand": "python3 -m ednas_nni.bridge.trial",
        "trialConcurrency": 1,
        "maxTrialNumber": 1,
        "tuner": {"className": "ednas_nni.bridge.advisor.Advisor", "codeDirectory": ".", "classArgs": study},
        "trainingService": {"platform": platform},
    }


def test_a_study_with_an_open_port_is_said_by_check(tmp_path: Path) -> None:
    from ednas_nni.bridge import findings
    from ednas_nni.bridge.manager import experiment_file as experiment

    config = experiment_of({}, "openpai")
    path = tmp_path / "study.yml"
    path.write_text(yaml.safe_dump(config))
    (fault,) = experiment.faults(path, experiment.load(path))
    for word in ("trainingService.platform = 'openpai'", "allow_open_port: true", "no password"):
        assert word in fault
    config["tuner"]["classArgs"]["allow_open_port"] = True
    path.write_text(yaml.safe_dump(config))
    assert experiment.faults(path, experiment.load(path)) == []
    remarks = findings.examine(path).warnings
    assert any("allow_open_port: NNI will listen on every address" in line for line in remarks)


@pytest.mark.slow
def test_check_imports_what_python_finds_and_not_what_lies_beside_the_study(tmp_path: Path) -> None:
    """Both halves of what the page says about `module:Name`, as a user meets them."""
    (tmp_path / "stranger.py").write_text("import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n")
    config = experiment_of({"data": "stranger:Data", "evaluator": "stub"}, "local")
    (tmp_path / "study.yml").write_text(yaml.safe_dump(config))
    command = shutil.which("ednas", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("the command is not installed beside this Python")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for paths, ran in (({}, False), ({"PYTHONPATH": str(tmp_path)}, True)):
        done = subprocess.run(
            [command, "check", "study.yml"], cwd=tmp_path, env={**clean, **paths},
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 1 and "stranger:Data" in done.stderr, done.stderr
        assert (tmp_path / "ran").exists() is ran
    assert "`grep -nE '[A-Za-z_]:[A-Za-z_]' study.yml`" in PAGE.read_text(encoding="utf-8")
    assert re.search("[A-Za-z_]:[A-Za-z_]", (tmp_path / "study.yml").read_text())
