"""The journal: what really happened in a search, one JSON object a line, never rewritten.

NNI's database and web UI are a display; reports, resume and reuse read this file. It lies at
`<NNI experiments folder>/<experiment id>/ednas/journal.jsonl` for searches started by nnictl, by `NasExperiment`
with the training service and by the sequential engine alike. There is one writer, the process that runs the
strategy; every line is flushed to the disk before anyone acts on it.
"""

from __future__ import annotations

import errno
import json
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from ednas_nni.errors import JournalError, did_you_mean
from ednas_nni.record.lines import entry_of

FILE = "journal.jsonl"
FOLDER = "ednas"
EVENTS = (
    "study",
    "start",
    "submitted",
    "intermediate",
    "result",
    "ended",
    "reused",
    "rejected",
    "swap",
    "note",
    "finished",
)
OF_TRIALS = ("intermediate", "result", "ended")  # of one that was submitted
STATUSES = ("running", "trained", "failed", "cancelled")


@dataclass
class TrialRecord:
    """One trial as the journal tells it.

    Attributes:
        trial: Number within the search, unique across resumes.
        architecture: Id of the architecture that was trained.
        sample: Its canonical sample.
        costs: Cost name with unit -> value at the deployment size.
        job: NNI's trial job id, once known.
        status: One of `STATUSES`.
        metrics: Final metrics as reported by the trial (flat numbers).
        intermediates: (step, metrics) in the order of arrival.
        submitted_at: Unix time in seconds.
        ended_at: Unix time in seconds, None while running.
        cause: Why it failed, empty otherwise.
    """

    trial: int
    architecture: str
    sample: dict[str, Any]
    costs: dict[str, float]
    job: str | None = None
    status: str = "running"
    metrics: dict[str, Any] = field(default_factory=dict)
    intermediates: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    submitted_at: float = 0.0
    ended_at: float | None = None
    cause: str = ""

    @property
    def quality(self) -> float | None:
        """The trial's `default` metric (larger is better), None without a result."""
        value = self.metrics.get("default")
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


@dataclass
class History:
    """A journal read as a whole."""

    path: Path
    header: dict[str, Any] = field(default_factory=dict)
    trials: list[TrialRecord] = field(default_factory=list)
    starts: list[dict[str, Any]] = field(default_factory=list)
    reused: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    swaps: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    finished: str | None = None
    _known: dict[int, TrialRecord] = field(default_factory=dict, repr=False, compare=False)

    @property
    def results(self) -> dict[str, TrialRecord]:
        """Architecture id -> its first trial with a result."""
        found: dict[str, TrialRecord] = {}
        for record in self.trials:
            if record.status == "trained" and record.quality is not None:
                found.setdefault(record.architecture, record)
        return found

    @property
    def next_trial(self) -> int:
        """The first trial number that was never used."""
        return 1 + max((record.trial for record in self.trials), default=-1)

    def check(self, entry: dict[str, Any]) -> None:
        """Refuse an event that this history cannot take in.

        Raises:
            JournalError: A trial that was submitted already, or was never.
        """
        event = entry["event"]
        if event == "submitted" and entry["trial"] in self._known:
            raise JournalError(
                f"{self.path}: trial {entry['trial']} is submitted twice. The file was edited or holds two "
                "searches; restore it from a copy."
            )
        if event in OF_TRIALS and entry["trial"] not in self._known:
            raise JournalError(
                f"{self.path}: an event {event!r} names trial {entry['trial']!r}, which was never "
                "submitted. The file was edited or belongs to two searches."
            )

    def check_end(self, entry: dict[str, Any]) -> None:
        """Refuse to take a result back. Journals in which that was done can still be read, so `add` does not ask.

        Raises:
            JournalError: The trial was trained, and ends otherwise now.
        """
        record, status = self._known[entry["trial"]], entry["status"]
        if record.status == "trained" != status:
            raise JournalError(
                f"{self.path}: trial {record.trial} was trained (job {record.job}); that it is now {status!r} (job "
                f"{entry.get('job')}) is not written, because two jobs share its number. Its result stands: resume "
                "the search."
            )

    def add(self, entry: dict[str, Any]) -> None:
        """Take in one event.

        Raises:
            JournalError: As `check`.
        """
        self.check(entry)
        event = entry["event"]
        if event == "study":
            self.header = entry
        elif event == "start":
            self.starts.append(entry)
            self.finished = None
        elif event == "submitted":
            self.finished = None  # the number of trials was raised
            record = TrialRecord(
                trial=entry["trial"],
                architecture=entry["architecture"],
                sample=entry["sample"],
                costs=entry.get("costs", {}),
                submitted_at=entry["time"],
            )
            self.trials.append(record)
            self._known[record.trial] = record
        elif event in OF_TRIALS:
            self._update(entry)
        elif event in ("reused", "rejected"):
            getattr(self, event).append(entry)
        elif event == "swap":
            self.swaps.append(entry)
        elif event == "note":
            self.notes.append(entry)
        elif event == "finished":
            self.finished = entry.get("reason", "")

    def _update(self, entry: dict[str, Any]) -> None:
        record = self._known[entry["trial"]]
        record.job = entry.get("job") or record.job
        if entry["event"] == "intermediate":
            record.intermediates.append((entry.get("step", len(record.intermediates)), entry["metrics"]))
        elif entry["event"] == "result":
            record.metrics = entry["metrics"]
        else:
            record.status = entry["status"]
            record.cause = entry.get("cause") or ""
            record.ended_at = entry["time"]


