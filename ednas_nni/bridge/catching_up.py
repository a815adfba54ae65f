"""Books what is known outside of the journal: results in NNI's database and beside the logs of trials.

They got there while the Advisor was gone, or the line of the journal that told of them was cut off by a crash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ednas_nni.bridge.messages import sample_of
from ednas_nni.record import events
from ednas_nni.record.events import Status
from ednas_nni.record.failures import CANCELLED, KILLED, TIME_LIMIT, kind
from ednas_nni.record.journal import Journal, TrialRecord
from ednas_nni.record.reports import Report, final_event, read_report
from ednas_nni.search.middleware.forwarding import ModelStatus
from ednas_nni.search.middleware.record import STATUS_NAMES

LOST = "lost when the manager stopped before it could start"
# A trial's end can stand in three places: its report in NNI's database, its result in its folder, its line in the
# journal. While the Advisor was away, the first two went on without the third. So, before anything is proposed, each
# of NNI's jobs is matched with an open trial of the journal by its architecture and closed by the best witness there
# is: NNI's report, else the result in the folder, else NNI's word for the end. Example: the journal has trial 3 (abc)
# open; NNI says that job X with abc FAILED; X's folder holds a result of abc with quality 0.4: trial 3 is booked as
# trained, 0.4. Were the folder empty, it would have failed with the last words of its log; did NNI say RUNNING, it
# would stay open.
UNKNOWN_SIGNAL = "cancelled by the user or killed by a signal"
ENDINGS = {
    "SUCCEEDED": (ModelStatus.Trained, ""),
    "FAILED": (ModelStatus.Failed, "the trial process failed"),
    "USER_CANCELED": (ModelStatus.Interrupted, UNKNOWN_SIGNAL),
    "SYS_CANCELED": (ModelStatus.Interrupted, "cancelled by NNI"),
    "EARLY_STOPPED": (ModelStatus.Failed, f"{TIME_LIMIT}: stopped after maxTrialDuration"),
}
ENDED = tuple(ENDINGS)
"""NNI's words for the end of a job. Whatever is none (WAITING, RUNNING, ADD_RESUMED, UNKNOWN) runs again."""


def ending(event: str, words: str | None) -> tuple[ModelStatus, str]:
    """Status and cause of an ended job, from NNI's word and the last words of its error output (None: out of reach).

    NNI calls every end by a signal cancelled by the user. A trial that was told to end says so in its error output; one
    that does not was killed.
    """
    status, cause = ENDINGS.get(event, (ModelStatus.Failed, f"NNI says {event}"))
    if event == "USER_CANCELED" and words is not None:
        if kind(words) == CANCELLED:
            return ModelStatus.Interrupted, "cancelled by the user"
        return ModelStatus.Failed, f"{KILLED}: the trial was ended by a signal (out of memory?)"
    if status is ModelStatus.Failed and event != "EARLY_STOPPED":
        return status, words or cause
    return status, cause


@dataclass
class CaughtUp:
    """Job ids that are booked already, and their parameter ids, which trials from the web UI lack."""

    jobs: set[str] = field(default_factory=set)
    parameters: set[int] = field(default_factory=set)

    def add(self, job: str, parameter: int | None) -> None:
        """Take in a job."""
        self.jobs.add(job)
        if parameter is not None:
            self.parameters.add(parameter)


class CatchingUp:
    """Closes open trials of a journal whose jobs have ended or have a result.

    Args:
        journal: The journal of an earlier session.
        key_in: Parameters of a job -> the key of its training, None for what is nothing of the space.
        submitted: (number, parameters) -> the event of a trial whose line was cut off.
        last_words: Job id -> the cause that its log gives, None where its log is not on this machine.
        result_of: (job id, key) -> the final metric that the job kept beside its log, None without one.
    """

    def __init__(
        self,
        journal: Journal,
        key_in: Callable[[Any], str | None],
        submitted: Callable[[int, dict[str, Any]], events.Submitted],
        last_words: Callable[[str], str | None],
        result_of: Callable[[str, str | None], Mapping[str, object] | None] = lambda job, key: None,
    ) -> None:
        self._journal = journal
        self._key_in = key_in
        self._submitted = submitted
        self._last_words = last_words
        self._result_of = result_of

    def run(self, jobs: Iterable[Mapping[str, Any]], finals: Mapping[str, Any]) -> CaughtUp:
        """Book what can be booked, of jobs as NNI's manager lists them and the final metrics that NNI stored by job."""
        caught_up = CaughtUp()
        for trial in self._journal.history().all_trials:  # a result counts, whatever became of its process
            if trial.status == "running" and trial.quality is not None:
                self._journal.append(events.Ended(trial=trial.trial, job=trial.job, status="trained", cause=""))
        for job in jobs:
            name, texts = job["trialJobId"], job.get("hyperParameters")
            if not texts:
                continue
            record, ended = json.loads(texts[0]), job["status"] in ENDED
            trials = self._journal.history().all_trials
            if name in {t.job for t in trials if t.status != "running"}:
                # NNI may believe it unfinished and run it again; that run may even have ended by now, with messages on
                # their way.
                caught_up.add(name, record.get("parameter_id"))
                continue
            parameters = sample_of(record.get("parameters"))
            booked = self._key_in(parameters)
            report = read_report(finals.get(name))
            if report.fault and booked is not None and (left := self._result_of(name, booked)) is not None:
                report = read_report(left)
            if report.fault and not ended:
                continue
            open_trial = self._trial(name, report, parameters, report.architecture or booked)
            if open_trial is not None:
                caught_up.add(name, record.get("parameter_id"))
                self._book(open_trial, job, report)
        return caught_up

    def _trial(self, job: str, report: Report, parameters: Any, key: str | None) -> TrialRecord | None:
        """The open trial that a job belongs to, or a new one for a result whose trial the journal has lost."""
        history = self._journal.history()
        same = [t for t in history.all_trials if t.key == key]
        trial = next((t for t in same if t.status == "running" and t.job in (None, job)), None)
        if trial is not None or report.fault or key is None or any(t.status == "trained" for t in same):
            return trial
        if self._key_in(parameters) != key:
            return None  # a swap whose own trial is unknown: there is no sample to write down
        number = history.next_trial
        self._journal.append(self._submitted(number, parameters))
        return history.trial(number)

    def _book(self, trial: TrialRecord, job: Mapping[str, Any], report: Report) -> None:
        name, cause = job["trialJobId"], ""
        booked: Status = "trained"
        if not report.fault:
            self._journal.append(final_event(report, trial, name))
        elif trial.pruning:
            booked, cause = "pruned", trial.pruning
        else:
            status, cause = ending(job["status"], self._last_words(name))
            if status is ModelStatus.Trained:
                status, cause = ModelStatus.Failed, report.fault
            booked = STATUS_NAMES[status]
        self._journal.append(events.Ended(trial=trial.trial, job=name, status=booked, cause=cause))
