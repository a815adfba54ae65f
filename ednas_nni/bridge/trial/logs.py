"""What trials of this machine left in their folders: the last words of a log, and a kept result."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from ednas_nni.bridge.trial import result_file as kept_result
from ednas_nni.record.failures import CAUSE, TIME_LIMIT

LONGEST = 500  # characters
_JOB = re.compile(r"[A-Za-z0-9_-]+")  # it becomes part of a path
_STOPPED = re.compile(r"^Timeout \(\d.*\)!$", re.MULTILINE)
"""What `faulthandler` writes when it ends a process that does not listen to its time limit."""


class TrialLogs:
    """The folders of an experiment's trials.

    Args:
        experiment: The experiment's folder, `<experiments>/<id>`.
    """

    def __init__(self, experiment: Path) -> None:
        self.experiment = experiment

    def last_words(self, job: str) -> str | None:
        """Why a trial failed, as its error output tells.

        Returns:
            One line; "" where it says nothing; None where there is no such log on this machine.
        """
        path = next(self.experiment.glob(f"environments/*/trials/{job}/trial.stderr"), None) if _safe(job) else None
        if path is None:
            return None
        text = _tail(path)
        lines = [line for line in text.splitlines() if line.strip()]
        told = [line for line in lines if line.startswith(CAUSE)]
        if told:
            return told[-1].removeprefix(CAUSE)
        if _STOPPED.search(text):
            return f"{TIME_LIMIT}: the trial did not end in time and did not stop when it was told to"
        return lines[-1].strip()[:LONGEST] if lines else ""

    def kept(self, job: str, architecture: str | None = None) -> dict[str, Any] | None:
        """The final metric that a trial kept beside its log; None without one.

        Args:
            job: NNI's job id.
            architecture: What the job trains; a result of another one is none.
        """
        return kept_result.of_job(self.experiment, job, architecture) if _safe(job) else None


def _safe(job: str) -> bool:
    return _JOB.fullmatch(job) is not None


def _tail(path: Path, size: int = 8192) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
