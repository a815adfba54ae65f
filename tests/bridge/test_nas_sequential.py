"""Failing trials of the sequential engine: causes, the time limit, the first failures."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

import ednas_nni
from ednas_nni.errors import ExperimentError, StudyError, TrialError
from ednas_nni.handover.search import SearchRecord
from ednas_nni.record.head import JournalHead
from ednas_nni.record.journal import History
from ednas_nni.search.assembled import Assembled
from ednas_nni.study import parse


def searched(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    trials: int,
    evaluator: dict[str, Any],
    fruitless: int = 0,
    **study: Any,
) -> History:
    """Run it; with so many `fruitless` trials, all of them, it raises."""
    monkeypatch.setenv("HOME", str(home))
    told = {
        "evaluator": {"name": "stub", "reports": 1, **evaluator},
        "strategy": "random",
        "hardware_aware": "off",
        **study,
    }
    search = ednas_nni.experiment(told, engine="sequential", trials=trials)
    error = (
        pytest.raises(TrialError, match=f"none of {fruitless} trials has a result: ") if fruitless else nullcontext()
    )
    with error:
        search.run()
    search.stop()
    return search.journal.history()


def test_a_trial_that_takes_too_long_fails_with_that_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = searched(tmp_path, monkeypatch, 1, {"seconds": 30}, fruitless=1, trial_time_limit_s=1.0)
    ((status, cause),) = [(t.status, t.cause) for t in history.trials]
    assert (status, cause) == ("failed", "time limit: the trial did not end within 1 s (trial_time_limit_s)")


def test_the_first_failures_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = searched(tmp_path, monkeypatch, 9, {"fail_every": 1}, fruitless=2, stop_after_failures=2)
    assert [t.cause for t in history.trials] == ["the stub evaluator was told to fail for this architecture"] * 2
    assert history.finished.startswith("the first 2 trials failed, all with: the stub evaluator was told")


def test_the_last_trials_finish_the_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = {"networks": 2, "steps": 3, "seeds": 2}
    history = searched(tmp_path, monkeypatch, 10, {"noise": 0.001}, finish=finish)
    assert [t.status for t in history.trials] == ["trained"] * 6
    assert [(t.status, t.seed, t.steps) for t in history.finishing] == [
        ("trained", seed, 3) for seed in (2000, 2000, 2001, 2001)
    ]
    for trial in history.finishing:  # the same network with another seed: the noise alone differs
        searched_as = history.results[trial.architecture].quality
        assert trial.quality != searched_as and trial.quality == pytest.approx(searched_as, abs=0.01)
    assert history.finished == "2 networks of the front are finished"


def test_a_front_on_one_device_under_limits_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = ["phone_cpu_latency_ms <= 140", "latency_ms <= 20"]
    several = {"devices": ["edge_tpu", "roofline/phone_cpu", "peak_memory/float32"], "constraints": limits}
    history = searched(tmp_path, monkeypatch, 8, {}, **several, objectives=["quality", "latency_ms"])
    assert all(t.costs["phone_cpu_latency_ms"] <= 140 and t.costs["latency_ms_upper90"] <= 20 for t in history.trials)
    search = SearchRecord(history, cast(JournalHead, history.head))
    labels = {q.key: q.label for q in search.costs}
    assert labels["latency_ms"] == "latency, edge_tpu" and labels["phone_cpu_latency_ms"] == "latency, phone_cpu"
    phone = sorted(a.costs["phone_cpu_latency_ms"] for a in search.front)
    picked = search.front.pick(limit=f"phone_cpu_latency_ms <= {phone[0] + 1e-9!r}")
    assert picked.costs["phone_cpu_latency_ms"] <= phone[0]
    with pytest.raises(StudyError, match=r"Write 'latency_ms': no device before it"):
        search.front.pick(limit="edge_tpu_latency_ms <= 9")
    with pytest.raises(StudyError, match=r"constraints: 'edge_tpu_latency_ms' .* Write 'latency_ms'"):
        _ = Assembled(parse({**several, "constraints": ["edge_tpu_latency_ms <= 9"]})).problem


def test_what_was_never_started_cannot_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    search = ednas_nni.experiment(
        {"evaluator": {"name": "stub"}, "strategy": "random", "hardware_aware": "off"}, engine="sequential", id="never"
    )
    with pytest.raises((ExperimentError, RuntimeError), match="never"):
        search.resume()
