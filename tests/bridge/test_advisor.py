"""The Advisor: order of messages, what ends a search, what is still booked when NNI says stop."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from nni.runtime import msg_dispatcher_base
from nni.runtime.tuner_command_channel import CommandType

from ednas_nni.bridge import advisor as module
from ednas_nni.bridge import search as search_module
from ednas_nni.bridge.advisor import Advisor
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.bridge.trial.prefork import starter
from ednas_nni.errors import JournalError


class FakeChannel:
    """NNI's side of the connection, by hand."""

    def __init__(self, url: str) -> None:
        self.incoming: queue.Queue[tuple[CommandType | None, str]] = queue.Queue()
        self.sent: list[tuple[CommandType, str]] = []
        self.open = False

    def connect(self) -> None:
        self.open = True

    def disconnect(self) -> None:
        self.open = False

    def _receive(self) -> tuple[CommandType | None, str]:
        return self.incoming.get(timeout=20)

    def _send(self, command: CommandType, data: str) -> None:
        self.sent.append((command, data))


class FakeSearch:
    """Books messages; `prepare` takes until it is told to end, `run` until `stop`."""

    made: FakeSearch

    def __init__(self, *given: Any, **more: Any) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.prepared = threading.Event()
        self.fails_at: tuple[str, Exception] | None = None
        self.pause_s = 0.0
        self.pings = 0
        self.stopping = False
        self._stopped = threading.Event()
        FakeSearch.made = self  # last: another thread waits for it

    def prepare(self, *given: Any) -> None:
        assert self.prepared.wait(20)

    def on_message(self, kind: str, data: Any) -> None:
        time.sleep(self.pause_s)
        if kind == "ping":
            self.pings += 1
            return
        self.seen.append((kind, data))
        if self.fails_at and self.fails_at[0] == kind:
            raise self.fails_at[1]

    def publish_space(self) -> None: ...

    def note_lost_weights(self, platforms: list[str]) -> None: ...

    def run(self) -> str:
        assert self._stopped.wait(20)
        return "stopped"

    def stop(self) -> None:
        self.stopping = True
        self._stopped.set()


class Played:
    """An Advisor with a scripted manager."""

    def __init__(self, kind: type[Advisor]) -> None:
        self.advisor = kind(strategy="random", trial_start="plain")
        self.channel: FakeChannel = self.advisor._channel
        self._thread = threading.Thread(target=self.advisor.run, daemon=True)
        self._thread.start()
        self.say(CommandType.Initialize, {})
        until(lambda: hasattr(FakeSearch, "made"))
        self.search = FakeSearch.made

    def say(self, command: CommandType, data: Any = None) -> None:
        self.channel.incoming.put((command, "" if data is None else json.dumps(data)))

    def passed(self) -> None:
        """Wait until the worker has taken everything that was said."""
        until(lambda: self.channel.incoming.empty() and self.advisor.default_command_queue.empty())

    def sent(self, command: CommandType) -> list[str]:
        return [data for kind, data in self.channel.sent if kind is command]

    def end(self) -> None:
        self.say(CommandType.Terminate)
        self._thread.join(20)
        assert not self._thread.is_alive()


def until(done: Any) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(msg_dispatcher_base, "TunerCommandChannel", FakeChannel)
    monkeypatch.setattr(module, "_experiment_parameters", dict)
    monkeypatch.setattr(module, "_orphaned", lambda: False)
    monkeypatch.setattr(Manager, "experiment", lambda self: {"id": "x"})
    environment = module.dispatcher_env_vars._replace(
        NNI_LOG_DIRECTORY="/x/log", NNI_MODE="start", NNI_TUNER_COMMAND_CHANNEL="ws://localhost:1/tuner"
    )
    for part in (module, msg_dispatcher_base):
        monkeypatch.setattr(part, "dispatcher_env_vars", environment)
    monkeypatch.setattr(search_module, "Search", FakeSearch)
    monkeypatch.setattr(Manager, "publish_search_space", lambda self, space: None)
    monkeypatch.delattr(FakeSearch, "made", raising=False)
    played = []

    def start(kind: type[Advisor] = Advisor) -> Played:
        played.append(Played(kind))
        return played[-1]

    yield start
    for one in played:
        one.search.prepared.set()
        if one._thread.is_alive():
            one.end()


def order_of(played: Played) -> list[int]:
    """Early messages while torch is imported, later ones while those are handed over."""
    for number in range(10):
        played.say(CommandType.TrialEnd, number)
    played.passed()
    played.search.pause_s = 0.03
    played.search.prepared.set()
    until(lambda: played.search.seen)  # the hand-over has begun and takes another 0.3 s
    for number in range(10, 20):
        played.say(CommandType.TrialEnd, number)
    until(lambda: len(played.search.seen) == 20)
    return [data for _, data in played.search.seen]


def test_early_messages_are_not_overtaken(play: Any) -> None:
    assert order_of(play()) == list(range(20))


class Overtaking(Advisor):
    """Broken on purpose: delivers without looking at the lock."""

    def _forward(self, kind: str, data: Any) -> None:
        if self._search is None:
            self._waiting.append((kind, data))
        else:
            self._search.on_message(kind, data)


