"""A trial's final result beside its log, written before it is reported.

NNI loses a result when its manager dies between a trial's report and the database. The trial therefore writes it into
its own folder first. A resumed search books it from there, and a job that NNI runs again delivers it instead of
training a second time. What is read is checked against the job and its architecture: whoever can write into the folder
could write the journal too, but a mixed-up file must not become a result.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ednas_nni.record.whole_file import write_whole
from ednas_nni.search.middleware.reading import read

FILE = "result.json"
VERSION = 1
LARGEST = 1 << 20  # bytes


def keep(folder: Path, experiment: str, job: str, architecture: str, metric: Mapping[str, Any]) -> Path:
    """Write a final result; a crash leaves the whole file or none.

    Args:
        folder: The job's own folder.
        experiment: NNI's experiment id.
        job: NNI's job id.
        architecture: What was trained.
        metric: The final metric as it is reported, with `architecture`.

    Raises:
        OSError: The folder cannot be written.
    """
    told = {
        "version": VERSION,
        "experiment": experiment,
        "job": job,
        "architecture": architecture,
        "time": round(time.time(), 3),
        "metric": dict(metric),
    }
    body = json.dumps(told).encode() + b"\n"

    def write(file: BinaryIO) -> None:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())

    write_whole(folder / FILE, write)
    return folder / FILE


def kept(folder: Path, experiment: str, job: str, architecture: str | None = None) -> dict[str, Any] | None:
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
        with (folder / FILE).open("rb") as file:
            told = json.loads(file.read(LARGEST))
        metric = told["metric"]
        named = told["architecture"]
        if (told["version"], told["experiment"], told["job"]) != (VERSION, experiment, job):
            return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(metric, dict) or not isinstance(named, str) or (architecture or named) != named:
        return None
    reading = read(metric)
    return metric if not reading.fault and reading.architecture == named else None


def of_job(experiment: Path, job: str, architecture: str | None = None) -> dict[str, Any] | None:
    """The kept metric of a job of an experiment on this machine; None where there is none.

    Args:
        experiment: The experiment's folder, named by its id.
        job: NNI's job id, known to be safe as a part of a path.
        architecture: As for `kept`.
    """
    for folder in experiment.glob(f"environments/*/trials/{job}"):
        found = kept(folder, experiment.name, job, architecture)
        if found is not None:
            return found
    return None
