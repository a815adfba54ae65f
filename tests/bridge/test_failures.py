"""Causes of failures: what an exception, a signal or a full disk is called, from the trial to the journal."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from pathlib import Path

import pytest

from ednas_nni.bridge.catching_up import ending
from ednas_nni.bridge.trial.folder import TrialFolders
from ednas_nni.bridge.trial.limits import time_limit
from ednas_nni.errors import JournalError, TrialError
from ednas_nni.record import events, failures, journal
from ednas_nni.record.failures import cause_of, kind, passing
from ednas_nni.record.journal import Journal, load
from ednas_nni.search.middleware.forwarding import ModelStatus

NO_SPACE = OSError(errno.ENOSPC, "No space left on device", "/data/x.npz")


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def chained(error: BaseException, behind: BaseException) -> BaseException:
    error.__cause__ = behind
    return error


@pytest.mark.parametrize(
    ("error", "cause", "expected"),
    [
        (NO_SPACE, "disk full: No space left on device (/data/x.npz)", "disk full"),
        (
            chained(TrialError("the cache broke"), NO_SPACE),
            "disk full: No space left on device (/data/x.npz)",
            "disk full",
        ),
        (MemoryError(), "out of memory: the process may not have more", "out of memory"),
        (
            OutOfMemoryError("CUDA out of memory. Tried to"),
            "out of memory: CUDA out of memory. Tried to",
            "out of memory",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), None, "out of memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), None, "out of memory"),
        (TrialError("The loss is not finite at step 3 of 9: total nan."), None, "diverged"),
        (TrialError("time limit: too long"), "time limit: too long", "time limit"),
        (ValueError("a bug\nwith a second line"), "ValueError: a bug", "error"),
        (KeyError(), "KeyError", "error"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "x"),
            "FileNotFoundError: [Errno 2] No such file: 'x'",
            "error",
        ),
    ],
)
def test_exceptions_have_a_cause_and_a_kind(error: BaseException, cause: str | None, expected: str) -> None:
    found = cause_of(error)
    assert cause in (None, found)
    assert kind(found) == expected
    assert "\n" not in found


def test_a_cycle_of_causes_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert cause_of(one) == "ValueError: one"


@pytest.mark.parametrize("cause", ["the trial reported no usable result: default is nan", "x was -inf there"])
def test_unusable_numbers_are_divergence(cause: str) -> None:
    assert kind(cause) == failures.DIVERGED
    assert not passing(cause)


LOST = "trial server: it ended while this trial ran"


@pytest.mark.parametrize(
    ("event", "words", "status", "cause"),
    [
        ("SUCCEEDED", "whatever", ModelStatus.Trained, ""),
        ("FAILED", LOST, ModelStatus.Failed, LOST),
        ("FAILED", "", ModelStatus.Failed, "the trial process failed"),
        ("FAILED", None, ModelStatus.Failed, "the trial process failed"),
        (
            "USER_CANCELED",
            "cancelled: NNI was told to end this trial",
            ModelStatus.Interrupted,
            "cancelled by the user",
        ),
        ("USER_CANCELED", "", ModelStatus.Failed, "killed: the trial was ended by a signal (out of memory?)"),
        ("USER_CANCELED", None, ModelStatus.Interrupted, "cancelled by the user or killed by a signal"),
        ("EARLY_STOPPED", "cancelled: x", ModelStatus.Failed, "time limit: stopped after maxTrialDuration"),
        ("WEIRD", None, ModelStatus.Failed, "NNI says WEIRD"),
    ],
)
def test_ends(event: str, words: str | None, status: ModelStatus, cause: str) -> None:
    assert ending(event, words) == (status, cause)


def log(folder: Path, text: str, job: str = "J1") -> TrialFolders:
    path = folder / "environments" / "local-env" / "trials" / job / "trial.stderr"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return TrialFolders(folder)


def test_last_words(tmp_path: Path) -> None:
    assert TrialFolders(tmp_path).last_words("J1") is None
    assert log(tmp_path / "a", "").last_words("J1") == ""
    assert log(tmp_path / "b", "Traceback\nValueError: x\n").last_words("J1") == "ValueError: x"
    told = "ednas: error: first\nnoise\nednas: error: disk full: x\nmore noise\n"
    assert log(tmp_path / "c", told).last_words("J1") == "disk full: x"
    dumped = "Timeout (0:00:09)!\nThread 0x1 (most recent call first):\n  File x\n"
    assert kind(log(tmp_path / "d", dumped).last_words("J1")) == failures.TIME_LIMIT
    assert log(tmp_path / "e", "x").last_words("../J1") is None


def test_the_time_limit_ends_what_is_inside(tmp_path: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(TrialError, match=r"did not end within 0.2 s"), time_limit(0.2):
        time.sleep(20)
    assert time.monotonic() - begin < 5
    with time_limit(0.2):
        pass
    time.sleep(0.3)  # nothing is left that could go off
    with time_limit(None):
        time.sleep(0.01)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_a_trained_trial_stays_trained(tmp_path: Path) -> None:
    """Two jobs on one number must not cost a result; an end that was booked too early may be mended."""
    book = Journal(tmp_path / "j.jsonl")
    for trial, first in enumerate(("trained", "cancelled")):
        book.append(events.Submitted(trial=trial, architecture=f"a{trial}", sample={}, costs={}))
        book.append(events.Ended(trial=trial, job="J1", status=first, cause=""))
    before = book.path.read_bytes()
    with pytest.raises(JournalError, match=r"trial 0 was trained \(job J1\); .* 'failed' \(job J2\) is not written"):
        book.append(events.Ended(trial=0, job="J2", status="failed", cause="a copy"))
    assert book.path.read_bytes() == before
    book.append(events.Ended(trial=0, job="J1", status="trained", cause=""))
    book.append(events.Ended(trial=1, job="J1", status="trained", cause=""))
    book.close()
    overwritten = b'{"event":"ended","time":1,"trial":0,"job":"J2","status":"failed","cause":"a copy"}\n'
    book.path.write_bytes(book.path.read_bytes() + overwritten)
    assert [t.status for t in load(book.path).trials] == ["failed", "trained"], "what is written is read as it is"


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (events.Ended(trial=7, job="J", status="failed"), "names trial 7, which was never submitted"),
        (events.Final(trial=7, job="J", metrics={}), "names trial 7, which was never submitted"),
        (events.Submitted(trial=0, architecture="a", sample={}), "trial 0 is submitted twice"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(tmp_path: Path, event: events.Event, told: str) -> None:
    book = Journal(tmp_path / "j.jsonl")
    book.append(events.Submitted(trial=0, architecture="a", sample={}, costs={}))
    before = book.path.read_bytes()
    with pytest.raises(JournalError, match=told):
        book.append(event)
    book.close()
    assert book.path.read_bytes() == before and len(load(book.path).trials) == 1
    line = json.dumps(event.dump()) + "\n"
    book.path.write_bytes(before + line.encode())
    with pytest.raises(JournalError, match=told):
        load(book.path)  # what it would have cost


def full_disk(monkeypatch: pytest.MonkeyPatch, whole: Path) -> None:
    """Half of a line fits."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        with whole.open("rb+") as file:
            file.truncate(whole.stat().st_size - 5)
        monkeypatch.setattr(journal.os, "fsync", real)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal.os, "fsync", fsync)


def written(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    book = Journal(path)
    book.append(events.Note(text="one"))
    full_disk(monkeypatch, path)
    with pytest.raises(JournalError, match="The disk is full"):
        book.append(events.Note(text="two"))
    book.append(events.Note(text="three"))
    book.close()
    return [note.text for note in load(path).notes]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert written(tmp_path / "j.jsonl", monkeypatch) == ["one", "three"]


def test_the_half_line_check_rejects_a_journal_that_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal.os, "ftruncate", lambda descriptor, size: None)
    with pytest.raises(JournalError, match="not a journal event"):
        written(tmp_path / "j.jsonl", monkeypatch)
