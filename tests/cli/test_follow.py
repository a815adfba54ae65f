"""Following a search, and showing it."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ednas_nni.bridge.manager.follow import State, Tail, follow, message
from ednas_nni.cli import outcome, terminal
from ednas_nni.cli.display import Lines, Live, footer, primary_metrics
from ednas_nni.errors import ExperimentError
from ednas_nni.record import events
from ednas_nni.record.front import front_of
from ednas_nni.record.head import JournalHead, MetricRecord, TaskRecord
from ednas_nni.record.journal import History, Journal, load

MIOU = MetricRecord(name="miou", unit="1", direction="max")
METRICS = primary_metrics({"segmentation": TaskRecord(name="segmentation", primary="miou", metrics=(MIOU,))})


class Manager:
    """Answers with a list of states, the last one for ever; None is silence."""

    id = "abcd1234"

    def __init__(self, *answers: str | None, errors: tuple[str, ...] = ()) -> None:
        self.answers = list(answers)
        self.errors = errors

    def status(self) -> dict[str, Any]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise ExperimentError("NNI's manager does not answer")
        return {"status": answer, "errors": list(self.errors)}

    def experiment(self) -> dict[str, Any]:
        return {"id": self.id, "params": {"maxTrialNumber": 4}}


class Silent:
    """Shows nothing."""

    def show(self, state: State) -> None: ...


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _follow(manager: Manager, journal: Path, display: Any = None, began: float = 0.0) -> State:
    clock = Clock()
    return follow(manager, journal, display or Lines(), 4, began, clock, clock.sleep)


def _state(history: History, **changes: Any) -> State:
    fields = {"total": 4, "status": "RUNNING", "errors": (), "now": 1000.0, "began": 0.0, **changes}
    return State(history, **fields)


# ---- the end of a search


def test_it_ends_when_nni_is_done(small_journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = _follow(Manager("RUNNING", "RUNNING", "DONE"), small_journal)
    assert len(state.ended) == 4 and state.best.architecture == "aaaaaaaaaa"
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4, "one line per finished trial, each once"


def test_it_ends_when_the_journal_says_so(small_journal: Path) -> None:
    assert _follow(Manager("RUNNING"), small_journal).status == "RUNNING"


def test_an_end_before_a_resume_is_none_of_it(small_journal: Path) -> None:
    """The journal of a search that has ended says so until the Advisor of its resume is there."""

    class Resumes(Lines):
        shown = 0

        def show(self, state: State) -> None:
            self.shown += 1
            if self.shown == 3:
                journal = Journal(small_journal)
                journal.append(events.Started(mode="resume"))
                journal.append(events.Submitted(trial=4, architecture="dddddddddd", sample={}))
                journal.append(events.Ended(trial=4, status="cancelled"))
                journal.append(events.Finished(reason=events.LIMITS))
                journal.close()

    display = Resumes()
    state = _follow(Manager("RUNNING"), small_journal, display, began=time.time())
    assert len(state.ended) == 5 and display.shown >= 3


def test_an_error_is_raised_with_the_words_of_the_study(small_journal: Path) -> None:
    text = "Unknown strategies plugin 'edans'. Did you mean 'ednas'?"
    errors = ("Dispatcher stream error, tuner may have crashed.",)
    with pytest.raises(ExperimentError, match="may have crashed"):
        _follow(Manager("ERROR", errors=errors), small_journal)
    log = small_journal.parents[1] / "log" / "nnimanager.log"
    log.parent.mkdir()
    log.write_text(
        f"[2026-01-01 00:00:00] INFO (NNIManager) x\n"
        f"[2026-01-01 00:00:01] ERROR (NNIManager) Dispatcher error: {text}\n"
        "second fault\n"
        "[2026-01-01 00:00:01] ERROR (NNIManager) Error: Dispatcher stream error, tuner may have crashed.\n"
        "    at EventEmitter.<anonymous> (nnimanager.js:679:32)\n"
    )
    with pytest.raises(ExperimentError) as caught:
        _follow(Manager("ERROR", errors=errors), small_journal)
    assert str(caught.value) == f"{text}\nsecond fault"


def test_errors_of_nni_itself() -> None:
    late = "tuner_command_channel: Tuner did not connect in 10 seconds."
    assert message((late, late)) == "Tuner did not connect in 10 seconds."
    earlier = (
        "[2026-01-01] ERROR (NNIManager) Dispatcher error: a refusal\n[2026-01-02] INFO (main) Start NNI manager\n"
    )
    assert message((late,), earlier) == "Tuner did not connect in 10 seconds.", "a resume writes on in the same log"
    gone = "[2026-01-02] ERROR (NNIManager) Dispatcher error: WsChannel terminated: have not reconnected in 30s\n"
    assert "NNI's Advisor, is gone" in message(("Dispatcher stream error, tuner may have crashed.",), earlier + gone)
    assert "see its logs" in message(())


def test_nni_is_done_before_the_advisor_has_said_so(small_journal: Path) -> None:
    """Its last lines tell why the search has ended and what became of jobs that NNI never started."""
    journal = Journal(small_journal)
    journal.append(events.Submitted(trial=4, architecture="dddddddddd", sample={}))

    class Ends(Silent):
        shown = 0

        def show(self, state: State) -> None:
            self.shown += 1
            if self.shown == 3:
                journal.append(events.Ended(trial=4, status="cancelled"))
                journal.append(events.Finished(reason="maxExperimentDuration is over"))

    state = _follow(Manager("DONE"), small_journal, Ends())
    journal.close()
    assert state.finished and not state.running


def test_a_manager_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="manager is gone"):
        _follow(Manager("RUNNING", None), tmp_path / "abcd1234" / "ednas" / "none.jsonl")
    state = _follow(Manager("RUNNING", None, None, "DONE"), tmp_path / "abcd1234" / "ednas" / "none.jsonl")
    assert state.status == "DONE", "a short silence is no end"


@pytest.mark.parametrize(
    ("status", "stands"), [("ERROR", "cut short"), (None, "cut short"), ("ERROR", "finished"), ("ERROR", "refused")]
)
def test_what_was_cut_short_can_go_on(small_journal: Path, status: str | None, stands: str) -> None:
    if stands != "finished":
        journal = Journal(small_journal)
        journal.append(events.Submitted(trial=4, architecture="dddddddddd", sample={}))
        journal.close()
    began = time.time() + 1e6 if stands == "refused" else 0.0  # a resume that was refused has not begun
    with pytest.raises(ExperimentError) as caught:
        _follow(Manager(status), small_journal, Silent(), began)
    assert (f"resume {small_journal.parents[1]}" in str(caught.value)) == (stands == "cut short")


def test_a_line_that_is_being_written_is_left_for_later(small_journal: Path) -> None:
    data = small_journal.read_bytes()
    tail = Tail(small_journal)
    for end in (10, 200, len(data) - 3, len(data)):
        small_journal.write_bytes(data[:end])
        tail.update()
    assert tail.history == load(small_journal)


# ---- one line per trial


def test_plain_lines(small_journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    display = Lines(["latency_ms"], METRICS)
    state = _state(load(small_journal))
    display.show(state)
    display.show(state)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert re.match(
        r"\[2/4\]  trial 1  aaaaaaaaaa  trained  quality 0.4100  latency_ms 8  segmentation mIoU 51.0 %", lines[1]
    )
    assert (
        "failed" in lines[3] and "cause: ValueError: the loss is NaN" in lines[3] and "quality 0." not in lines[3][:60]
    )
    assert all("4 of 4 trials ended, best quality 0.4100 (aaaaaaaaaa), front: 2" in line for line in lines)
    assert "\x1b" not in "".join(lines), "a log has no use for colours"


def test_time_left() -> None:
    history = History(Path("x"))
    assert _state(history).left_s is None
    for trial in range(2):
        history.add(events.Submitted(time=0.0, trial=trial, architecture=str(trial), sample={}))
    for trial in range(2):
        history.add(events.Ended(time=10.0, trial=trial, status="trained"))
    assert _state(history, now=10.0, total=6).left_s == pytest.approx(20.0)  # four more of 10 s, two side by side
    assert _state(history, now=10.0, total=None).left_s is None
    history.add(events.Submitted(time=10.0, trial=2, architecture="2", sample={}))
    assert _state(history, now=15.0, total=3).left_s == pytest.approx(3.0)  # 5 s of work, 25 s of trials done in 15 s


def test_a_pause_between_two_sessions_is_no_training() -> None:
    """A day lies between the stop and the resume: it is neither a trial's time nor the search's."""
    history = History(Path("x"))
    for trial in range(4):
        history.add(events.Submitted(time=10.0 * (trial // 2), trial=trial, architecture=str(trial), sample={}))
        if trial < 2:
            history.add(events.Ended(time=10.0, trial=trial, status="trained"))
    history.add(events.Started(time=86_400.0, mode="resume"))
    lines = [line for line in _drawn(history, now=86_405.0, began=86_400.0).splitlines() if "running" in line]
    assert len(lines) == 2 and all(line.rstrip().endswith("5 s") for line in lines)
    state = _state(history, now=86_405.0, began=86_400.0, total=6)
    assert state.left_s == pytest.approx(15.0), "two are half way, two to come, two side by side"
    for trial in (2, 3):
        history.add(events.Ended(time=86_410.0, trial=trial, status="trained"))
    assert [record.seconds for record in history.trials] == [10.0, 10.0, None, None]
    assert _state(history, now=86_410.0, began=86_400.0, total=6).left_s == pytest.approx(10.0)


def test_what_finishes_networks_takes_its_own_time() -> None:
    """56 scores of a second each say nothing of a training; once one has ended, it does."""
    history = History(Path("x"))
    history.head = JournalHead(study={"finish": {"networks": 2, "seeds": 2, "steps": 500}})
    for trial in range(4):
        history.add(events.Submitted(time=float(trial), trial=trial, architecture=str(trial), sample={}))
        history.add(events.Ended(time=trial + 1.0, trial=trial, status="trained"))
    state = _state(history, now=4.0, total=10)
    assert (state.left_s, state.to_finish) == (pytest.approx(2.0), 4)
    assert "about 2 s left, then up to 4 trainings that finish networks" in footer(state)
    for trial in (4, 5):
        history.add(events.Submitted(time=4.0, trial=trial, architecture=str(trial), sample={}))
        history.add(events.Ended(time=5.0, trial=trial, status="trained"))
    history.add(events.Submitted(time=5.0, trial=6, architecture="0", sample={}, seed=2000, steps=500))
    history.add(events.Ended(time=35.0, trial=6, status="trained"))
    state = _state(history, now=35.0, total=10)
    assert (state.left_s, state.to_finish) == (pytest.approx(90 * 35 / 36), 0) and "finish" not in footer(state)


# ---- the live table


def _drawn(history: History, width: int = 120, height: int = 40, **changes: Any) -> str:
    console = Console(width=width, height=height, markup=False, emoji=False, record=True, file=io.StringIO())
    live = Live(console, ["latency_ms"], METRICS, "test.yml: experiment abcd1234")
    console.print(live.draw(_state(history, **changes)))
    return console.export_text()


def test_live_table(small_journal: Path) -> None:
    text = _drawn(load(small_journal))
    assert "experiment abcd1234" in text
    assert re.search(r"1 +aaaaaaaaaa +trained +0.4100 +8 +51.0 .*\* best", text)
    assert re.search(r"0 +ref0000000 +trained +0.3000 +9 +40.0 [^*]*$", text, re.MULTILINE)
    assert re.search(r"3 +cccccccccc +failed +- ", text)


def test_live_table_fits_the_terminal(small_journal: Path, tmp_path: Path) -> None:
    for width in (56, 80, 120):
        text = _drawn(load(small_journal), width=width)
        assert all(len(line) <= width for line in text.splitlines())
        assert "aaaaaaaaaa" in text and "…" not in text and ("mIoU [%]" in text) == (width >= 80)
    journal = Journal(tmp_path / "long.jsonl")
    for trial in range(60):
        journal.append(
            events.Submitted(trial=trial, architecture=f"a{trial:09d}", sample={}, costs={"latency_ms": 3.0})
        )
    journal.append(events.Intermediate(trial=59, job="J", step=1, metrics={"default": 0.25}))
    text = _drawn(journal.history(), height=30, total=None)
    assert len(text.splitlines()) <= 30 and "(42 earlier trials are not shown)" in text and "(0.2500)" in text


def test_live_table_before_the_first_trial(tmp_path: Path) -> None:
    text = _drawn(History(tmp_path), status="NO_MORE_TRIAL")
    assert "NNI: no more trial" in text and "no result yet" in text


# ---- the front


def test_the_front_is_the_reports_front(small_journal: Path) -> None:
    from ednas_nni.report.data import view

    history = load(small_journal)
    ours = {record.architecture for record in front_of(history)}
    assert ours == {trial.architecture for trial in view(history).front} == {"aaaaaaaaaa", "bbbbbbbbbb"}
    history.head.study["objectives"] = ["quality"]
    assert {record.architecture for record in front_of(history)} == {"aaaaaaaaaa"}
    history.head.study["objectives"] = ["quality", "max:nobody_reports_this"]
    assert front_of(history) == []


def test_front_table(small_journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome.show(load(small_journal))
    text = capsys.readouterr().out
    assert "Finished: 3 of 4 networks trained (1 failed)." in text
    assert "The search ended" not in text, "that says no more"
    assert "[ms]" in text, "units are not taken for markup"
    rows = [line for line in text.splitlines() if re.search(r"(a{10}|b{10}|ref0{7}) +0\.", line)]
    assert [re.search(r"[a-z]+0*(?= +0\.)", row).group() for row in rows] == ["bbbbbbbbbb", "aaaaaaaaaa", "ref0000000"]
    assert rows[1].strip().startswith("best") and rows[2].strip().startswith("mobilenet_v2 ")
    assert "not on the front" in text and "…" not in text, "no cell is cut"
    assert "512 x 1024 px: latency_ms modelled for edge_tpu." in text, "costs that stand in the table, no others"
    assert "mobilenet_v2, trained by the same recipe, reaches quality 0.300 at" in text
    assert "architecture aaaaaaaaaa scored 0.110 more at 8.00 ms, one training each: not proven." in text
    assert "the best of 3 is optimistic: confirm it with fresh seeds" in text


def test_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome.show(History(tmp_path / "x" / "ednas" / "journal.jsonl"))
    assert "There is no result." in capsys.readouterr().out


@pytest.mark.parametrize("width", [24, 50, 80])
def test_a_table_that_does_not_fit_becomes_blocks_and_loses_nothing(width: int) -> None:
    console = Console(record=True, width=width, file=io.StringIO())
    rows = [("7", "member_with_a_name\nbest", "0.4229", "14.91"), ("8", "8bcb8b1535", "0.3740", "-10.34")]
    wide = terminal.table((">no", "architecture", ">quality", ">latency of the device\n[ms]"), "Front", rows)
    console.print(wide)
    text = console.export_text()
    words = ["Front", "member_with_a_name", "best", "8bcb8b1535", "0.4229", "0.3740", "14.91", "-10.34", "quality"]
    assert "…" not in text and all(word in text for word in words), text
    assert ("latency of the device [ms] 14.91" in text) == (width == 50), text
    assert ("7  member_with_a_name, best" in text) == (width == 50), text
