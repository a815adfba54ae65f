"""The journal: what was written is there, a torn end is mended, a foreign file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ednas_nni.errors import JournalError
from ednas_nni.record import events
from ednas_nni.record import journal as module
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import Journal, load, read


def example(path: Path) -> Journal:
    journal = Journal(path)
    journal.append(JournalHead(study={}, digest="d"))
    journal.append(events.Started(mode="create"))
    for trial in range(3):
        journal.append(
            events.Submitted(trial=trial, architecture=f"a{trial}", sample={"x": trial}, costs={"macs": 1.0})
        )
        journal.append(events.Intermediate(trial=trial, job=f"J{trial}", step=0, metrics={"default": 0.1}))
    journal.append(events.Final(trial=0, job="J0", architecture="a0", metrics={"default": 0.5}))
    journal.append(events.Ended(trial=0, job="J0", status="trained", cause=""))
    journal.append(events.Ended(trial=1, job="J1", status="failed", cause="out of memory"))
    return journal


def test_history(tmp_path: Path) -> None:
    journal = example(tmp_path / "j" / "journal.jsonl")
    for history in (journal.history(), load(journal.path)):
        assert [t.status for t in history.trials] == ["trained", "failed", "running"]
        assert history.trials[0].quality == 0.5
        assert history.trials[1].cause == "out of memory"
        assert history.results.keys() == {"a0"}
        assert history.next_trial == 3
        assert history.trials[2].intermediates == [(0, {"default": 0.1})]


def survivors(path: Path, opener: type[Journal]) -> list[events.Event]:
    opener(path).close()
    return list(read(path))


def test_every_truncation_keeps_all_whole_lines(tmp_path: Path) -> None:
    path = example(tmp_path / "journal.jsonl").path
    data = path.read_bytes()
    for cut in range(len(data) - 200, len(data) + 1):
        path.write_bytes(data[:cut])
        assert len(survivors(path, Journal)) == data[:cut].count(b"\n")
        journal = Journal(path)
        journal.append(events.Finished(reason="x"))
        assert list(read(path))[-1].event == "finished"


class NeverMends(Journal):
    """Broken on purpose: leaves the torn line, so that the next event is glued to it."""

    def _cut_torn_end(self) -> None: ...


def test_truncation_check_rejects_a_journal_that_never_mends(tmp_path: Path) -> None:
    path = example(tmp_path / "journal.jsonl").path
    path.write_bytes(path.read_bytes()[:-5])
    NeverMends(path).append(events.Finished(reason="x"))
    with pytest.raises(JournalError, match="not a journal event"):
        list(read(path))


@given(st.binary(max_size=200))
def test_foreign_files_are_refused_or_empty(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("j") / "journal.jsonl"
    path.write_bytes(data)
    try:
        load(path)
    except JournalError as error:
        assert str(path) in str(error)


def test_nan_is_no_json(tmp_path: Path) -> None:
    journal = example(tmp_path / "journal.jsonl")
    before = journal.path.read_bytes()
    with pytest.raises(JournalError, match=r"metrics = .* finite numbers"):
        journal.append(events.Final(trial=0, job="J0", architecture="a0", metrics={"default": float("nan")}))
    assert journal.path.read_bytes() == before


def test_event_of_an_unknown_trial(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="never submitted"):
        Journal(tmp_path / "j").append(events.Ended(trial=7, job=None, status="failed", cause=""))


def test_the_file_is_made_with_the_first_event(tmp_path: Path) -> None:
    path = tmp_path / "j" / "journal.jsonl"
    journal = Journal(path)
    assert not path.parent.exists()
    assert journal.history().trials == []
    journal.append(events.Started(mode="create"))
    assert len(list(read(path))) == 1


def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    for used in (True, False):
        journal = Journal(tmp_path / f"{used}.jsonl")
        if used:
            journal.append(events.Started(mode="create"))
        journal.close()
        with pytest.raises(JournalError, match="is closed"):
            journal.append(events.Started(mode="create"))


def test_a_search_that_goes_on_is_not_finished(tmp_path: Path) -> None:
    journal = example(tmp_path / "journal.jsonl")
    for again in (
        lambda: journal.append(events.Submitted(trial=9, architecture="a9", sample={}, costs={})),
        lambda: journal.append(events.Started(mode="resume")),
    ):
        journal.append(events.Finished(reason="enough"))
        assert load(journal.path).finished == journal.history().finished == "enough"
        again()
        assert load(journal.path).finished is journal.history().finished is None
    journal.append(events.Finished(reason="enough"))
    journal.append(events.Ended(trial=2, job=None, status="cancelled", cause=""))
    assert journal.history().finished == "enough"


def test_a_full_disk_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = example(tmp_path / "journal.jsonl")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ednas_nni.record.journal.os.fsync", full)
    with pytest.raises(JournalError, match="disk is full"):
        journal.append(events.Finished(reason="x"))
    assert journal.history().finished is None


@pytest.mark.parametrize("locks", [True, False])
def test_one_search_at_a_time(locks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lock two searches mix in one file, which nobody can read any more."""
    monkeypatch.setattr(module, "WRITER_S", 0.2)
    if not locks:
        monkeypatch.setattr(module.fcntl, "flock", lambda *words: None)
    first, second = (Journal(tmp_path / "journal.jsonl") for _ in range(2))
    submitted = events.Submitted(trial=0, architecture="a", sample={}, costs={})
    first.hold()
    if not locks:
        second.hold()
        for one in (first, second):
            one.append(submitted)
        with pytest.raises(JournalError, match="submitted twice"):
            load(first.path)
        return
    with pytest.raises(JournalError, match="another process writes this journal"):
        second.hold()
    first.append(submitted)
    first.release()
    second.hold()
    with pytest.raises(JournalError, match="submitted twice"):
        second.append(submitted)  # what the first one wrote meanwhile is read
