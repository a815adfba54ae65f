"""Follow a running search: its journal tells what happened, NNI's REST whether it still runs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ednas_nni.bridge.manager.launch import command
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.errors import ExperimentError
from ednas_nni.record.front import objectives_of
from ednas_nni.record.journal import History, TrialRecord, read_line
from ednas_nni.record.locate import command_name
from ednas_nni.study import FinishOptions
from ednas_nni.study.objectives import score_of

POLL_S = 0.5
ASK_S = 2.0  # NNI is asked less often than the journal is read
SILENCE_S = 30.0  # a manager that does not answer for so long is gone
LAST_WORDS_S = 5.0  # NNI is done before the Advisor, which asks it once a second, has said so in the journal
ENDED = ("ERROR", "STOPPED", "STOPPING")

# A log entry lasts until the next line that begins with a time in brackets.
_REFUSAL = re.compile(r"^\[[^\]]*\] ERROR \(NNIManager\) Dispatcher error: (.*?)(?=^\[|\Z)", re.MULTILINE | re.DOTALL)


class Tail:
    """Reads a journal that is still being written, each line once; the file need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.history = History(path)
        self._offset = 0
        self._lines = 0

    def update(self) -> History:
        """Take in the whole lines that were added since the last call."""
        try:
            with self.history.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return self.history
        whole = data.rfind(b"\n") + 1
        for line in data[:whole].split(b"\n")[:-1]:
            self._lines += 1
            self.history.add(read_line(line, self.history.path, self._lines))
        self._offset += whole
        return self.history


@dataclass(frozen=True)
class State:
    """A search at one moment.

    Attributes:
        total: maxTrialNumber, None for "until stopped".
        status: NNI's status of the experiment; `errors` are NNI's messages.
        now: Unix time in seconds; so is `began`, when it was started from here.
    """

    history: History
    total: int | None
    status: str
    errors: tuple[str, ...]
    now: float
    began: float

    @property
    def ended(self) -> list[TrialRecord]:
        """Trials that are over, in whatever way."""
        return [record for record in self.history.own if record.status != "running"]

    @property
    def running(self) -> list[TrialRecord]:
        """Trials that are under way."""
        return [record for record in self.history.all_trials if record.status == "running"]

    @property
    def finished(self) -> bool:
        """Whether the search has ended since `began`: what a resume goes on with tells of an earlier end."""
        started = any(start.time >= self.began for start in self.history.starts)
        return started and self.history.finished is not None and not self.running

    @property
    def best(self) -> TrialRecord | None:
        """The result of the highest score."""
        return max(self.history.results.values(), key=lambda r: r.quality or 0.0, default=None)

    @property
    def score(self) -> str:
        """What trials are ranked by: "quality" or "delta_t"."""
        return score_of(objectives_of(self.history.head))

    @property
    def inherited(self) -> bool:
        """Whether scores of the search are inherited from a supernet."""
        return self.history.head is not None and self.history.head.inherits

    def spent_s(self, record: TrialRecord) -> float:
        """Seconds that a trial has taken since `began`."""
        return max(0.0, (record.ended_at or self.now) - max(self.began, record.submitted_at))

    @property
    def to_finish(self) -> int:
        """Trainings that finish networks, while none has ended: nobody knows yet how long they take."""
        return 0 if any(record.ended_at for record in self.history.finishing) else self._finishing

    @property
    def _finishing(self) -> int:
        options = self.history.head.study.get("finish") if self.history.head else None
        return FinishOptions.model_validate(options).trials if options else 0

    @property
    def left_s(self) -> float | None:
        """Estimate of the seconds until the last trial ends, without `to_finish`.

        From the mean seconds of trials of the search, of those that finish its front, and how many run side by side.
        """
        if self.total is None:
            return None
        finishing = self._finishing
        work, timed = 0.0, False
        searching = [record for record in self.history.own if record.seed is None]
        for records, total in ((searching, self.total - finishing), (self.history.finishing, finishing)):
            ended = [r.seconds for r in records if r.seconds is not None and r.status != "cancelled"]
            if not ended:
                continue
            timed, mean = True, sum(ended) / len(ended)
            work += mean * max(0, total - len(records))
            work += sum(max(0.0, mean - self.spent_s(r)) for r in records if r.status == "running")
        if not timed:
            return None
        first = max(self.began, min(record.submitted_at for record in self.history.own))
        return work / max(1.0, sum(map(self.spent_s, self.history.own)) / max(self.now - first, 1e-9))


class Display(Protocol):
    """Shows states as they come."""

    def show(self, state: State) -> None:
        """Show one state."""


def follow(
    manager: Manager,
    journal: Path,
    display: Display,
    total: int | None,
    began: float,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> State:
    """Show a search until it ends; returns its last state. It was started after `began`, in Unix seconds.

    Raises:
        ExperimentError: The search ended with an error, whose text is the message, or NNI's manager is gone.
    """
    tail = Tail(journal)
    asked, answered, done_at = float("-inf"), float("-inf"), float("inf")
    status = "INITIALIZED"
    errors: tuple[str, ...] = ()
    while True:
        now = clock()
        if now - asked >= ASK_S:
            asked = now
            try:
                answer, profile = manager.status(), manager.experiment()
                if profile["id"] != journal.parents[1].name:
                    raise ExperimentError(f"experiment {profile['id']} answers on its port")
                limit = profile["params"].get("maxTrialNumber", total)
                total = limit if isinstance(limit, int) else None
                status, errors, answered = str(answer["status"]), tuple(answer.get("errors") or ()), now
            except ExperimentError as error:
                answered = max(answered, began)
                if now - answered > SILENCE_S:
                    text = f"NNI's manager is gone: no answer for {SILENCE_S:.0f} s ({error})"
                    raise ExperimentError(text + way_out(tail.update(), began)) from None
        state = State(tail.update(), total, status, errors, now, began)
        display.show(state)
        if status == "ERROR":
            log = journal.parents[1] / "log" / "nnimanager.log"
            words = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            raise ExperimentError(message(errors, words) + way_out(tail.update(), began))
        done_at = min(done_at, now) if status == "DONE" else float("inf")
        if status in ENDED or now - done_at > LAST_WORDS_S or state.finished:
            state = replace(state, history=tail.update())  # with what was written at the very end
            display.show(state)
            return state
        sleep(POLL_S)


def way_out(history: History, began: float) -> str:
    """How to go on with a search that has begun and was cut short; its resume may have been refused."""
    cut = history.finished is None and any(start.time >= began for start in history.starts)
    text = f"\nWhat was reported is kept. To go on: {command('ednas')} resume {command_name(history.path)}"
    return text if cut else ""


def message(errors: tuple[str, ...], log: str = "") -> str:
    """The errors as the user should read them.

    NNI's own say of an Advisor that refuses a study only that the tuner "may have crashed"; `nnimanager.log`, whose
    text is `log`, holds the Advisor's words.
    """
    session = log.rpartition("INFO (main) Start NNI manager")[2]  # a resume writes on in the same file
    reasons = [text.strip() for text in _REFUSAL.findall(session)]
    texts = reasons[-1:] or [text.removeprefix("tuner_command_channel: ") for text in errors]
    text = "\n".join(dict.fromkeys(texts)) or "NNI reports an error without saying which; see its logs."
    return text.replace("WsChannel terminated", "the search's process, NNI's Advisor, is gone (killed, or it crashed)")
