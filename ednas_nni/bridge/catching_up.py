"""Books what NNI's database knows and the journal does not: trials that ended while the Advisor was gone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ednas_nni.bridge.engine import ENDINGS, ModelStatus
from ednas_nni.journal import Journal, TrialRecord
from ednas_nni.strategy.middleware.reading import Reading, read
from ednas_nni.strategy.middleware.record import STATUS_NAMES

LOST = "lost when the manager stopped before it could start"


@dataclass
class CaughtUp:
    """What was booked from the database; messages about it come too late.

    Attributes:
        jobs: Job ids.
        parameters: Their parameter ids; trials from the web UI have none.
    """

    jobs: set[str] = field(default_factory=set)
    parameters: set[int] = field(default_factory=set)


def catch_up(
    journal: Journal,
    architecture_of: Callable[[Any], str | None],
    jobs: Iterable[dict[str, Any]],
    failure_cause: Callable[[str], str],
) -> CaughtUp:
    """Close open trials of a journal whose jobs have ended.

    Args:
        journal: The journal of an earlier session.
        architecture_of: Sample -> architecture id, None for what is no sample of the space.
        jobs: Trial jobs as NNI's manager lists them.
        failure_cause: Job id -> what its log says.
    """
    trials = journal.history().trials
    booked = {t.job for t in trials if t.status != "running"}
    waiting = [t for t in trials if t.status == "running"]
    found = CaughtUp()
    for job in jobs:
        name, texts = job["trialJobId"], job.get("hyperParameters")
        # Whatever is no ending (WAITING, RUNNING, ADD_RESUMED, UNKNOWN) has messages to come.
        if job["status"] not in ENDINGS or name in booked or not texts:
            continue
        record, reading = json.loads(texts[0]), read(_final_metric(job))
        architecture = reading.architecture or architecture_of(record.get("parameters"))
        trial = next((t for t in waiting if t.architecture == architecture and t.job in (None, name)), None)
        if trial is None:
            continue
        waiting.remove(trial)
        found.jobs.add(name)
        if record.get("parameter_id") is not None:
            found.parameters.add(record["parameter_id"])
        _book(journal, trial, job, reading, failure_cause)
    return found


def _book(
    journal: Journal, trial: TrialRecord, job: dict[str, Any], reading: Reading, failure_cause: Callable[[str], str]
) -> None:
    booked = {"trial": trial.trial, "job": job["trialJobId"]}
    status, cause = ENDINGS[job["status"]]
    if status is ModelStatus.Trained and reading.fault:
        status, cause = ModelStatus.Failed, reading.fault
    elif status is ModelStatus.Trained:
        journal.append("result", **booked, architecture=trial.architecture, metrics=reading.metrics)
    elif status is ModelStatus.Failed:
        cause = failure_cause(job["trialJobId"]) or cause
    journal.append("ended", **booked, status=STATUS_NAMES[status], cause=cause)


def _final_metric(job: dict[str, Any]) -> Any:
    """The final metric in NNI's record of a job (JSON within JSON), None when there is none."""
    found = job.get("finalMetricData")
    return json.loads(json.loads(found[-1]["data"])) if found else None
