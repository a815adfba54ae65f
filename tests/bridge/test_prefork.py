"""Trials forked from the trial server: what a client, the server and a child promise each other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress

import psutil
import pytest

from ednas_nni.bridge.trial import cancelled
from ednas_nni.bridge.trial.prefork import client, place, starter
from tests.bridge.forks import EXPERIMENT, PATIENT, Machine, asked, child_pid, until

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


def test_a_child_is_the_trial_that_was_started(machine: Machine) -> None:
    machine.serve()
    code = (
        "import os, sys; "
        "print(os.getcwd(), os.environ['MINE'], sys.path[0], sys.argv[0], os.getsid(0) == os.getpid()); "
        "print('to stderr', file=sys.stderr)"
    )
    status, out, err = machine.run(code, MINE="yes")
    here = str(machine.folder)
    assert (status, out) == (0, f"{here} yes {here} ednas_nni.bridge.trial True\n")
    assert err == "to stderr\n"
    assert machine.run("import os; assert 'MINE' not in os.environ")[0] == 0


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("raise ValueError('a bug')", 1, "ValueError: a bug"),
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('words')", 1, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 139, "ended by SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, "ended by SIGKILL (out of memory?)"),
    ],
)
def test_ends_are_told_apart(machine: Machine, code: str, status: int, told: str) -> None:
    """A crash is an exit code: NNI would take a signal for "cancelled by the user"."""
    machine.serve()
    found, _, err = machine.run(code)
    assert found == status
    assert told in err


def test_a_cancelled_trial_ends_by_the_signal_it_was_sent(machine: Machine) -> None:
    machine.serve()
    process = machine.ask(PATIENT)
    child = child_pid(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    assert not psutil.pid_exists(child)
    assert "KeyboardInterrupt" in process.stderr.read()


def test_a_trial_cancelled_while_it_waits_for_the_server_says_so(machine: Machine) -> None:
    """A server listens before it imports: its clients wait, and NNI's user may change their mind."""
    place.make_folder()
    with socket.socket(socket.AF_UNIX) as importing:
        importing.bind(str(place.socket_path(EXPERIMENT)))
        importing.listen()
        process = machine.ask("print('never')")
        connection, _ = importing.accept()
        assert connection.recv(4), "the client has asked and waits"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
        told = process.stderr.read()
        connection.close()
    assert told.encode().endswith(cancelled.WORDS) and "Traceback" not in told


def test_a_signal_before_the_go_starts_nothing(machine: Machine) -> None:
    server = machine.serve()
    connection = asked(machine, "open('ran', 'w')")
    connection.sendall(bytes([signal.SIGINT]) + client.GO)
    with suppress(ConnectionResetError):  # the go was not read any more
        assert connection.recv(100) == b""
    connection.close()
    assert machine.run("print('served')")[1] == "served\n" and server.poll() is None
    assert not (machine.folder / "ran").exists()


@pytest.mark.parametrize("call", ["fork", "pidfd_open"])
def test_a_fork_that_fails_costs_one_trial(machine: Machine, call: str) -> None:
    refuses = f"""
import os
real, count = os.{call}, [0]
def refused(*words):
    count[0] += 1
    if count[0] == 2:
        raise OSError(11, "Resource temporarily unavailable")
    return real(*words)
os.{call} = refused
"""
    server = machine.serve(before=refuses)
    process = machine.ask(PATIENT)
    child = child_pid(process)
    assert machine.run(PATIENT)[0] == client.LOST
    assert machine.run("print('served')")[1] == "served\n"
    assert psutil.pid_exists(child) and process.poll() is None and server.poll() is None
    assert [one.pid for one in psutil.Process(server.pid).children()] == [child]


def test_a_client_that_cannot_be_let_in_waits(machine: Machine) -> None:
    full = """
import socket
real, count = socket.socket.accept, [0]
def accept(self):
    count[0] += 1
    if count[0] == 2:
        raise OSError(24, "Too many open files")
    return real(self)
socket.socket.accept = accept
"""
    server = machine.serve(before=full)
    process = machine.ask(PATIENT)
    child = child_pid(process)
    assert machine.run("print('served')")[1] == "served\n"
    assert psutil.pid_exists(child) and process.poll() is None and server.poll() is None


