"""A trial gets the parameters of its own job, whatever the queue would hand out."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import nni
import pytest
from nni.runtime.trial_command_channel.v3 import TrialCommandChannelV3

from ednas_nni.bridge import channel as module
from ednas_nni.bridge.channel import OwnedChannel
from ednas_nni.bridge.rest import Manager
from ednas_nni.errors import ExperimentError, TrialError


class FakeNni(ThreadingHTTPServer):
    """What a trial sees of NNI: a queue that serves whoever asks first, and the record of each job."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.queue: list[dict[str, Any]] = []
        self.records: dict[str, dict[str, Any]] = {}
        self.metrics: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.refusals = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

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
        else:
            self.answer({"type": "parameter", "parameter": json.dumps(self.server.queue.pop(0))})

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
            OwnedChannel(url, job, Manager.of_trial_channel(url)) if kind is OwnedChannel else kind(url)
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
        OwnedChannel(url, "C", Manager.of_trial_channel(url)).receive_parameter()


def send(server: FakeNni, value: Any, kind: str = "FINAL") -> Any:
    url = f"{server.url}/env/local-env/A"
    channel = OwnedChannel(url, "A", Manager.of_trial_channel(url))
    channel.architecture = "abc"
    channel.send_metric(type=kind, parameter_id=0, trial_job_id="A", sequence=0, value=value)
    return json.loads(server.metrics[-1]["value"])


def test_final_results_prove_their_architecture(server: FakeNni) -> None:
    assert send(server, {"default": 0.5}) == {"default": 0.5, "architecture": "abc"}
    assert send(server, 0.5) == {"default": 0.5, "architecture": "abc"}
    assert send(server, {"default": 0.1}, "PERIODICAL") == {"default": 0.1}


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
    with pytest.raises(ExperimentError, match="not of the form"):
        Manager.of_tuner_channel(url)
    with pytest.raises(ExperimentError, match="not of the form"):
        Manager.of_trial_channel(url)


def test_nothing_is_unpickled() -> None:
    """NNI's own `load` would run code here; the trial's and the Advisor's decoding is plain JSON."""
    text = '{"__nni_type__": "bytes:gASVIAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAV0b3VjaJSFlFKULg=="}'
    assert json.loads(text) == {"__nni_type__": "bytes:gASVIAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAV0b3VjaJSFlFKULg=="}
    import inspect

    from ednas_nni.bridge import advisor, engine, search, trial

    for part in (advisor, engine, search, trial):
        assert "nni.load" not in inspect.getsource(part)
        assert "import load" not in inspect.getsource(part)
    assert nni is not None
