"""A trial gets the parameters of its own job, whatever the queue would hand out."""

from __future__ import annotations

import json
import math
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from nni.runtime.trial_command_channel.v3 import TrialCommandChannelV3

from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.bridge.trial import channel as module
from ednas_nni.bridge.trial.channel import OwnedChannel
from ednas_nni.errors import ExperimentError, TrialError
from ednas_nni.record.reports import read_report


class FakeNni(ThreadingHTTPServer):
    """What a trial sees of NNI: a queue that serves whoever asks first, and the record of each job."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.queue: list[dict[str, Any]] = []
        self.records: dict[str, dict[str, Any]] = {}
        self.metrics: list[dict[str, Any]] = []
        self.answers: dict[str, Any] | None = None
        self.refusals = 0
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: FakeNni

    def log_message(self, *args: Any) -> None: ...

    def answer(self, body: Any, code: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        job = self.path.rpartition("/")[2]
        if "/trial-jobs/" in self.path:
            record = self.server.records.get(job)
            self.answer({"hyperParameters": [json.dumps(record)]} if record else {})
        elif "/metric-data/" in self.path:
            job = job.partition("?")[0]
            stored = [m for m in self.server.metrics if m["trial_job_id"] == job and m["type"] == "FINAL"]
            self.answer([{"trialJobId": job, "data": json.dumps(m["value"])} for m in stored])
        elif self.server.answers:
            self.answer(self.server.answers)
        else:
            found = self.server.queue.pop(0)
            self.answer({"type": "parameter", "parameter": json.dumps(found)}, 200 if found else 408)

    def do_PUT(self) -> None:
        command = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if command["type"] == "metric":
            if self.server.refusals:
                self.server.refusals -= 1
                self.answer({}, 500)
                return
            self.server.metrics.append(json.loads(command["metric"]))
        self.answer({})


@pytest.fixture
def server():
    made = FakeNni()
    yield made
    made.shutdown()
    made.server_close()


def record(number: int) -> dict[str, Any]:
    return {"parameter_id": number, "parameters": {"x": number}}


def parameters_of(server: FakeNni, kind: type[TrialCommandChannelV3]) -> list[dict[str, Any]]:
    """Two trials ask in the wrong order; NNI booked 0 on job A and 1 on job B."""
    server.records = {"A": record(0), "B": record(1)}
    server.queue = [record(0), record(1)]
    got = {}
    for job in ("B", "A"):
        url = f"{server.url}/env/local-env/{job}"
        got[job] = (
            OwnedChannel(url, job, Manager.of_channel(url)) if kind is OwnedChannel else kind(url)
        ).receive_parameter()
    return [got["A"], got["B"]]


def test_each_job_gets_its_own(server: FakeNni) -> None:
    assert parameters_of(server, OwnedChannel) == [record(0), record(1)]


def test_the_check_rejects_nnis_own_channel(server: FakeNni) -> None:
    assert parameters_of(server, TrialCommandChannelV3) == [record(1), record(0)]


def test_no_record_no_training(server: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECORD_WAIT_S", 0.3)
    url = f"{server.url}/env/local-env/C"
    with pytest.raises(TrialError, match="cannot prove which architecture"):
        OwnedChannel(url, "C", Manager.of_channel(url)).receive_parameter()


def send(server: FakeNni, value: Any, kind: str = "FINAL", **costs: float) -> Any:
    url = f"{server.url}/env/local-env/A"
    channel = OwnedChannel(url, "A", Manager.of_channel(url))
    channel.architecture, channel.costs = "abc", costs
    channel.send_metric(type=kind, parameter_id=0, trial_job_id="A", sequence=0, value=value)
    return json.loads(server.metrics[-1]["value"])


def test_final_results_prove_their_architecture(server: FakeNni) -> None:
    assert send(server, {"default": 0.5}) == {"default": 0.5, "architecture": "abc"}
    assert send(server, 0.5) == {"default": 0.5, "architecture": "abc"}
    assert send(server, {"default": 0.1}, "PERIODICAL") == {"default": 0.1}


def test_costs_are_sent_beside_the_result_and_are_none_of_its_metrics(server: FakeNni) -> None:
    sent = send(server, {"default": 0.5, "macs": 7.0}, latency_ms=9.5, macs=8.0)
    assert sent["latency_ms"] == 9.5 and sent["macs"] == 7.0, "what the trial itself measured stands"
    assert read_report(sent).metrics == {"default": 0.5, "macs": 7.0}
    assert "latency_ms" in read_report({**sent, "ran": ""}).metrics, "the text tells them apart"


@pytest.mark.parametrize("value", [{"default": math.nan}, {"default": 0.5, "x": math.inf}, {"x": 1.0}])
def test_what_is_no_result_is_sent_once(server: FakeNni, monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    """It can never count as arrived: waiting for that would keep the worker for nothing."""
    monkeypatch.setattr(module, "STORE_WAIT_S", 60.0)
    url = f"{server.url}/env/local-env/A"
    channel = OwnedChannel(url, "A", Manager.of_channel(url))
    channel.prove("abc")
    begun = time.monotonic()
    channel.send_metric(type="FINAL", parameter_id=0, trial_job_id="A", sequence=0, value=value)
    assert len(server.metrics) == 1 and time.monotonic() - begun < 10


def test_a_refused_metric_is_sent_again_and_a_lost_one_is_an_error(
    server: FakeNni, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.refusals = 1
    send(server, 0.5)
    assert len(server.metrics) == 1
    monkeypatch.setattr(module, "SEND_WAIT_S", 0.2)
    server.refusals = 99
    with pytest.raises(TrialError, match="could not be delivered"):
        send(server, 0.5)


@pytest.mark.parametrize("url", ["", "http://x", "file:///etc/passwd", "ws://localhost:1/other"])
def test_foreign_channels(url: str) -> None:
    with pytest.raises(ExperimentError, match="is neither"):
        Manager.of_channel(url)


@pytest.mark.parametrize(
    "url, base",
    [
        ("ws://localhost:1/tuner", "http://localhost:1"),
        ("ws://localhost:1/some/prefix/tuner", "http://localhost:1/some/prefix"),
        ("http://localhost:1/env/LOCAL/abc", "http://localhost:1"),
        ("https://host/prefix/env/LOCAL/env/abc", "https://host/prefix"),
    ],
)
def test_channels(url: str, base: str) -> None:
    assert Manager.of_channel(url).base == f"{base}/api/v1/nni"


def drawn(server: FakeNni, payload: tuple[str, Any], kind: type[TrialCommandChannelV3]) -> bool:
    """Whether a trial without a record of its own runs code that the queue holds."""
    text, ran = payload
    server.queue = [json.loads(text)]
    url = f"{server.url}/env/remote-env/A"
    channel = OwnedChannel(url, "A", None) if kind is OwnedChannel else kind(url)
    assert channel.receive_parameter()["parameter_id"] == 0
    return ran()


def test_nothing_is_unpickled(server: FakeNni, payload: tuple[str, Any]) -> None:
    assert not drawn(server, payload, OwnedChannel)


def test_the_unpickling_check_rejects_nnis_own_channel(server: FakeNni, payload: tuple[str, Any]) -> None:
    assert drawn(server, payload, TrialCommandChannelV3)


def test_a_record_of_its_own_is_not_unpickled(server: FakeNni, payload: tuple[str, Any]) -> None:
    text, ran = payload
    server.records["A"] = json.loads(text)
    url = f"{server.url}/env/local-env/A"
    OwnedChannel(url, "A", Manager.of_channel(url)).receive_parameter()
    assert not ran()


def test_a_remote_trial_waits_for_the_queue_and_says_why_it_got_nothing(server: FakeNni) -> None:
    url = f"{server.url}/env/remote-env/A"
    server.queue = [None, None, record(3)]
    assert OwnedChannel(url, "A", None).receive_parameter() == record(3)
    server.answers = {"type": "stop"}
    with pytest.raises(TrialError, match="'stop'"):
        OwnedChannel(url, "A", None).receive_parameter()
    with pytest.raises(TrialError, match="handed out no architecture"):
        OwnedChannel("http://127.0.0.1:9/env/remote-env/A", "A", None).receive_parameter()


def test_a_proxy_of_the_environment_is_not_asked(server: FakeNni, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    server.queue = [record(3)]
    assert OwnedChannel(f"{server.url}/env/remote-env/A", "A", None).receive_parameter() == record(3)
    assert send(server, 0.5)["default"] == 0.5


def test_nothing_that_arrives_is_unpickled(payload, monkeypatch) -> None:
    """A `NasExperiment` hears a trial's parameters again when it ends; they may be a page's, not its own."""
    import nni
    import numpy as np
    from nni.runtime.command_channel.websocket import connection
    from nni.runtime.tuner_command_channel import CommandType, TunerCommandChannel
    from nni.runtime.tuner_command_channel import channel as module

    from ednas_nni.compat import plain_json

    plain_json.apply()
    text, ran = payload
    end = json.dumps({"trial_job_id": "A", "event": "FAILED", "hyper_params": text})
    channel = TunerCommandChannel("ws://_unittest_placeholder_")
    monkeypatch.setattr(channel, "_receive", lambda: (CommandType.TrialEnd, end))
    assert channel.receive().parameter_ids == [0]
    assert isinstance(connection.nni.load(text), dict)
    assert not ran()
    assert plain_json.decode(nni.dump({"default": np.float32(0.5)}))["default"] == 0.5
    monkeypatch.setattr(module, "load", nni.load)
    channel.receive()
    assert ran(), "NNI's own channel"
