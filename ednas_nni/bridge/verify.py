"""Does NNI's own record say the same as the journal? Every disagreement is listed.

A trial that ends while nobody listens, such as at a stop, stands in NNI's database or in its folder and not in the
journal until the search is resumed. So a resume is rehearsed first, with the code that a resume books with and a
journal that is not written: what it books is no disagreement.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ednas_nni.bridge.catching_up import CatchingUp
from ednas_nni.bridge.manager.database import opened
from ednas_nni.bridge.messages import sample_of
from ednas_nni.bridge.trial.folder import TrialFolders
from ednas_nni.errors import ExperimentError, JournalError, SampleError
from ednas_nni.record.journal import History, Journal, TrialRecord
from ednas_nni.record.parameters import TrialParameters, key_in
from ednas_nni.record.quantities import QUALITY_KEY
from ednas_nni.record.reports import read_report, submitted
from ednas_nni.space.dimensions import Sample
from ednas_nni.space.domains import Domains


@dataclass(frozen=True)
class JobRecord:
    """One trial job as NNI's database tells it.

    Attributes:
        job: NNI's job id.
        parameters: The sample that NNI booked on it.
        proven: Architecture id that the trial reported to have run, None where it reported none.
        final: Metrics and costs of its final metric; {} without one, or with one that is no result.
        file: Architecture id and the same numbers of the result in the trial's folder; None without one.
        stored: The job as NNI's manager would list it, and its final metric.
    """

    job: str
    parameters: Sample
    proven: str | None
    final: Mapping[str, float]
    file: tuple[str, Mapping[str, float]] | None = None
    stored: tuple[dict[str, object], object] | None = field(default=None, compare=False)


def nni_records(experiment_folder: Path) -> list[JobRecord]:
    """Trial jobs of an experiment from NNI's database, in the order of their creation.

    Raises:
        ExperimentError: There is no database.
    """
    database = experiment_folder / "db" / "nni.sqlite"
    if not database.exists():
        raise ExperimentError(
            f"{database} does not exist; is {experiment_folder} the folder of an NNI experiment? The sequential engine "
            "keeps no record of its own: there is nothing to compare a journal with."
        )
    with opened(database) as connection:
        # Rows without a job id are orders from the web UI (ADD_CUSTOMIZED) and imported data; no trial belongs to them.
        created = connection.execute(
            "select trialJobId, data from TrialJobEvent where data <> '' and trialJobId <> '' order by timestamp"
        ).fetchall()
        finals = dict(
            connection.execute("select trialJobId, data from MetricData where type = 'FINAL' order by timestamp desc")
        )  # the first one of a job stands
        states = dict(connection.execute("select trialJobId, event from TrialJobEvent order by timestamp"))
    logs = TrialFolders(experiment_folder.resolve())
    records: dict[str, JobRecord] = {}
    for job, data in created:
        if job in records:
            continue
        parameters = cast(Sample, sample_of(json.loads(data)["parameters"]))  # `disagreements` tells what is none
        metric = json.loads(json.loads(finals[job])) if job in finals else None
        final = read_report(metric)
        file = read_report(left := logs.result(job))
        beside = None if file.fault or file.architecture is None else (file.architecture, _numbers(left))
        stored = {"trialJobId": job, "hyperParameters": [data], "status": states[job]}
        records[job] = JobRecord(job, parameters, final.architecture, _numbers(metric), beside, (stored, metric))
    return list(records.values())


def _numbers(raw: object) -> dict[str, float]:
    report = read_report({**raw, "ran": ""} if isinstance(raw, dict) else raw)  # `ran` says which are costs: all count
    return {} if report.fault else report.metrics


class Rehearsal(Journal):
    """A journal as it would become; its file is only read."""

    def _cut_torn_end(self) -> None:
        """Nothing is cut off."""

    def _write(self, line: bytes) -> None:
        """Nothing is written."""


def resumed(path: Path, folder: Path, records: list[JobRecord]) -> tuple[History, int]:
    """What the journal at `path` will hold after a resume, and how many trials that will book.

    `records` is what `nni_records` gives. JournalError: the journal does not hold the search space.
    """
    journal = Rehearsal(path)
    head = journal.history().head
    if head is None:
        raise JournalError(f"{path}: does not say which space was searched: the search ended before it began.")
    domains, logs = head.search_space(), TrialFolders(folder.resolve())
    ended = sum(trial.status != "running" for trial in journal.history().all_trials)
    late = CatchingUp(
        journal,
        lambda parameters: key_in(domains, parameters),
        lambda trial, parameters: submitted(trial, TrialParameters.of(parameters, domains), domains, {}),
        logs.last_words,
        logs.result,
    )
    stored = [record.stored for record in records if record.stored is not None]
    late.run(
        [job for job, _ in stored], {str(job["trialJobId"]): metric for job, metric in stored if metric is not None}
    )
    history = journal.history()
    return history, sum(trial.status != "running" for trial in history.all_trials) - ended


def disagreements(history: History, records: list[JobRecord]) -> list[str]:
    """Compare a journal with NNI's record and with what the trials left in their folders; one sentence each.

    Another architecture than booked, a result that does not say what it belongs to, one that a side lacks or gives
    differently, a job or an architecture that counts twice. JournalError: the journal does not hold the search space.
    """
    if history.head is None:
        raise JournalError(f"{history.path}: does not say which space was searched.")
    domains = history.head.search_space()
    journalled = {trial.job: trial for trial in history.all_trials if trial.job}
    texts = []
    for record in records:
        texts += [f"job {record.job}: {text}" for text in _of_job(record, journalled.get(record.job), domains)]
    jobs = {record.job for record in records}
    texts += [f"job {job}: in the journal, unknown to NNI" for job in journalled if job not in jobs]
    return texts + _twice(history)


def _of_job(record: JobRecord, trial: TrialRecord | None, domains: Domains) -> Iterator[str]:
    try:
        booked = TrialParameters.of(record.parameters, domains).key(domains)
    except (SampleError, TypeError, ValueError) as error:
        yield f"NNI's parameters are no architecture of this space ({error})"
        return
    if record.proven is not None and record.proven != booked:
        yield f"NNI booked {booked}, the trial ran {record.proven}"
    if record.final and record.proven is None:
        yield "its result does not say which architecture it belongs to"
    if record.file is not None and record.file[0] != (record.proven or booked):
        yield f"it left a result of {record.file[0]} beside its log, but ran {record.proven or booked}"
    if trial is None:
        if record.final or record.file is not None:
            yield "it has a result, the journal does not know the job"
        return
    if trial.key != (record.proven or booked):
        yield f"the journal books {trial.key}, it ran {record.proven or booked}"
    if (sample := key_in(domains, trial.sample)) != trial.architecture:
        yield f"the journal's choices are {sample or 'no architecture of this space'}, not {trial.architecture}"
    has = record.final or (record.file[1] if record.file else {})
    if trial.status != "trained":
        if has:
            yield f"it has a result, the journal calls it {trial.status}"
    elif not has:
        yield "the journal has a result, NNI has none"
    else:
        priced = {name: cost for name, cost in trial.costs.items() if name in has}  # what trials send along
        for name, value in {**priced, **trial.metrics}.items():
            if value != has.get(name):
                label = "quality" if name == QUALITY_KEY else name
                yield f"{label} {value} in the journal, {has.get(name)} at NNI"


def _twice(history: History) -> list[str]:
    """Jobs and architectures that count more than once."""
    jobs = Counter(trial.job for trial in history.all_trials if trial.job)
    trained = Counter(trial.key for trial in history.all_trials if trial.status == "trained")
    return [
        *(f"job {job}: {count} trials of the journal name it" for job, count in jobs.items() if count > 1),
        *(f"architecture {name}: {count} trials trained it" for name, count in trained.items() if count > 1),
    ]
