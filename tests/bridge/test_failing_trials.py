"""Trials that fail in every way, on real NNI: each has its cause in the journal and in what the web UI shows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ednas_nni.bridge.manager import launch
from ednas_nni.record.failures import CAUSE, kind
from ednas_nni.record.journal import History, journal_path, load
from tests.bridge.conftest import processes_of
from tests.bridge.experiments import write_experiment

pytestmark = [pytest.mark.nni, pytest.mark.slow]

EVALUATOR = """
import errno, os, signal, time
from pathlib import Path
import nni
from ednas_nni.errors import TrialError
from ednas_nni.training.stub import StubEvaluator

WAYS = ("exception", "diverged", "memory", "disk", "slow", "killed", "wait", "nan", "good")


@nni.trace
class Failing(StubEvaluator):
    def __init__(self, folder: str = "", only: str = "", seed: int = 0, tasks=(), data=None, train_size=()) -> None:
        super().__init__(seed=seed)
        self.folder, self.only = folder, only

    def evaluate(self, sample):
        for way in WAYS:
            try:
                os.close(os.open(Path(self.folder) / way, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            break
        getattr(self, "_" + (self.only or way))(sample)

    def _exception(self, sample):
        raise KeyError("a bug of the user's own")

    def _diverged(self, sample):
        raise TrialError("The loss is not finite at step 3 of 9: total nan.")

    def _memory(self, sample):
        raise MemoryError

    def _disk(self, sample):
        raise OSError(errno.ENOSPC, "No space left on device", "/data/cache")

    def _slow(self, sample):
        time.sleep(60)

    def _killed(self, sample):
        os.kill(os.getpid(), signal.SIGKILL)

    def _wait(self, sample):
        (Path(self.folder) / "cancel").write_text(os.environ["NNI_TRIAL_JOB_ID"])
        time.sleep(60)

    def _nan(self, sample):
        nni.report_final_result({"default": float("nan")})

    def _good(self, sample):
        nni.report_final_result({"default": 0.5})
"""
KINDS = {
    "error": 'KeyError: "a bug of the user\'s own"',
    "diverged": "The loss is not finite at step 3 of 9: total nan.",
    "out of memory": "out of memory: the process may not have more",
    "disk full": "disk full: No space left on device (/data/cache)",
    "time limit": "time limit: the trial did not end within 4 s (trial_time_limit_s)",
    "killed": "killed: the trial was ended by",
    "cancelled": "cancelled by the user",
}


def search(home: Path, start: str, trials: int, **study: Any) -> tuple[History, dict[str, Any], dict[str, str]]:
    """Journal, NNI's last status and the error outputs by job, of a search whose trials fail."""
    (home / "failing.py").write_text(EVALUATOR)
    options = {k: study.pop(k) for k in list(study) if k == "only"}
    told = {
        "evaluator": {"name": "failing:Failing", "folder": str(home), **options}, "strategy": "random",
        "hardware_aware": "off", "seed": 3, "trial_start": start, "retries": 0, "trial_time_limit_s": 4.0, **study,
    }  # fmt: skip
    path = write_experiment(home, "failing", told, trials, code=str(home))
    running = launch.create(path)
    name, manager, cancelled = running.id, running.manager, False
    try:
        end = time.monotonic() + 600
        while (status := manager.status())["status"] not in ("DONE", "ERROR"):
            assert time.monotonic() < end, "not done"
            if (home / "cancel").exists() and not cancelled:
                cancelled = True
                manager.delete(f"trial-jobs/{(home / 'cancel').read_text()}")
            time.sleep(0.3)
        time.sleep(1.5)
        logs = {job["trialJobId"]: manager.get(f"trial-file/{job['trialJobId']}/stderr") for job in manager.trials()}
    finally:
        running.stop()
    assert processes_of(name) == []
    return load(journal_path(home / "experiments", name)), status, logs


@pytest.mark.parametrize("start", ["prefork", "plain"])
def test_each_failure_has_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    history, status, logs = search(tmp_path, start, trials=9, stop_after_failures=0)
    assert status["status"] == "DONE"
    found = [(t.status, t.cause) for t in history.trials]
    assert [s for s, _ in found] == ["failed"] * 6 + ["cancelled", "failed", "trained"]
    for told, cause in zip(found, KINDS.values(), strict=False):
        assert told[1].startswith(cause), found
    assert "default is nan" in found[7][1]
    assert [kind(cause) for _, cause in found[:7]] == list(KINDS)
    for trial in history.trials[:5]:
        assert f"{CAUSE}{trial.cause}" in logs[trial.job]
    assert all(trial.quality is None for trial in history.trials[:8])


def test_a_killed_trial_is_tried_again_with_its_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    history, _, _ = search(tmp_path, "prefork", trials=3, retries=2, stop_after_failures=0, only="killed")
    assert [t.status for t in history.trials] == ["failed"] * 3
    assert len({t.architecture for t in history.trials}) == 1


def test_a_search_that_only_fails_stops_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    history, status, _ = search(tmp_path, "prefork", trials=12, stop_after_failures=3, only="exception")
    assert status["status"] == "ERROR"
    assert history.finished.startswith("the first 3 trials failed, all with: KeyError")
    assert 3 <= len(history.trials) <= 4
