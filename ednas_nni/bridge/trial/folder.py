"""What a trial leaves in its folder: its final result, written before it is reported, and the last words of its log.

NNI loses a result when its manager dies between a trial's report and the database. The trial therefore writes it into
its own folder first. A resumed search books it from there, and a job that NNI runs again delivers it instead of
training a second time. What is read is checked against the job and its architecture: whoever can write into the folder
could write the journal too, but a mixed-up file must not become a result.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias

from ednas_nni.record.failures import CAUSE, TIME_LIMIT
from ednas_nni.record.reports import read_report
from ednas_nni.record.whole_file import write_whole

RESULT = "result.json"
VERSION = 1
Metrics: TypeAlias = "Mapping[str, object]"
"""What a trial reports: `default`, `architecture`, and the metrics of its tasks."""
LARGEST = 1 << 20  # bytes
LONGEST_WORDS = 500  # characters
_JOB = re.compile(r"[A-Za-z0-9_-]+")  # it becomes part of a path
_STOPPED = re.compile(r"^Timeout \(\d.*\)!$", re.MULTILINE)
"""What `faulthandler` writes when it ends a process that does not listen to its time limit."""


def write_result(folder: Path, experiment: str, job: str, architecture: str, metric: Metrics) -> Path:
    """Write a final result; a crash leaves the whole file or none.

    Args:
        folder: The job's own folder.
        experiment: NNI's experiment id.
        job: NNI's job id.
        architecture: What was trained.
        metric: The final metric as it is reported, with `architecture`.
    """
    content = {
        "version": VERSION,
        "experiment": experiment,
        "job": job,
        "architecture": architecture,
        "time": round(time.time(), 3),
        "metric": dict(metric),
    }
    body = json.dumps(content).encode() + b"\n"

    def write(file: BinaryIO) -> None:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())

    write_whole(folder / RESULT, write)
    return folder / RESULT


def read_result(folder: Path, experiment: str, job: str, architecture: str | None = None) -> Metrics | None:
    """The final metric that a job has kept.

    Args:
        folder: The job's own folder.
        experiment: NNI's experiment id.
        job: NNI's job id.
        architecture: What the job's record says it trains; None = what the file says is taken.

    Returns:
        The metric as it was reported; None where there is no file, or it belongs to another job or architecture, or
        holds no usable result.
    """
    try:
        with (folder / RESULT).open("rb") as file:
            content = json.loads(file.read(LARGEST))
        metric = content["metric"]
        named = content["architecture"]
        if (content["version"], content["experiment"], content["job"]) != (VERSION, experiment, job):
            return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(metric, dict) or not isinstance(named, str) or (architecture or named) != named:
        return None
    report = read_report(metric)
    return metric if not report.fault and report.architecture == named else None


class TrialFolders:
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
        causes = [line for line in lines if line.startswith(CAUSE)]
        if causes:
            return causes[-1].removeprefix(CAUSE)
        if _STOPPED.search(text):
            return f"{TIME_LIMIT}: the trial did not end in time and did not stop when it was told to"
        return lines[-1].strip()[:LONGEST_WORDS] if lines else ""

    def result(self, job: str, architecture: str | None = None) -> Metrics | None:
        """The final metric in a trial's folder; None without one.

        Args:
            job: NNI's job id.
            architecture: What the job trains; a result of another one does not count.
        """
        folders = self.experiment.glob(f"environments/*/trials/{job}") if _safe(job) else ()
        results = (read_result(folder, self.experiment.name, job, architecture) for folder in folders)
        return next((result for result in results if result is not None), None)


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
