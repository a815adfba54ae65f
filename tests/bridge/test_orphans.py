"""Processes by number and start, and trials without a manager: ended once, and never the wrong one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ednas_nni.bridge.manager import orphans
from ednas_nni.bridge.manager.processes import MANAGER, Process, manager_of, parent_of

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"], env={**os.environ, "NNI_TRIAL_JOB_ID": "A"})
    yield process
    process.kill()
    process.wait()


def told(folder: Path, job: str, process: Process, manager: Process | None) -> Path:
    path = folder / "environments" / "local-env" / "trials" / job / orphans.FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"process": process.text, "manager": manager.text if manager else ""}))
    return path


def test_a_process_is_itself_until_it_ends(sleeper: subprocess.Popen[bytes]) -> None:
    process = Process.of(sleeper.pid)
    assert process.alive
    assert Process.parse(process.text) == process
    assert parent_of(sleeper.pid) == os.getpid()
    sleeper.kill()
    assert process.end()  # a zombie, until somebody collects it, is gone
    sleeper.wait()
    assert not process.alive
    assert Process.of(2**22 + 1) is None


@pytest.mark.parametrize("text", [None, "", "1", "1:x", "x:1", "-1:2", 5, "1:2:3", "9" * 50 + ":1"])
def test_what_is_no_process(text: object) -> None:
    assert Process.parse(text) is None


def test_a_number_that_is_used_again_is_another_process(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    found = Process.of(sleeper.pid)
    earlier = Process(found.pid, found.started - 1)
    assert not earlier.alive
    told(tmp_path, "A", earlier, None)
    assert orphans.end_all(tmp_path, None) == []
    assert found.alive


def test_the_manager_is_the_nearest_one_above(tmp_path: Path) -> None:
    folder = tmp_path / "nni_node"
    folder.mkdir()
    (folder / "main.js").write_text(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True); sys.stdin.read()\n"
    )
    node = subprocess.Popen(
        [sys.executable, str(folder / "main.js"), "--experiment-id", "abcd1234"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert manager_of(int(node.stdout.readline())) == Process.of(node.pid)
        assert manager_of(os.getpid()) is None
    finally:
        node.communicate("")


def test_only_trials_of_other_managers_are_ended(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    trial, present = Process.of(sleeper.pid), Process.of(os.getpid())
    told(tmp_path, "A", trial, present)
    assert orphans.end_all(tmp_path, present) == []
    assert trial.alive
    told(tmp_path, "A", trial, Process(present.pid, present.started + 1))
    (told(tmp_path, "B", trial, None)).write_text("{")
    assert orphans.end_all(tmp_path, present) == ["A"]
    assert not trial.alive


def test_what_is_no_trial_of_that_job_is_left_alone(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """A folder from elsewhere may name any process."""
    other = subprocess.Popen(["sleep", "60"])
    try:
        told(tmp_path, "A", Process.of(other.pid), None)
        told(tmp_path, "B", Process.of(sleeper.pid), None)
        assert orphans.end_all(tmp_path, None) == []
        assert Process.of(other.pid).alive
        assert Process.of(sleeper.pid).alive
    finally:
        other.kill()
        other.wait()


def test_a_forked_trial_is_known_by_its_servers_command(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "input()", "ednas_nni.bridge.trial.prefork.server", f"/run/{tmp_path.name}.sock"]
    forked = subprocess.Popen(command, stdin=subprocess.PIPE)
    while command[3].encode() not in Path(f"/proc/{forked.pid}/cmdline").read_bytes():
        time.sleep(0.01)  # for a moment after its start a process has no command line
    told(tmp_path, "A", Process.of(forked.pid), None)
    assert orphans.end_all(tmp_path, None) == ["A"]
    forked.communicate()


def test_a_job_ends_its_earlier_process_and_not_itself(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MANAGER, "1:2")
    trial = Process.of(sleeper.pid)
    path = told(tmp_path, "A", trial, None)
    orphans.announce(path.parent)
    assert not trial.alive
    assert json.loads(path.read_text()) == {"process": Process.of(os.getpid()).text, "manager": "1:2"}
    orphans.announce(path.parent)


def test_a_session_is_ended_as_a_whole(tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True); input()"
    leader = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "NNI_TRIAL_JOB_ID": "A"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    below = Process.of(int(leader.stdout.readline()))
    told(tmp_path, "A", Process.of(leader.pid), None)
    assert orphans.end_all(tmp_path, None) == ["A"]
    assert below.end()
    assert not below.alive
    leader.communicate()
