"""Record: books every trial in the journal, on the architecture that really ran."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from ednas_nni.compat.nas import FinalMetricEvent, IntermediateMetricEvent, ModelEvent, TrainingEndEvent
from ednas_nni.record import events
from ednas_nni.record.events import Status
from ednas_nni.record.journal import Journal, TrialRecord
from ednas_nni.record.parameters import TrialParameters, key_in
from ednas_nni.record.reports import Report, final_event, read_report, submitted
from ednas_nni.search.middleware.forwarding import (
    ExecutableModelSpace,
    Forwarding,
    ModelEventType,
    ModelStatus,
    cause_of,
    job_of,
)
from ednas_nni.search.middleware.outcomes import EarlierFailure, Outcomes
from ednas_nni.search.middleware.patience import Patience
from ednas_nni.search.problem import Problem

_log = logging.getLogger("nni.ednas.record")


STATUS_NAMES: dict[ModelStatus, Status] = {
    ModelStatus.Trained: "trained",
    ModelStatus.Interrupted: "cancelled",
    ModelStatus.Failed: "failed",
    ModelStatus.Invalid: "failed",
}
STATUSES: dict[Status, ModelStatus] = {
    "trained": ModelStatus.Trained,
    "cancelled": ModelStatus.Interrupted,
    "failed": ModelStatus.Failed,
    "pruned": ModelStatus.Interrupted,
}


@dataclass
class Booking:
    """A model on its way: which trial it is, and what has arrived for it.

    The key is the architecture's id, for a trial that finishes a network with its seed behind it.
    """

    model: ExecutableModelSpace = field(repr=False)
    trial: int
    key: str
    job: str | None = None
    steps: int = 0
    metrics: dict[str, float] | None = None
    fault: str = ""
    ran_other: str = ""
    """Another architecture which the job of this model proved to have trained."""
    delivered_by_other: bool = False
    over: bool = False
    """Its own job has ended."""
    pruning: str = ""
    """Why it was asked to end early."""

    @property
    def missing(self) -> str:
        """Why it has no result although its job ended."""
        return f"its job trained {self.ran_other} and no other job reported {self.key}"

    def outcome(self, status: Status, cause: str) -> tuple[Status, str]:
        """Status and cause of the trial, given those of its process: a final result that arrived counts."""
        if self.metrics is not None:
            return "trained", ""
        if self.fault:
            return "failed", self.fault
        if self.pruning:
            return "pruned", self.pruning
        if self.ran_other:
            return "failed", self.missing
        if status == "trained":
            return "failed", "the trial ended without a final result"
        if status == "failed" and not cause:
            return status, "the trial failed without saying why; see its log"
        return status, cause


class Record(Forwarding):
    """The innermost middleware: numbers trials, writes the journal, keeps reports and architectures together.

    NNI can hand a trial the parameters of another one. A report that names its `architecture` is booked on that one:
    the event of the model which NNI believes in is stopped, the running model with that architecture gets the
    report instead, and a model whose job trained something else keeps waiting for its own report as long as
    another job may still bring it.

    A report that is NaN, infinite or lacks `default` never reaches the strategy; its trial fails with that cause.
    A good final result counts, whatever becomes of the process after it. Events of models that are not in flight (a
    report after the end, a second end) are noted in the journal and reach nobody.

    Args:
        problem: Domains and costs.
        journal: The one writer.
        outcomes: Shared with Reuse.
        patience: Told about every real submission and every end.
    """

    def __init__(
        self, problem: Problem, journal: Journal, outcomes: Outcomes | None = None, patience: Patience | None = None
    ) -> None:
        super().__init__()
        self.problem = problem
        self.journal = journal
        self.outcomes = outcomes or Outcomes(journal.history())
        self.patience = patience or Patience()
        self._next = journal.history().next_trial
        self._open: dict[int, Booking] = {}
        self._trials: dict[str, int] = {}
        # Reentrant: the sequential engine reports from within submit_models.
        self._lock = threading.RLock()

    def _initialize_engine(self, engine: object) -> None:
        self.engine.register_model_event_callback(ModelEventType.IntermediateMetric, self._on_intermediate)
        self.engine.register_model_event_callback(ModelEventType.FinalMetric, self._on_final)
        self.engine.register_model_event_callback(ModelEventType.TrainingEnd, self._on_end)

    # ---------------------------------------------------------------- downwards
    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """Journal each model, then hand it to the engine with its canonical sample.

        The model gets a new dict; the dict that the strategy holds stays what it was.
        """
        for model in models:
            booking = self._submit(model)
            self.patience.hit()
            try:
                self.engine.submit_models(model)
            except BaseException as error:
                if id(model) in self._open:  # the engine refused it without reporting an end
                    self._close(booking, "failed", f"the engine did not take it: {error}", tell=True)
                raise

    def adopt(self, model: ExecutableModelSpace, trial: int | None = None) -> None:
        """Take over a job in flight which no strategy of this session submitted.

        It has the number of a trial of an earlier session that NNI resumed; None (a job added by hand): a new one.
        """
        with self._lock:
            if trial is None:
                self._submit(model)
            else:
                self._book(model, TrialParameters.of(model.sample, self.problem.domains), trial)

    def _submit(self, model: ExecutableModelSpace) -> Booking:
        asked = TrialParameters.of(model.sample, self.problem.domains)
        costs = self.problem.cost_dict(asked.sample)
        with self._lock:
            trial, self._next = self._next, self._next + 1
            booking = self._book(model, asked, trial)
            self.journal.append(submitted(trial, asked, self.problem.domains, costs))
        return booking

    def _book(self, model: ExecutableModelSpace, asked: TrialParameters, trial: int) -> Booking:
        model.sample = asked.whole()
        booking = Booking(model, trial, asked.key(self.problem.domains))
        self._open[id(model)] = booking
        self._trials[booking.key] = trial
        self.outcomes.running.add(booking.key)
        return booking

    def pending(self) -> int:
        """Trials that have not ended."""
        with self._lock:
            return len(self._open)

    def trial_of(self, model: ExecutableModelSpace) -> TrialRecord | None:
        """The trial of a model in flight."""
        booking = self._open.get(id(model))
        return None if booking is None else self.journal.history().trial(booking.trial)

    def prune(self, model: ExecutableModelSpace, reason: str) -> None:
        """Write down that the trial of a model in flight is to be ended early. Whoever calls this ends it."""
        with self._lock:
            booking = self._open[id(model)]
            self.journal.append(events.Pruning(trial=booking.trial, job=booking.job, reason=reason))
            booking.pruning = reason

    def trials_in_flight(self) -> frozenset[int]:
        """Numbers of the trials that have not ended."""
        with self._lock:
            return frozenset(booking.trial for booking in self._open.values())

    def list_models(self, status: ModelStatus | None = None) -> list[ExecutableModelSpace]:
        """Every trial of the search as a model, with its raw quality as metric; running ones are the live objects.

        NNI's own lists hold whatever its parameter bookkeeping believes, and rewards in place of quality.
        """
        with self._lock:
            live = {booking.trial: booking.model for booking in self._open.values()}
        models = []
        for record in self.journal.history().trials:
            model = live.get(record.trial)
            if model is None and record.status != "running":
                model = self.model_space.freeze(record.sample)
                model.status = STATUSES[record.status]
                if record.quality is not None and record.status == "trained":
                    model.metrics.final = record.quality
            if model is not None and status in (None, model.status):
                models.append(model)
        return models

    # ---------------------------------------------------------------- upwards
    def _on_intermediate(self, event: IntermediateMetricEvent) -> None:
        booking = self._open.get(id(event.model))
        if booking is None:
            self._stop_late(event, read_report(event.metric))
            return
        report, owner = self._read(event, booking)
        if owner is not None and report.metrics:
            with self._lock:
                step, owner.steps = owner.steps, owner.steps + 1
                job = booking.job
                self.journal.append(events.Intermediate(trial=owner.trial, job=job, step=step, metrics=report.metrics))
        if owner is not booking or report.fault:
            event.stop_propagation()
        elif isinstance(event.metric, dict):
            event.metric = report.metrics
        if owner not in (None, booking) and not report.fault:
            self.dispatch_model_event(IntermediateMetricEvent(owner.model, report.metrics))

    def _on_final(self, event: FinalMetricEvent) -> None:
        booking = self._open.get(id(event.model))
        if booking is None:
            self._stop_late(event, read_report(event.metric))
            return
        report, owner = self._read(event, booking)
        if owner is None:
            event.stop_propagation()
            self._book_late(report, booking.job)
            return
        accepted = self._accept(owner, report, booking)
        if owner is not booking or not accepted:
            event.stop_propagation()
        elif isinstance(event.metric, dict):
            event.metric = report.metrics
        if owner is not booking and accepted:
            redirected = FinalMetricEvent(owner.model, report.metrics)
            redirected.job_id = booking.job
            self.dispatch_model_event(redirected)
        if owner is not booking and owner.over:
            self._close(owner, "failed" if owner.fault else "trained", owner.fault, tell=True)

    def _on_end(self, event: TrainingEndEvent) -> None:
        booking = self._open.get(id(event.model))
        if booking is None:
            self._stop_late(event, None)
            return
        with self._lock:
            booking.over = True
            booking.job = job_of(event) or booking.job
            exit_status, exit_cause = STATUS_NAMES.get(event.status, "failed"), cause_of(event)
            status, cause = booking.outcome(exit_status, exit_cause)
            waits = booking.metrics is None and not booking.fault and booking.ran_other and self._in_flight()
        if waits:
            event.stop_propagation()
        else:
            ended_badly = exit_status != "trained" and not booking.delivered_by_other
            if status == "trained" and ended_badly:
                text = f"trial {booking.trial} counts: its final result had arrived before its process ended as "
                text += f"{exit_status}: {exit_cause}" if exit_cause else f"{exit_status}."
                self.journal.append(events.Note(text=text, job=booking.job))
            event.status, event.cause = STATUSES[status], cause
            self._close(booking, status, cause, tell=False)
        self._release_held()

    # ---------------------------------------------------------------- bookkeeping
    def _read(self, event: ModelEvent, booking: Booking) -> tuple[Report, Booking | None]:
        """The report, and the booking it belongs to (None: nothing open has that architecture)."""
        report = read_report(event.metric)
        with self._lock:
            booking.job = job_of(event) or report.job or booking.job
            proved = report.architecture
            if proved is None or proved == booking.key:
                return report, booking
            if booking.ran_other != proved:
                booking.ran_other = proved
                self.journal.append(events.Swapped(job=booking.job, sent=proved, owns=booking.key))
                _log.warning("Job %s trained %s instead of %s", booking.job, proved, booking.key)
            return report, next((b for b in self._open.values() if b.key == proved), None)

    def _accept(self, owner: Booking, report: Report, reporter: Booking) -> bool:
        """Book a final report. False: it must not reach the strategy."""
        with self._lock:
            if owner.metrics is not None:
                self._note_extra(owner.key, report, reporter.job)
                return False
            if owner is not reporter:
                owner.delivered_by_other = True
            if report.fault:
                owner.fault = report.fault
                return False
            owner.metrics, owner.fault = report.metrics, ""
            self.journal.append(final_event(report, self.journal.history().trial(owner.trial), reporter.job))
            return True

    def _stop_late(self, event: ModelEvent, report: Report | None) -> None:
        """An event of a model that is not in flight: its trial ended, or nobody submitted it."""
        event.stop_propagation()
        job = job_of(event) or (report.job if report else None)
        if report is not None and report.architecture and isinstance(event, FinalMetricEvent):
            self._book_late(report, job)
        elif report is not None:
            self._note_extra(self._id(event.model), report, job)
        else:
            text = f"a trial of {self._id(event.model)} that is not in flight ended as {event.status.value}; not used."
            self.journal.append(events.Note(text=text, job=job))

    def _book_late(self, report: Report, job: str | None) -> None:
        """A result for an architecture that is not open: its trial was given up, or it was never submitted."""
        key = report.architecture or ""
        with self._lock:
            history = self.journal.history()
            old = next((record.trial for record in reversed(history.all_trials) if record.key == key), None)
            trial = self._trials.get(key, old)
            if report.fault or key in self.outcomes or key in self.outcomes.running or trial is None:
                self._note_extra(key, report, job)
                return
            self.journal.append(final_event(report, history.trial(trial), job))
            self.journal.append(events.Ended(trial=trial, job=job, status="trained", cause=""))
            self.outcomes.add(key, trial, report.metrics)

    def _note_extra(self, key: str, report: Report, job: str | None) -> None:
        text = f"a further report for {key} is kept here and not used. {report.fault}".strip()
        self.journal.append(events.Note(text=text, job=job, metrics=report.metrics))

    def _id(self, model: ExecutableModelSpace) -> str:
        return key_in(self.problem.domains, model.sample or {}) or "an architecture of another space"

    def _in_flight(self) -> bool:
        return any(not booking.over for booking in self._open.values())

    def _release_held(self) -> None:
        """When no job is left that could bring them, models that still wait have failed."""
        with self._lock:
            held = [] if self._in_flight() else list(self._open.values())
        for booking in held:
            self._close(booking, "failed", booking.fault or booking.missing, tell=True)

    def _close(self, booking: Booking, status: Status, cause: str, tell: bool) -> None:
        with self._lock:
            if self._open.pop(id(booking.model), None) is None:
                return
            self.journal.append(events.Ended(trial=booking.trial, job=booking.job, status=status, cause=cause))
            if status == "trained" and booking.metrics is not None:
                self.outcomes.add(booking.key, booking.trial, booking.metrics)
            if status == "pruned":
                self.outcomes.failed[booking.key] = EarlierFailure(booking.trial, cause, status)
            if status == "failed":
                _log.warning("Trial %d of %s failed: %s", booking.trial, booking.key, cause)
            self.patience.ended(status, cause)
            # Only now: in between, the architecture must not be in neither of the two.
            self.outcomes.running.discard(booking.key)
        if tell:
            end = TrainingEndEvent(booking.model, STATUSES[status])
            end.job_id, end.cause = booking.job, cause
            self.dispatch_model_event(end)
