"""A wrong study that is started all the same says why where people look: NNI's interface and the log."""

from __future__ import annotations

import subprocess
import time

import pytest

from ednas_nni.bridge.manager import launch
from ednas_nni.bridge.manager.processes import BIN
from tests.bridge.experiments import write_experiment


@pytest.mark.nni
def test_a_wrong_study_tells_why_in_nni(tmp_path) -> None:
    path = write_experiment(tmp_path, "wrong", {"evaluator": "stub", "strategy": "edans"})
    running = launch.create(path)
    try:
        end = time.monotonic() + 120
        while running.manager.status()["status"] != "ERROR" and time.monotonic() < end:
            time.sleep(0.5)
        status = running.manager.status()
        shown = running.manager.experiment()["params"]["searchSpace"]
    finally:
        running.stop()
    assert status["status"] == "ERROR"
    text = "Unknown strategies plugin 'edans'. Did you mean 'ednas'?"
    assert text in shown["error"]["_value"][0]
    log = (tmp_path / "experiments" / running.id / "log" / "dispatcher.log").read_text(encoding="utf-8")
    assert text in log
    assert "Traceback" not in log


def test_the_trial_by_hand_says_what_to_do() -> None:
    done = subprocess.run(
        [BIN / "python3", "-m", "ednas_nni.bridge.trial"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ednas search FILE.yml" in done.stderr
    assert "Traceback" not in done.stderr
