"""An experiment for nnictl, as small as it can be, written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def write_experiment(
    home: Path, name: str, study: dict[str, Any], trials: int = 1, concurrency: int = 1, code: str = "."
) -> Path:
    """The YAML file; NNI keeps what it makes under `home / "experiments"`.

    Args:
        home: A folder of the test's own.
        name: Of the experiment and its file.
        study: `tuner.classArgs`.
        trials: `maxTrialNumber`.
        concurrency: `trialConcurrency`.
        code: Folder from which tuner and trials import.
    """
    config = {
        "experimentName": name,
        "searchSpace": {},
        "trialCommand": "python3 -m ednas_nni.bridge.trial",
        "trialCodeDirectory": code,
        "trialConcurrency": concurrency,
        "maxTrialNumber": trials,
        "experimentWorkingDirectory": str(home / "experiments"),
        "tuner": {"className": "ednas_nni.bridge.advisor.Advisor", "codeDirectory": code, "classArgs": study},
        "trainingService": {"platform": "local"},
    }
    path = home / f"{name}.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
