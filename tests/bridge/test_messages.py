"""A trial that is started by hand says what to do instead."""

from __future__ import annotations

import subprocess

from ednas_nni.bridge.manager.processes import BIN


def test_the_trial_by_hand_says_what_to_do() -> None:
    done = subprocess.run(
        [BIN / "python3", "-m", "ednas_nni.bridge.trial"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ednas search FILE.yml" in done.stderr
    assert "Traceback" not in done.stderr
