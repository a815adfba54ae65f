"""A hand-typed nnictl loads what machines reached by SSH need."""

from __future__ import annotations

import pytest

from ednas_nni.bridge.manager.exposure import LOOPBACK, PRELOADS
from ednas_nni.cli import main
from machines.service import SCRIPT


def test_the_shell_gets_the_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["loopback"]) == 0
    lines = dict(line.removeprefix("export ").split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert lines[PRELOADS] == str(SCRIPT) and str(LOOPBACK) in lines["NODE_OPTIONS"] and "PATH" in lines
