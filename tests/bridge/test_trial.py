"""The trial: how many threads it takes, and what may go wrong after its result is out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ednas_nni.bridge.trial import limits
from ednas_nni.bridge.trial import run as trial

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that they are put back afterwards
        del os.environ[name]
    return monkeypatch


@pytest.mark.parametrize(("cores", "concurrency", "wanted"), [(8, 2, 4), (8, 3, 2), (2, 4, 1), (1, 1, 1)])
def test_trials_share_the_cores_that_they_may_use(
    unset: pytest.MonkeyPatch, cores: int, concurrency: int, wanted: int
) -> None:
    unset.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    unset.setattr(os, "cpu_count", lambda: 64)  # of the whole machine
    assert limits.share_cores(concurrency) == wanted
    assert [os.environ[name] for name in VARIABLES] == [str(wanted)] * 3


@pytest.mark.parametrize(("given", "wanted"), [("3", 3), ("4,2", 8), ("0", 8)])
def test_the_users_own_number_holds(unset: pytest.MonkeyPatch, given: str, wanted: int) -> None:
    unset.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    os.environ["OMP_NUM_THREADS"] = given
    assert limits.share_cores(1) == wanted
    assert os.environ["OMP_NUM_THREADS"] == given


ORDER = """
import os, sys
from ednas_nni.bridge.trial import run as trial
from ednas_nni.bridge.trial import limits
from ednas_nni.bridge.manager.rest import Manager
study = {"evaluator": {"name": "stub"}, "strategy": "random"}
Manager.experiment = lambda self: {"params": {"trialConcurrency": 1, "tuner": {"classArgs": study}}}
real = limits.share_cores
def watched(concurrency):
    print("before" if "numpy" not in sys.modules and "nni" not in sys.modules else "after")
    real(concurrency)
    sys.exit()
limits.share_cores = watched
{BROKEN}
trial.here([])
"""


def when_threads_are_set(broken: str = "") -> str:
    environment = {
        **os.environ,
        "NNI_PLATFORM": "local",
        "NNI_TRIAL_JOB_ID": "A",
        "NNI_TRIAL_COMMAND_CHANNEL": "http://localhost:1/env/local-env/A",
    }
    code = ORDER.replace("{BROKEN}", broken)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_threads_are_set_before_numpy_is_loaded() -> None:
    assert when_threads_are_set() == "before"


def test_the_order_check_rejects_loading_numpy_first() -> None:
    assert when_threads_are_set("import numpy") == "after"


class Evaluator:
    def __init__(self, found: Any) -> None:
        self.found = found

    def example_predictions(self, network: Any) -> dict[str, np.ndarray]:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_examples_lie_beside_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path))
    trial.write_examples(Evaluator({"image": np.zeros(2)}), None)
    assert np.load(tmp_path / "examples.npz")["image"].shape == (2,)


@pytest.mark.parametrize("where", ["the evaluator", "the disk"])
def test_lost_examples_do_not_fail_a_trial_that_has_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    monkeypatch.setenv("NNI_OUTPUT_DIR", str(tmp_path / ("" if where == "the evaluator" else "missing")))
    found = RuntimeError("out of memory") if where == "the evaluator" else {"image": np.zeros(2)}
    trial.write_examples(Evaluator(found), None)
    told = capsys.readouterr().err
    assert "no example predictions are written" in told
    assert ("out of memory" if where == "the evaluator" else "No such file") in told
    assert "ednas: error: " not in told  # which would be taken for the cause of a failure


class Channel:
    """Refuses a second proof, as a trial without one would not notice."""

    def __init__(self) -> None:
        self.proved: list[str] = []

    def prove(self, architecture: str) -> None:
        self.proved.append(architecture)
        raise SystemExit(0)


@pytest.mark.parametrize("journal", ["at hand", "on another machine"])
def test_every_trial_proves_its_architecture_before_it_trains(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ednas_nni.nn.tree import domains_of
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    study = parse({"evaluator": {"name": "stub"}, "strategy": "random"})
    assembled = Assembled(study)
    domains = domains_of(assembled.space)
    sample = domains.random(np.random.default_rng(0))
    head = SimpleNamespace(search_space=lambda: domains) if journal == "at hand" else None
    monkeypatch.setattr(Assembled, "evaluator", property(lambda _: pytest.fail("trained without proof")))
    channel = Channel()
    with pytest.raises(SystemExit):
        trial.TrialRun(assembled, channel, head).train(sample)
    assert channel.proved == [domains.architecture_id(sample)]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device", "/x"), "ednas: error: disk full: No space left on device (/x)\n"),
        (MemoryError(), "ednas: error: out of memory: "),
        (KeyError("a bug"), "ednas: error: KeyError: 'a bug'\n"),
    ],
)
def test_the_last_line_of_a_failed_trial_is_its_cause(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(trial, "_run", fail)
    assert trial.here([]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert told in said
    assert said.splitlines()[-1].startswith("ednas: error: ")
