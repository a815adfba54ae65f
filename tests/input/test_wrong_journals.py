"""Journals that were edited, torn, mixed or written by somebody else: one `JournalError` with file, line and reason."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.cli import main
from ednas_nni.errors import JournalError
from ednas_nni.record.journal import Journal, load

T = 1.7e9
HEAD = {"event": "study", "time": T, "study": {}, "digest": "d"}
TRIAL = {"event": "submitted", "time": T, "trial": 0, "architecture": "a0", "sample": {"x": 1}, "costs": {"macs": 1.0}}
REPORT = {"event": "intermediate", "time": T, "trial": 0, "job": "J", "step": 0, "metrics": {"default": 0.1}}
RESULT = {"event": "result", "time": T, "trial": 0, "job": "J", "architecture": "a0", "metrics": {"default": 0.5}}
END = {"event": "ended", "time": T, "trial": 0, "job": "J", "status": "trained", "cause": ""}
GOOD = [HEAD, TRIAL, REPORT, RESULT, END]


def written(*entries: Any) -> bytes:
    return b"".join(entry if isinstance(entry, bytes) else json.dumps(entry).encode() + b"\n" for entry in entries)


WRONG = [
    (written(HEAD, b"not json\n"), ("line 2", "not a journal event")),
    (written(b"\xff\xfe\x00\x01\n"), ("line 1", "not a journal event")),
    (written(b"\x00\x00\x00\x00\n"), ("line 1", "not a journal event")),
    (written(b"\n"), ("line 1", "not a journal event")),
    (written(b"[" * 100_000 + b"\n"), ("line 1", "nested without end")),
    (written(b'{"a":' * 50_000 + b"\n"), ("line 1", "nested without end")),
    (written(["event"]), ("line 1", "['event'] is not an event")),
    (written(3), ("line 1", "3 is not an event")),
    (written("event"), ("line 1", "'event' is not an event")),
    (written({"event": "Result!", "time": T}), ("line 1", "'Result!' is no name of an event")),
    (written({"event": ["study"], "time": T}), ("line 1", "['study'] is no name of an event")),
    (written({"event": "of_a_later_version"}), ("line 1", "lacks 'time'")),
    (written({"event": "confirmed", "time": T, "architecture": "a0", "metrics": {}}), ("line 1", "lacks 'seed'")),
    (written({"event": "weights", "time": T, "architecture": 3}), ("line 1", "architecture = 3", "architecture id")),
    (written({"event": "study"}), ("line 1", "'study' lacks 'time'")),
    (written({**HEAD, "time": "now"}), ("line 1", "time = 'now'", "seconds since 1970")),
    (written({**HEAD, "time": -1}), ("line 1", "time = -1", "seconds since 1970")),
    (written({**HEAD, "time": 1e300}), ("line 1", "time = 1e+300", "seconds since 1970")),
    (written({**HEAD, "study": "nano"}), ("line 1", "study = 'nano'", "mapping")),
    (written({**HEAD, "columns": ["latency_ms"]}), ("line 1", "columns = ['latency_ms']", "list of costs")),
    (written({**HEAD, "members": ["a"]}), ("line 1", "members = ['a']", "mapping of texts")),
    (written({**HEAD, "weights": {"init_from": 3}}), ("line 1", "weights = {'init_from': 3}", "mapping of texts")),
    (written(TRIAL, TRIAL), ("trial 0 is submitted twice", "restore it")),
    (written(RESULT), ("'result' names trial 0", "never submitted")),
    (written(TRIAL, {**END, "trial": 7}), ("'ended' names trial 7", "never submitted")),
    (written(END, TRIAL), ("'ended' names trial 0", "never submitted")),
    (written({**TRIAL, "trial": "0"}), ("line 1", "trial = '0'", "trial number")),
    (written({**TRIAL, "trial": True}), ("line 1", "trial = True", "trial number")),
    (written({**TRIAL, "trial": -1}), ("line 1", "trial = -1", "trial number")),
    (written({**TRIAL, "trial": 1.5}), ("line 1", "trial = 1.5", "trial number")),
    (written({k: v for k, v in TRIAL.items() if k != "sample"}), ("line 1", "'submitted' lacks 'sample'")),
    (written({**TRIAL, "sample": [1]}), ("line 1", "sample = [1]", "mapping of choices")),
    (written({**TRIAL, "architecture": 7}), ("line 1", "architecture = 7", "architecture id")),
    (written({**TRIAL, "costs": {"macs": "many"}}), ("line 1", "costs = {'macs': 'many'}", "finite numbers")),
    (written(b'{"event":"study","time":1,"costs":{"macs":NaN}}\n'), ("line 1", "NaN is not a number of JSON")),
    (written(b'{"event":"study","time":1,"costs":{"macs":1e999}}\n'), ("line 1", "'1e999' is not a number of JSON")),
    (written(b'{"event":"study","time":%s}\n' % (b"9" * 5000)), ("line 1", "whole number of 5000 digits")),
    (written(TRIAL, {**RESULT, "metrics": 0.5}), ("line 2", "metrics = 0.5", "mapping of metrics")),
    (written(TRIAL, {**END, "status": "fine"}), ("line 2", "status = 'fine'", "running, trained, failed, cancelled")),
    (written(TRIAL, {**END, "cause": ["x"]}), ("line 2", "cause = ['x']", "a text")),
    (written(TRIAL, {**REPORT, "step": "first"}), ("line 2", "step = 'first'", "a number")),
    (written(TRIAL, {**REPORT, "job": {"id": 1}}), ("line 2", "job = {'id': 1}", "job id")),
    (written(*GOOD, *GOOD), ("trial 0 is submitted twice",)),  # two journals, one after the other
]


@pytest.mark.parametrize(("content", "words"), WRONG, ids=[f"{i}: {words[-1]}" for i, (_, words) in enumerate(WRONG)])
@pytest.mark.parametrize("reader", [load, Journal], ids=["load", "open"])
def test_a_wrong_journal(
    content: bytes, words: tuple[str, ...], reader: Any, tmp_path: Path, raised: Callable[..., str]
) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    raised(lambda: reader(path), JournalError, (str(path), *words))
    assert path.read_bytes() == content, "a journal that cannot be read is left as it is"


def test_the_journal_that_the_others_are_made_from_is_right(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(written(*GOOD))
    (trial,) = load(path).trials
    assert (trial.status, trial.quality, trial.cause, trial.job) == ("trained", 0.5, "", "J")


@pytest.mark.parametrize("command", ["report", "verify"])
def test_through_the_command_line_nothing_is_written(
    command: str, tmp_path: Path, clear: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, (content, words) in enumerate(WRONG[::6]):
        path = tmp_path / f"experiment{number}" / "ednas" / "journal.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        out = ["--out", str(tmp_path / "out")] if command == "report" else []
        if command == "verify":
            (path.parents[1] / "db").mkdir()
        assert main([command, str(path), *out]) == 1
        clear(capsys.readouterr().err, () if command == "verify" else words)
        assert not (tmp_path / "out").exists() and not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (lambda folder: folder / "nowhere.jsonl", ("...", "neither an experiment id nor a journal file")),
        (lambda folder: folder, ("neither an experiment id nor a journal file",)),
        (lambda folder: "a" * 5000, ("aaa", "name too long")),
        (lambda folder: "~nobody_of_that_name/journal.jsonl", ("~nobody_of_that_name", "no home folder")),
        (lambda folder: "../../../etc/passwd\x1b[2J", ("neither an experiment id", "\\x1b[2J")),
        (lambda folder: _loop(folder), ("neither an experiment id nor a journal file",)),
        (lambda folder: os.devnull, ("/dev/null", "neither an experiment id nor a journal file")),
    ],
    ids=["missing", "folder", "too long", "nobody's home", "escape", "loop of links", "device"],
)
def test_no_journal_there(
    place: Callable[[Path], Any],
    words: tuple[str, ...],
    tmp_path: Path,
    raised: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ednas_nni.record.locate import journal_of

    monkeypatch.chdir(tmp_path)
    home = tmp_path / "nni"
    good = home / "abcd1234" / "ednas" / "journal.jsonl"
    good.parent.mkdir(parents=True)
    good.write_bytes(written(*GOOD))
    text = str(place(tmp_path / "other")) if (tmp_path / "other").mkdir() is None else ""
    message = raised(lambda: journal_of(text, home), JournalError, ())
    assert all(word.lower() in message.lower() for word in words), message


def _loop(folder: Path) -> Path:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    return folder / "a"


def test_ids_of_nnis_own_list_are_no_paths(tmp_path: Path) -> None:
    from ednas_nni.record.locate import journal_of

    secret = tmp_path / "secret" / "ednas" / "journal.jsonl"
    secret.parent.mkdir(parents=True)
    secret.write_bytes(written(*GOOD))
    home = tmp_path / "nni"
    home.mkdir()
    listed = {"../secret": {"logDir": str(home)}, "secret": {"logDir": str(tmp_path)}, "odd": {"logDir": 3}, "no": []}
    (home / ".experiment").write_text(json.dumps(listed))
    assert journal_of("secret", home).resolve() == secret
    for name in ("../secret", "odd", "no"):
        with pytest.raises(JournalError):
            journal_of(name, home)


def test_experiments_that_were_copied_are_found_where_they_lie(tmp_path: Path) -> None:
    """NNI's list still names the place that they came from."""
    from ednas_nni.record.locate import journal_of

    home = tmp_path / "nni"
    copied = home / "AbCd1234" / "ednas" / "journal.jsonl"
    copied.parent.mkdir(parents=True)
    copied.write_bytes(written(*GOOD))
    (home / ".experiment").write_text(json.dumps({"AbCd1234": {"logDir": str(tmp_path / "other_machine")}}))
    assert journal_of("AbCd1234", home) == copied
    (tmp_path / "other_machine" / "AbCd1234").mkdir(parents=True)  # the broken variant: the list goes first
    with pytest.raises(JournalError):
        journal_of("AbCd1234", home)