class Journal:
    """The one writer of a journal file.

    Args:
        path: The file; it and its folder are made with the first event. A torn last line (a crash in the middle of
            a write) is cut off.

    Raises:
        JournalError: The file holds something else than a journal.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._mend_torn_end()
        self._history = load(self.path) if self.path.exists() else History(self.path)
        self._file: FileIO | None = None
        self._closed = False

    def _mend_torn_end(self) -> None:
        if not self.path.exists() or not self.path.stat().st_size:
            return
        with self.path.open("rb+") as file:
            data = file.read()
            whole = data.rfind(b"\n") + 1
            if whole != len(data):
                file.truncate(whole)

    def append(self, event: str, **fields: Any) -> dict[str, Any]:
        """Write one event and wait until it is on the disk.

        Args:
            event: One of `EVENTS`.
            **fields: Plain JSON values; NaN and infinity are not JSON and are refused.

        Returns:
            The entry as written, with `time` (unix seconds).

        Raises:
            JournalError: Unknown event or trial, a value that JSON cannot hold, an end that would take a result back,
                or a disk that cannot be written.
        """
        if event not in EVENTS:
            raise JournalError(f"Unknown journal event {event!r}.{did_you_mean(event, EVENTS)}")
        entry = {"event": event, "time": round(time.time(), 3), **fields}
        try:
            line = json.dumps(entry, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        except (TypeError, ValueError) as error:
            raise JournalError(f"{self.path}: event {event!r} cannot be written as JSON: {error}") from error
        with self._lock:
            if self._closed:
                raise JournalError(f"{self.path}: the journal is closed, event {event!r} cannot be written any more.")
            self._history.check(entry)  # before it is written: what cannot be read would cost the whole journal
            if event == "ended":
                self._history.check_end(entry)
            try:
                self._write(line)
            except OSError as error:
                hint = " The disk is full." if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
                raise JournalError(f"{self.path}: cannot write ({error}).{hint}") from error
            self._history.add(json.loads(line))
        return entry

    def _write(self, line: bytes) -> None:
        """The whole line, or nothing: on a full disk no half line may stand before the next one."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
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

    def history(self) -> History:
        """What the journal holds now. The object is live: read it, do not change it."""
        return self._history

    def close(self) -> None:
        """Close the file; further events are an error."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()


def read(path: str | Path) -> Iterator[dict[str, Any]]:
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
        yield event_of(line, path, number)


def event_of(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """The event on one whole line.

    Args:
        line: Without its end.
        path: The journal, for messages.
        number: Of the line, counted from 1.

    Raises:
        JournalError: The line holds none.
    """
    try:
        return entry_of(line, EVENTS, STATUSES)
    except ValueError as error:
        raise JournalError(
            f"{path}, line {number}: not a journal event ({error}). Restore the file from a copy or delete that line."
        ) from error


def load(path: str | Path) -> History:
    """Read a whole journal. Raises JournalError as `read` does."""
    history = History(Path(path))
    for number, entry in enumerate(read(path), start=1):
        try:
            history.add(entry)
        except (KeyError, TypeError, AttributeError) as error:
            raise JournalError(f"{path}, event {number} ({entry['event']}): a field is missing: {error}") from error
    return history


def journal_path(experiments_folder: str | Path, experiment_id: str) -> Path:
    """Where the journal of an experiment lies."""
    return Path(experiments_folder) / experiment_id / FOLDER / FILE