def test_the_order_check_rejects_an_advisor_without_a_lock(play: Any) -> None:
    assert order_of(play(Overtaking)) != list(range(20))


@pytest.mark.parametrize(
    ("command", "data", "kind"),
    [
        (CommandType.TrialEnd, {}, "end"),
        (CommandType.ReportMetricData, {}, "metric"),
        (CommandType.RequestTrialJobs, 2, "ready"),
        (CommandType.AddCustomizedTrialJob, [], "recover"),
    ],
)
@pytest.mark.parametrize("early", [False, True])
def test_a_failing_callback_ends_the_search_with_its_reason(
    play: Any, command: CommandType, data: Any, kind: str, early: bool
) -> None:
    played = play()
    played.search.fails_at = (kind, JournalError("/j: cannot write (no space). Is the disk full?"))
    if early:
        played.say(command, data)
        played.passed()
    played.search.prepared.set()
    if not early:
        until(lambda: played.sent(CommandType.Initialized))
        played.say(command, data)
    until(lambda: played.sent(CommandType.Error))
    assert played.sent(CommandType.Error) == ["/j: cannot write (no space). Is the disk full?"]
    assert played.search.stopping
    played.say(CommandType.TrialEnd, {})
    played.end()  # the Advisor itself still obeys NNI
    assert len(played.search.seen) == 1
    assert not played.sent(CommandType.NoMoreTrialJobs)


def test_the_search_is_asked_again_and_again_since_nni_sends_no_pings(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one that maxExperimentDuration has ended, after the last message of a trial, would never say so."""
    monkeypatch.setattr(module, "PING_S", 0.01)
    played = play()
    played.search.prepared.set()
    until(lambda: played.search.pings > 2)
    played.search.pause_s = 0.1  # a slow one is not asked ten times meanwhile
    until(lambda: played.search.pings > 4)
    assert played.advisor.default_command_queue.qsize() <= 1


def test_an_unexpected_error_is_named(play: Any) -> None:
    played = play()
    played.search.fails_at = ("end", ZeroDivisionError("division by zero"))
    played.search.prepared.set()
    played.say(CommandType.TrialEnd, {})
    until(lambda: played.sent(CommandType.Error))
    assert played.sent(CommandType.Error)[0].startswith("ZeroDivisionError: division by zero")


def test_text_that_is_no_json_ends_the_search_as_well(play: Any) -> None:
    played = play()
    played.channel.incoming.put((CommandType.TrialEnd, "{"))
    until(lambda: played.sent(CommandType.Error))
    assert "JSONDecodeError" in played.sent(CommandType.Error)[0]


def booked_at_the_end(played: Played) -> int:
    """How many of five messages are booked when NNI says stop while they are in the queue."""
    played.search.prepared.set()
    until(lambda: played.sent(CommandType.Initialized))
    played.search.pause_s = 0.05
    for number in range(5):
        played.say(CommandType.TrialEnd, number)
    played.end()
    assert played.search.stopping
    assert not played.channel.open
    return len(played.search.seen)


def test_what_has_arrived_is_booked_before_the_end(play: Any) -> None:
    assert booked_at_the_end(play()) == 5


class Hasty(Advisor):
    """Broken on purpose, as NNI's dispatcher: ends with messages in its queue."""

    def _drain(self) -> bool:
        self.stopping = True
        return True


def test_the_drain_check_rejects_an_advisor_in_a_hurry(play: Any) -> None:
    assert booked_at_the_end(play(Hasty)) < 5


def test_a_stop_during_the_start_leaves_no_trial_server(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """NNI says stop before the server is started: whoever ends the Advisor has nothing to close yet."""
    stopped, looked, servers = threading.Event(), threading.Event(), []
    monkeypatch.setattr(module.orphans, "end_all", lambda *given: [looked.set(), stopped.wait(20)][2:])
    monkeypatch.setattr(starter, "start", lambda *given: servers.append(given))
    advisor = Advisor(strategy="random")
    channel: FakeChannel = advisor._channel
    running = threading.Thread(target=advisor.run, daemon=True)
    running.start()
    channel.incoming.put((CommandType.Initialize, "{}"))
    assert looked.wait(20)
    channel.incoming.put((CommandType.Terminate, ""))
    running.join(20)
    assert not channel.open
    stopped.set()
    until(lambda: all(thread.name != "strategy" for thread in threading.enumerate()))
    assert servers == []


def test_imported_results_are_refused_aloud(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    played = play()
    with caplog.at_level(logging.WARNING, "nni.ednas"):
        played.say(CommandType.ImportData, [{"parameter": {}, "value": 0.5}])
        until(lambda: "imported" in caplog.text)
    assert "1 imported results are not used" in caplog.text
    assert not played.sent(CommandType.Error)


def test_messages_are_not_unpickled(play: Any, payload: tuple[str, Any]) -> None:
    text, ran = payload
    played = play()
    played.search.prepared.set()
    played.channel.incoming.put((CommandType.TrialEnd, text))
    until(lambda: played.search.seen)
    assert played.search.seen == [("end", json.loads(text))]
    assert not ran()
