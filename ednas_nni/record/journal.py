"""The journal: what really happened in a search, one JSON object a line, never rewritten.

NNI's database and web UI are a display; reports, resume and reuse read this file. It lies at
`<NNI experiments folder>/<experiment id>/ednas/journal.jsonl` for searches started by nnictl, by `NasExperiment`
with the training service and by the sequential engine alike. The process that runs the strategy writes it, and after it
`ednas confirm`; each line is written under a lock and flushed to the disk before anyone acts on it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import IO

from ednas_nni.errors import JournalError, TrialError
from ednas_nni.record import events
from ednas_nni.record.events import Event, Status
from ednas_nni.record.head import JournalHead
from ednas_nni.record.lines import event_of, line_of
from ednas_nni.record.locks import locked_within
from ednas_nni.record.parameters import key_of
from ednas_nni.space.dimensions import Sample

FILE = "journal.jsonl"
FOLDER = "ednas"
HELD = ".search.lock"
WRITER_S = 10.0


@dataclass
class TrialRecord:
    """One trial as the journal tells it.

    Attributes:
        trial: Number within the search, unique across resumes.
        costs: Cost name with unit -> value at the deployment size.
        job: NNI's trial job id, once known.
        metrics: Final metrics as reported by the trial.
        ran: What it really ran with, as it said: precision, device, threads, torch, data.
        intermediates: (step, metrics) in the order of arrival.
        submitted_at: Unix time in seconds.
        interrupted: Whether the search was stopped meanwhile; a resume runs its job anew, or books what it left.
        ended_at: Unix time in seconds, None while running.
        cause: Why it failed or was pruned, empty otherwise.
        pruning: Why it was asked to end early, empty otherwise.
        source: Of a result that was taken over, the search that trained it (`start_from`); empty otherwise.
        seed: Of the training that finishes a network, on `steps` steps; None = it is a trial of the search.
    """

    trial: int
    architecture: str
    sample: Sample
    costs: dict[str, float]
    seed: int | None = None
    steps: int | None = None
    job: str | None = None
    status: Status = "running"
    metrics: dict[str, float] = field(default_factory=dict)
    ran: dict[str, str] = field(default_factory=dict)
    intermediates: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    submitted_at: float = 0.0
    interrupted: bool = False
    ended_at: float | None = None
    cause: str = ""
    pruning: str = ""
    source: str = ""

    @property
    def quality(self) -> float | None:
        """The trial's `default` metric (larger is better), None without a result."""
        return self.metrics.get("default")

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs, and where it was not seen: interrupted, or of another search."""
        if self.ended_at is None or self.source or self.interrupted:
            return None
        return self.ended_at - self.submitted_at

    @property
    def curve(self) -> dict[float, dict[str, float]]:
        """Report number -> metrics, of the last run: a job under way when a search stopped is run anew by a resume."""
        reports: dict[float, dict[str, float]] = {}
        for step, metrics in self.intermediates:
            if reports and step <= max(reports):
                reports.clear()
            reports[step] = metrics
        return reports

    @property
    def key(self) -> str:
        """What its training is told by, see `ednas_nni.record.parameters.TrialParameters.key`."""
        return key_of(self.architecture, self.seed)


@dataclass
class History:
    """A journal read as a whole.

    Attributes:
        path: The file.
        head: What the search is, None before the first line is there.
        trials: Those of the search, in the order of submission.
        finishing: Those that finish networks of its front: no result of theirs may lead the search, or stand beside its
            own.
        starts: The first start and every resume; the other lists hold the events of their name.
        weights: Architecture id -> digest of its weights in the folder `weights` beside the journal.
        finished: Why the search has ended, None while it has not.
        ended_with: Results that the search had when it ended last.
    """

    path: Path
    head: JournalHead | None = None
    trials: list[TrialRecord] = field(default_factory=list)
    finishing: list[TrialRecord] = field(default_factory=list)
    starts: list[events.Started] = field(default_factory=list)
    reused: list[events.Reused] = field(default_factory=list)
    rejected: list[events.Rejected] = field(default_factory=list)
    swaps: list[events.Swapped] = field(default_factory=list)
    notes: list[events.Note] = field(default_factory=list)
    confirmed: list[events.Confirmed] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict)
    finished: str | None = None
    ended_with: int = 0
    _by_number: dict[int, TrialRecord] = field(default_factory=dict, repr=False, compare=False)

    @property
    def results(self) -> dict[str, TrialRecord]:
        """Architecture id -> its first trial with a result."""
        first: dict[str, TrialRecord] = {}
        for record in self.trials:
            if record.status == "trained" and record.quality is not None:
                first.setdefault(record.architecture, record)
        return first

    def check_results(self) -> None:
        """Let no program go on as if all were well: TrialError where trials have ended, and none has a result."""
        ended = [record for record in self.trials if record.status != "running"]
        if ended and not self.results:
            causes = "; ".join(list(dict.fromkeys(" ".join(t.cause.split()) for t in ended if t.cause))[:3])
            raise TrialError(f"none of {len(ended)} trials has a result: {causes or 'they do not say why'}")

    @property
    def all_trials(self) -> list[TrialRecord]:
        """Those of the search and those that finish networks, in the order of submission."""
        return list(self._by_number.values())

    def trial(self, number: int) -> TrialRecord:
        """One of them."""
        return self._by_number[number]

    @property
    def own(self) -> list[TrialRecord]:
        """All of them that this search has started."""
        return [record for record in self._by_number.values() if not record.source]

    @property
    def next_trial(self) -> int:
        """The first trial number that was never used."""
        return 1 + max(self._by_number, default=-1)

    def check(self, event: Event) -> None:
        """Reject an event of a trial that was submitted already, or was never."""
        if isinstance(event, events.Submitted) and event.trial in self._by_number:
            raise JournalError(
                f"{self.path}: trial {event.trial} is submitted twice. The file was edited or holds two "
                "searches; restore it from a copy."
            )
        if (
            isinstance(event, events.Intermediate | events.Final | events.Pruning | events.Ended | events.Confirmed)
            and event.trial is not None
            and event.trial not in self._by_number
        ):
            raise JournalError(
                f"{self.path}: an event {event.event!r} names trial {event.trial}, which was never "
                "submitted. The file was edited or belongs to two searches."
            )

    def check_end(self, event: events.Ended) -> None:
        """Do not take a result back. Journals in which that was done can still be read, so `add` does not ask."""
        record = self._by_number[event.trial]
        if record.status == "trained" != event.status:
            raise JournalError(
                f"{self.path}: trial {record.trial} was trained (job {record.job}); that it is now {event.status!r} "
                f"(job {event.job}) is not written, because two jobs share its number. Its result stands: resume "
                "the search."
            )

    def add(self, event: Event) -> None:
        """Take in one event."""
        self.check(event)
        match event:
            case JournalHead():
                self.head = event
            case events.Started():
                self.starts.append(event)
                self.finished = None
                for record in self.all_trials:
                    record.interrupted |= record.status == "running"
            case events.Submitted():
                self.finished = None  # the number of trials was raised
                record = TrialRecord(
                    event.trial, event.architecture, event.sample, event.costs, event.seed, event.steps
                )
                record.submitted_at, record.source = event.time, event.source or ""
                (self.trials if event.seed is None else self.finishing).append(record)
                self._by_number[record.trial] = record
            case events.Intermediate():
                record = self._of(event.trial, event.job)
                step = len(record.intermediates) if event.step is None else event.step
                record.intermediates.append((step, event.metrics))
            case events.Final():
                record = self._of(event.trial, event.job)
                record.metrics, record.ran = event.metrics, event.ran
            case events.Pruning():
                self._of(event.trial, event.job).pruning = event.reason or "no reason was recorded"
            case events.Ended():
                record = self._of(event.trial, event.job)
                record.status, record.cause, record.ended_at = event.status, event.cause or "", event.time
            case events.Reused():
                self.reused.append(event)
            case events.Rejected():
                self.rejected.append(event)
            case events.Swapped():
                self.swaps.append(event)
            case events.Note():
                self.notes.append(event)
            case events.Confirmed():
                self.confirmed.append(event)
                if event.trial is not None:
                    record = self._of(event.trial, event.job)
                    record.metrics, record.ran = event.metrics, event.ran
            case events.WeightsEvent(digest=None):
                self.weights.pop(event.architecture, None)
            case events.WeightsEvent():
                self.weights[event.architecture] = event.digest or ""
            case events.Finished():
                self.finished, self.ended_with = event.reason or "", len(self.results)

    def _of(self, trial: int, job: str | None) -> TrialRecord:
        record = self._by_number[trial]
        record.job = job or record.job
        return record


class Journal:
    """A writer of a journal file.

    Args:
        path: The file; it and its folder are made with the first event. A torn last line (a crash in the middle of
            a write) is cut off.

    Raises:
        JournalError: The file holds something else than a journal.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._cut_torn_end()
        self._history = load(self.path) if self.path.exists() else History(self.path)
        self._file: FileIO | None = None
        self._held: IO[bytes] | None = None
        self._closed = False

    def _cut_torn_end(self) -> None:
        if not self.path.exists() or not self.path.stat().st_size:
            return
        with self.path.open("rb+") as file, _alone(file):
            data = file.read()
            whole = data.rfind(b"\n") + 1
            if whole != len(data):
                file.truncate(whole)

    def append(self, event: Event) -> None:
        """Write one event and wait until it is on the disk.

        Raises:
            JournalError: An unknown trial, a value that JSON cannot hold, an end that would take a result back, or a
                disk that cannot be written.
        """
        try:
            line = line_of(event)
        except JournalError as error:
            raise JournalError(f"{self.path}: {error}") from error
        with self._lock:
            if self._closed:
                raise JournalError(
                    f"{self.path}: the journal is closed, event {event.event!r} cannot be written any more."
                )
            self._history.check(event)  # before it is written: what cannot be read would cost the whole journal
            if isinstance(event, events.Ended):
                self._history.check_end(event)
            try:
                self._write(line)
            except OSError as error:
                hint = " The disk is full." if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
                raise JournalError(f"{self.path}: cannot write ({error}).{hint}") from error
            self._history.add(event_of(line))  # as a reader will see it

    def _write(self, line: bytes) -> None:
        """The whole line, or nothing: on a full disk no half line may stand before the next one."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        with _alone(self._file):
            whole = os.fstat(self._file.fileno()).st_size
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[self._file.write(rest) :]
                os.fsync(self._file.fileno())
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._file.fileno(), whole)
                raise

    def hold(self) -> None:
        """Become the one search that writes it, until this process ends or `release`; what others wrote is read.

        Raises:
            JournalError: Another search does, or its folder cannot be written.
        """
        with self._lock:
            if self._held is not None:
                return
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                held = self.path.with_name(HELD).open("ab")
            except OSError as error:
                raise JournalError(f"{self.path}: cannot be written ({error}).") from error
            if not locked_within(held, WRITER_S):  # an earlier search that is about to end is waited for
                held.close()
                raise JournalError(
                    f"{self.path}: another process writes this journal: the search runs already. End it first, or "
                    "start a new experiment."
                )
            self._held = held
            if self.path.exists():
                self._history.__dict__.update(load(self.path).__dict__)  # the object that others hold

    def release(self) -> None:
        """Let another search write it."""
        if self._held is not None:
            self._held.close()
        self._held = None

    def history(self) -> History:
        """What the journal holds now. The object is live: read it, do not change it."""
        return self._history

    def close(self) -> None:
        """Close the file; further events are an error."""
        self.release()
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()


@contextmanager
def _alone(file: IO[bytes] | FileIO) -> Iterator[None]:
    """No other process writes meanwhile; a file system without locks goes without."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def read(path: str | Path) -> Iterator[Event]:
    """Events of a journal in order. A torn last line is left out; any other bad line is an error.

    Raises:
        JournalError: The file is missing, or a line is not an event.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: cannot read the journal ({error.strerror}).") from error
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        yield read_line(line, path, number)


def read_line(line: bytes, path: Path, number: int) -> Event:
    """The event on one whole line, without its end; the journal and the number, from 1, are for messages."""
    try:
        return event_of(line)
    except JournalError as error:
        raise JournalError(
            f"{path}, line {number}: not a journal event ({error}). Restore the file from a copy or delete that line."
        ) from error


def load(path: str | Path) -> History:
    """Read a whole journal. Raises JournalError as `read` does."""
    history = History(Path(path))
    for event in read(path):
        history.add(event)
    return history


def journal_path(experiments_folder: str | Path, experiment_id: str) -> Path:
    """Where the journal of an experiment lies."""
    return Path(experiments_folder) / experiment_id / FOLDER / FILE
