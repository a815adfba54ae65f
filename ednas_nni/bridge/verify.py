"""Does NNI's own record say the same as the journal? Every disagreement is listed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ednas_nni.domains import Domains
from ednas_nni.errors import ExperimentError, SampleError
from ednas_nni.journal import History


@dataclass(frozen=True)
class JobRecord:
    """One trial job as NNI's database tells it.

    Attributes:
        job: NNI's job id.
        parameters: The sample that NNI booked on it.
        proven: Architecture id that the trial reported to have run, None where it reported none.
        final: Value of `default`, None without a final metric.
    """

    job: str
    parameters: dict[str, Any]
    proven: str | None
    final: float | None


def nni_records(experiment_folder: Path) -> list[JobRecord]:
    """Trial jobs of an experiment from NNI's database, in the order of their creation.

    Raises:
        ExperimentError: There is no database.
    """
    database = experiment_folder / "db" / "nni.sqlite"
    if not database.exists():
        raise ExperimentError(f"{database} does not exist; is {experiment_folder} the folder of an NNI experiment?")
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        # Rows without a job id are orders from the web UI (ADD_CUSTOMIZED) and imported data; no trial belongs to them.
        created = connection.execute(
            "select trialJobId, data from TrialJobEvent where data <> '' and trialJobId <> '' order by timestamp"
        ).fetchall()
        finals = dict(
            connection.execute("select trialJobId, data from MetricData where type = 'FINAL' order by timestamp")
        )
    records: dict[str, JobRecord] = {}
    for job, data in created:
        if job in records:
            continue
        parameters = json.loads(data)["parameters"]
        value = json.loads(json.loads(finals[job])) if job in finals else None
        value = value if isinstance(value, dict) else {"default": value}
        records[job] = JobRecord(job, parameters, value.get("architecture"), value.get("default"))
    return list(records.values())


def disagreements(history: History, records: list[JobRecord]) -> list[str]:
    """Compare a journal with NNI's record.

    Returns:
        One sentence per disagreement: another architecture than booked, a result that one side lacks
        or gives differently.
    """
    domains = Domains.from_json(history.header["domains"])
    journalled = {trial.job: trial for trial in history.trials if trial.job}
    found = []
    for record in records:
        try:
            booked = domains.architecture_id(domains.complete(record.parameters))
        except (SampleError, TypeError, ValueError) as error:
            found.append(f"job {record.job}: NNI's parameters are no architecture of this space ({error})")
            continue
        if record.proven is not None and record.proven != booked:
            found.append(f"job {record.job}: NNI booked {booked}, the trial ran {record.proven}")
        trial = journalled.get(record.job)
        if trial is None:
            if record.final is not None:
                found.append(f"job {record.job}: NNI has a result, the journal does not know the job")
            continue
        if trial.architecture != (record.proven or booked):
            found.append(f"job {record.job}: the journal books {trial.architecture}, it ran {record.proven or booked}")
        if record.final is not None and trial.status == "trained" and trial.quality != record.final:
            found.append(f"job {record.job}: quality {trial.quality} in the journal, {record.final} at NNI")
    known = {record.job for record in records}
    found += [f"job {job}: in the journal, unknown to NNI" for job in journalled if job not in known]
    return found
