"""What a trial keeps beside its log: written whole, read with suspicion, delivered once."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.bridge.manager.processes import MANAGER, Process
from ednas_nni.bridge.manager.rest import Manager
from ednas_nni.bridge.trial import channel as module
from ednas_nni.bridge.trial import folder as trial_folder
from ednas_nni.bridge.trial.channel import OwnedChannel
from ednas_nni.bridge.trial.folder import TrialFolders, read_result, write_result
from ednas_nni.errors import TrialError
from tests.bridge.test_channel import FakeNni, record, server

__all__ = ["server"]  # the fixture

METRIC = {"default": 0.5, "miou": 0.4, "architecture": "abc"}


def write(folder: Path, **changes: Any) -> None:
    path = write_result(folder, "exp1", "A", "abc", METRIC)
    told = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps(told))


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "exp1" / "environments" / "local-env" / "trials" / "A"
    write_result(folder, "exp1", "A", "abc", METRIC)
    assert read_result(folder, "exp1", "A", "abc") == METRIC == read_result(folder, "exp1", "A")
    assert TrialFolders(tmp_path / "exp1").result("A", "abc") == METRIC
    assert [p.name for p in folder.iterdir()] == [trial_folder.RESULT]
    assert TrialFolders(tmp_path / "exp1").result("B") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"experiment": "other"},
        {"job": "B"},
        {"architecture": "abd"},
        {"architecture": None},
        {"metric": [1]},
        {"metric": {"default": 0.5}},
        {"metric": {"architecture": "abc"}},
        {"metric": {"default": "0.5", "architecture": "abc"}},
        {"metric": {"default": float("nan"), "architecture": "abc"}},
        {"metric": {"default": 0.5, "architecture": "abd"}},
    ],
)
def test_what_does_not_belong_to_the_job_is_no_result(tmp_path: Path, changes: dict[str, Any]) -> None:
    write(tmp_path)
    assert read_result(tmp_path, "exp1", "A", "abc") is not None
    write(tmp_path, **changes)
    assert read_result(tmp_path, "exp1", "A", "abc") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe", b"[" * 100_000, b'"text"', b"null"])
def test_a_damaged_file_is_no_result(tmp_path: Path, content: bytes) -> None:
    (tmp_path / trial_folder.RESULT).write_bytes(content)
    assert read_result(tmp_path, "exp1", "A") is None


@pytest.fixture
def trial(server: FakeNni, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A channel of job A whose record is there, in a folder of its own."""
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path))
    monkeypatch.setenv("NNI_EXP_ID", "exp1")
    monkeypatch.delenv(MANAGER, raising=False)
    server.records["A"] = record(3)

    def made() -> OwnedChannel:
        url = f"{server.url}/env/local-env/A"
        return OwnedChannel(url, "A", Manager.of_channel(url))

    return made


def report(channel: OwnedChannel, value: Any = None, kind: str = "FINAL") -> None:
    value = {"default": 0.5} if value is None else value
    channel.send_metric(type=kind, parameter_id=3, trial_job_id="A", sequence=0, value=value)


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager that started this trial is dead; another one listens on its port."""
    process = subprocess.Popen(["sleep", "60"])
    monkeypatch.setenv(MANAGER, Process.of(process.pid).text)
    process.kill()
    process.wait()


def test_a_result_is_kept_before_it_is_sent(trial: Any, server: FakeNni, tmp_path: Path) -> None:
    channel = trial()
    channel.receive_parameter()
    channel.prove("abc")
    report(channel)
    assert read_result(tmp_path, "exp1", "A", "abc") == {"default": 0.5, "architecture": "abc"}
    assert len(server.metrics) == 1


def test_without_its_manager_a_trial_keeps_its_result_and_tells_nobody_else(
    trial: Any, server: FakeNni, tmp_path: Path, gone: None
) -> None:
    channel = trial()
    channel.architecture = "abc"
    report(channel, {"default": 0.1}, "PERIODICAL")
    report(channel)
    assert server.metrics == []
    assert read_result(tmp_path, "exp1", "A", "abc") == {"default": 0.5, "architecture": "abc"}
    with pytest.raises(TrialError, match="is gone"):
        channel.receive_parameter()


def test_a_job_that_runs_again_delivers_instead_of_training(trial: Any, server: FakeNni, tmp_path: Path) -> None:
    write_result(tmp_path, "exp1", "A", "abc", METRIC)
    channel = trial()
    channel.receive_parameter()
    with pytest.raises(SystemExit) as end:
        channel.prove("abc")
    assert end.value.code == 0
    (sent,) = server.metrics
    assert (sent["parameter_id"], sent["type"], json.loads(sent["value"])) == (3, "FINAL", METRIC)


def test_it_trains_where_the_file_is_of_another_architecture(trial: Any, server: FakeNni, tmp_path: Path) -> None:
    write_result(tmp_path, "exp1", "A", "abd", {**METRIC, "architecture": "abd"})
    channel = trial()
    channel.prove("abc")
    assert server.metrics == []


def test_it_does_not_train_what_nni_holds_already(trial: Any, server: FakeNni) -> None:
    report_first = trial()
    report_first.architecture = "abc"
    os.environ.pop("NNI_OUTPUT_DIR")  # nothing was kept
    report(report_first)
    with pytest.raises(SystemExit):
        trial().prove("abc")
    assert len(server.metrics) == 1
    trial().prove("abd")  # another architecture: NNI holds nothing of it


class Forgetful(FakeNni):
    """Answers well and drops what arrives before it knows the job, as NNI does."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics = Drops(1)


class Drops(list):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def append(self, item: Any) -> None:
        if self.count:
            self.count -= 1
        else:
            super().append(item)


@pytest.mark.parametrize("confirms", [True, False])
def test_what_nni_dropped_is_sent_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, confirms: bool) -> None:
    monkeypatch.setattr(module, "STORE_WAIT_S", 0.1)
    if not confirms:  # the broken variant: an answer is taken for a receipt
        monkeypatch.setattr(OwnedChannel, "_arrives", lambda self: True)
    made = Forgetful()
    try:
        url = f"{made.url}/env/local-env/A"
        channel = OwnedChannel(url, "A", Manager.of_channel(url))
        channel.architecture = "abc"
        report(channel)
        assert len(made.metrics) == confirms
    finally:
        made.shutdown()
        made.server_close()
