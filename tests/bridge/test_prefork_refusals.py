"""Trials that are not forked, and run by themselves instead: what is refused, and what is said of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ednas_nni.bridge.trial.prefork import place, sources, starter
from tests.bridge.forks import EXPERIMENT, Machine

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


def test_changed_code_is_not_run_from_memory(machine: Machine, tmp_path: Path) -> None:
    module = tmp_path / "users_own.py"
    module.write_text("VALUE = 1\n")
    server = machine.serve(before=f"sys.path.insert(0, {str(tmp_path)!r}); import users_own")
    assert machine.run("import users_own; print(users_own.VALUE)")[1] == "1\n"
    module.write_text("VALUE = 22\n")
    status, out, err = machine.run("never")
    assert (status, out) == (0, "PLAIN")
    assert f"{module} was changed since the trial server loaded it" in err
    assert server.wait(10) == 75


def test_installed_packages_are_not_watched() -> None:
    watched = sources.snapshot()
    assert watched
    assert not [path for path in watched if "site-packages" in path or path.endswith("/json/__init__.py")]
    assert sources.changed(watched) is None


def test_a_server_with_threads_does_not_fork(machine: Machine) -> None:
    machine.serve(before="import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()")
    status, out, err = machine.run("never")
    assert (status, out) == (0, "PLAIN")
    assert "has 2 threads, which a fork would lose" in err


def test_another_python_is_refused(machine: Machine) -> None:
    machine.serve(before="sys.prefix = '/another'")
    status, out, err = machine.run("never")
    assert (status, out) == (0, "PLAIN")
    assert "the trial's Python is another one" in err


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("import os; os.nice(1); ", "its niceness is "),
        ("import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); ", "its CPU affinity is "),
        ("import os; os.umask(0o027); ", "its umask is '027', the trial server's is "),
        ("import os; os.environ['PYTHONPATH'] = '/mine'; ", "its PYTHONPATH is '/mine'"),
        (
            "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (99, r.getrlimit(r.RLIMIT_NOFILE)[1])); ",
            "its RLIMIT_NOFILE is [99, ",
        ),
    ],
    ids=["nice", "taskset", "umask", "PYTHONPATH", "ulimit"],
)
def test_what_the_command_sets_on_its_process_is_not_lost(machine: Machine, command: str, told: str) -> None:
    """`nice`, `taskset` and `ulimit` before `python3 -m ednas_nni.bridge.trial` reach the client, not the server."""
    if "affinity" in command and len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor cannot be shared out")
    machine.serve()
    status, out, err = machine.run("never", command)
    assert (status, out) == (0, "PLAIN")
    assert told in err
    assert machine.run("print('served')")[1] == "served\n"


@pytest.mark.parametrize(
    "environment",
    [
        {"EDNAS_TRIAL_START": "plain"},
        {"NNI_EXP_ID": "other1"},
        {"NNI_EXP_ID": "../test1234"},
    ],
)
def test_others_run_by_themselves_without_a_word(machine: Machine, environment: dict[str, str]) -> None:
    machine.serve()
    assert machine.run("never", **environment) == (0, "PLAIN", "")


def test_a_host_has_a_server_of_its_own(machine: Machine) -> None:
    machine.serve()
    assert machine.run("print('served')", NNI_PLATFORM="remote")[1] == "served\n"


def test_a_folder_open_to_others_is_not_trusted(machine: Machine) -> None:
    machine.serve()
    assert machine.run("print('served')")[1] == "served\n"
    place.folder().chmod(0o755)
    assert machine.run("never") == (0, "PLAIN", "")
    with pytest.raises(PermissionError):
        place.make_folder()


def test_nonsense_does_not_end_the_server(machine: Machine) -> None:

    machine.serve()
    for nonsense in (b"", b"\xff\xff\xff\xff", b"\0\0\0\2{}"):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(place.socket_path(EXPERIMENT)))
            stranger.sendall(nonsense)
    assert machine.run("print('served')")[1] == "served\n"


@pytest.mark.parametrize(
    "change", [{"trainingService": {"platform": "remote"}}, {"trainingService": [{"platform": "local"}]}]
)
def test_trials_elsewhere_have_no_server(machine: Machine, change: dict) -> None:
    assert starter.start({"trainingService": {"platform": "local"}, **change}, machine.folder, {}, 0) is None
