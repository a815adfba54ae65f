"""Trainings side by side: what they return, and what a user reads when a process dies."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import psutil
import pytest
import torch

from ednas_nni.errors import SampleError, TrialError
from ednas_nni.training.pool import results


def _twice(number: int) -> int:
    return 2 * number


def _threads(number: int) -> int:
    return torch.get_num_threads()


def _dies(number: int) -> int:
    os._exit(9)


def _lacks_memory(number: int) -> int:
    raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried")


def _fails(number: int) -> int:
    if number == 1:
        raise SampleError("no such choice")
    return number


def _wrong(number: int) -> int:
    raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_here_with_one_thread_which_is_given_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert dict(results(_threads, [(1,), (2,)], workers=1)) == {(1,): 1, (2,): 1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_our_errors_belong_to_their_job_and_others_end_everything() -> None:
    found = dict(results(_fails, [(0,), (1,), (2,)], workers=1))
    assert found[(0,)] == 0 and found[(2,)] == 2 and isinstance(found[(1,)], SampleError)
    with pytest.raises(RuntimeError, match="shapes"):
        list(results(_wrong, [(0,)], workers=1))
    assert list(results(_twice, [], workers=2)) == []


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_jobs_that_results_bring_up_are_done_too_and_those_at_the_front_first(workers: int) -> None:
    queue, order = deque([(1,), (10,), (20,)]), []
    for (number,), twice in results(_twice, queue, workers):
        order.append(number)
        assert twice == 2 * number
        if number < 4:
            queue.appendleft((number + 1,))
    assert sorted(order) == [1, 2, 3, 4, 10, 20] and not queue
    assert workers > 1 or order == [1, 2, 3, 4, 10, 20]


def test_a_lack_of_memory_says_what_to_do() -> None:
    with pytest.raises(TrialError, match=r"out of memory: .*\. Fewer trainings side by side need less \(--workers 1\)"):
        list(results(_lacks_memory, [(0,)], workers=1))


@pytest.mark.slow
def test_a_script_without_a_guard_says_what_to_do(tmp_path) -> None:
    """Its processes begin it anew, up to where it starts processes of its own."""
    script = tmp_path / "script.py"
    call = "print([job for job, _ in results(abs, [(1,), (2,)], 2)])"
    for guard, words in (("if True", "below `if __name__ == '__main__':`"), ('if __name__ == "__main__"', "(2,)")):
        script.write_text(f"from ednas_nni.training.pool import results\n{guard}:\n    {call}\n")
        ended = subprocess.run([sys.executable, script], capture_output=True, text=True)
        assert words in ended.stdout + (ended.stderr.splitlines() or [""])[-1]


def test_a_killed_process_says_what_to_do_and_one_job_has_one_thread_too() -> None:
    assert list(results(_threads, [(1,)], workers=2)) == [((1,), 1)]
    with pytest.raises(TrialError, match=r"a process was killed, most likely for want of memory, or .*\. Fewer"):
        list(results(_dies, [(0,), (1,)], workers=2))


@pytest.mark.slow
@pytest.mark.parametrize("mended", [True, False], ids=["ours", "broken: as concurrent.futures leaves it"])
def test_nothing_trains_on_when_the_command_was_killed(mended: bool) -> None:
    script = """
import time
from ednas_nni.training import pool
if __name__ == "__main__":
    BREAK
    list(pool.results(time.sleep, [(40,), (41,)], workers=2))
""".replace("BREAK", "" if mended else "pool._begin = id")
    command = subprocess.Popen([sys.executable, "-c", script])
    workers: list[psutil.Process] = []
    try:
        while len(workers) < 2:
            assert command.poll() is None
            running = psutil.Process(command.pid).children(recursive=True)
            # A worker has begun when it has taken time for its imports and takes none any more.
            workers = [one for one in running if "spawn_main" in " ".join(one.cmdline()) and _rests(one)]
        command.kill()
        command.wait(timeout=10)
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert bool(alive) != mended
    finally:
        command.kill()
        for one in workers:
            if one.is_running():
                one.kill()


def _rests(process: psutil.Process) -> bool:
    before = process.cpu_times().user
    time.sleep(0.5)
    return before > 1 and process.cpu_times().user == before


def _waits(folder: str, number: int) -> int:
    Path(folder, str(number)).touch()
    if number == 0:
        while not Path(folder, "1").exists():
            time.sleep(0.05)
        raise OSError(28, "No space left on device")
    time.sleep(120)
    return number


@pytest.mark.slow
def test_what_ends_everything_does_not_wait_for_the_trainings_beside_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        list(results(_waits, [(str(tmp_path), 0), (str(tmp_path), 1)], workers=2))
    end = time.monotonic() + 30
    while psutil.Process().children(recursive=True) and time.monotonic() < end:
        time.sleep(0.1)
    names = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    assert not [name for name in names if "spawn_main" in name]