def test_events_of_a_trial_that_has_just_ended_leave_the_others_alone(machine: Machine) -> None:
    server = machine.serve()
    stays, ends = machine.ask(PATIENT), machine.ask(PATIENT)
    child_pid(stays)
    child = child_pid(ends)
    server.send_signal(signal.SIGSTOP)
    os.kill(child, signal.SIGKILL)
    assert until(lambda: psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    ends.send_signal(signal.SIGINT)  # forwarded while the server cannot hear
    time.sleep(0.2)
    server.send_signal(signal.SIGCONT)
    ends.wait(10)
    assert machine.run("print('served')")[1] == "served\n"
    assert stays.poll() is None and server.poll() is None


def test_a_killed_client_takes_its_trial_along(machine: Machine) -> None:
    machine.serve()
    process = machine.ask("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); " + PATIENT)
    child = child_pid(process)
    process.kill()
    assert until(lambda: not psutil.pid_exists(child))


def test_a_killed_server_fails_its_trials_and_leaves_no_child(machine: Machine) -> None:
    server = machine.serve()
    process = machine.ask(PATIENT)
    child = child_pid(process)
    server.kill()
    assert process.wait(10) == client.LOST
    assert until(lambda: not psutil.pid_exists(child))
    # The socket that it left behind is no obstacle: the next trial runs by itself.
    assert machine.run("print('never')")[:2] == (0, "PLAIN")


def test_a_trials_own_children_end_with_it(machine: Machine) -> None:
    machine.serve()
    code = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    _, out, _ = machine.run(code)
    assert until(lambda: not psutil.pid_exists(int(out)) or psutil.Process(int(out)).status() == "zombie")


def test_without_its_starter_the_server_finishes_what_runs(machine: Machine) -> None:
    server = machine.serve()
    process = machine.ask("import time; print('on', flush=True); time.sleep(1); print('end')")
    assert process.stdout.readline() == "on\n"
    server.stdin.close()
    server.stdin = None
    status, out, err = machine.run("print('never')")
    assert (status, out) == (0, "PLAIN")
    assert "the Advisor has ended" in err
    assert process.communicate(timeout=10)[0] == "end\n"
    assert server.wait(10) == 0
    assert not place.socket_path(EXPERIMENT).exists()


def test_without_a_manager_the_server_finishes_what_runs_and_starts_nothing(machine: Machine) -> None:
    manager = subprocess.Popen(["sleep", "60"])
    server = machine.serve(manager=manager.pid)
    process = machine.ask("import time; print('on', flush=True); time.sleep(1); print('end')")
    assert process.stdout.readline() == "on\n"
    manager.kill()
    manager.wait()
    status, out, err = machine.run("print('never')")
    assert (status, out) == (0, "PLAIN")
    assert "NNI's manager has ended" in err
    assert process.communicate(timeout=10)[0] == "end\n"
    assert server.wait(10) == 0


DRAWS = "import numpy as np; print(np.random.randint(1 << 60))"


def test_trials_draw_different_random_numbers(machine: Machine) -> None:
    machine.serve(before="import numpy as np; np.random.seed(1)")
    assert machine.run(DRAWS)[1] != machine.run(DRAWS)[1]


def test_that_check_rejects_a_server_that_forgets_to_seed(machine: Machine) -> None:
    machine.serve(before="import numpy as np; np.random.seed(1); child._own_random_numbers = lambda: None")
    assert machine.run(DRAWS)[1] == machine.run(DRAWS)[1]


def test_nni_knows_which_trial_it_is(machine: Machine) -> None:
    """NNI reads its environment when it is imported, which the server did before there was a trial."""
    machine.serve(before="import nni")
    code = "import nni; print(nni.get_trial_id(), nni.get_sequence_id(), nni.get_experiment_id())"
    folder = {"NNI_SYS_DIR": str(machine.folder), "NNI_OUTPUT_DIR": str(machine.folder)}
    own = {"NNI_TRIAL_JOB_ID": "Job7", "NNI_TRIAL_SEQ_ID": "7", "NNI_CODE_DIR": str(machine.folder), **folder}
    status, _, err = machine.run(code, **own)
    assert status == 0, err
    assert "Job7 7 test1234" in (machine.folder / "trial.log").read_text()


def test_a_client_that_leaves_before_its_go_starts_nothing(machine: Machine) -> None:
    machine.serve()
    asked(machine, "open('ran', 'w')").close()
    assert machine.run("print('served')")[1] == "served\n"
    assert not (machine.folder / "ran").exists()


def test_a_dead_server_is_started_again_and_given_up_in_the_end(machine: Machine, monkeypatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start(self: starter.TrialServer) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE))
        return started[-1]

    monkeypatch.setattr(starter.TrialServer, "_start", start)
    server = starter.TrialServer(EXPERIMENT, {}, machine.folder, machine.folder, 0)
    for number in range(starter.RESTARTS):
        started[number].kill()
        assert until(lambda number=number: len(started) == number + 2)
    assert server.pid == started[-1].pid
    started[-1].kill()
    assert not until(lambda: len(started) > starter.RESTARTS + 1, 0.5)


@pytest.mark.slow
def test_children_of_the_real_server_may_use_threads(machine: Machine) -> None:
    """The libraries are imported, and torch runs forward and backward on two threads in two children at once."""
    machine.serve(before="from ednas_nni.bridge.trial.prefork.preload import preload; preload({})")
    code = (
        "import torch; torch.set_num_threads(2); x = torch.randn(4, 8, 64, 64, requires_grad=True); "
        "torch.nn.functional.conv2d(x, torch.randn(8, 8, 3, 3)).sum().backward(); "
        "import sys; print(torch.get_num_threads(), file=sys.__stderr__)"  # NNI takes standard output for its log
    )
    folder = {"NNI_SYS_DIR": str(machine.folder), "NNI_OUTPUT_DIR": str(machine.folder)}
    both = [machine.ask(code, **folder), machine.ask(code, **folder)]
    assert [process.communicate(timeout=60)[1] for process in both] == ["2\n", "2\n"]


def test_a_server_that_still_imports_ends_at_once(machine: Machine) -> None:
    """`nnictl stop` must not leave it behind for the seconds of its imports."""
    server = starter.TrialServer(EXPERIMENT, {}, machine.folder, machine.folder, 0)
    time.sleep(0.5)
    begin = time.monotonic()
    server.close()
    assert server._process.wait(10) == -starter.ENOUGH
    assert time.monotonic() - begin < 2
