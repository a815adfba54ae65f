"""Importance of choices: against a plain sum of squares, on choices that decide all, half and nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ednas_nni.record.journal import load
from ednas_nni.report.data import view
from ednas_nni.report.importance import importance, share

RNG = np.random.default_rng(0)
HALF = np.tile([0, 1], 30)


def reference(groups: np.ndarray, values: np.ndarray) -> float:
    """Epsilon squared by loops."""
    total = sum((v - values.mean()) ** 2 for v in values)
    within = sum(sum((v - values[groups == g].mean()) ** 2 for v in values[groups == g]) for g in set(groups))
    k, n = len(set(groups)), len(values)
    return (total - within - (k - 1) * within / (n - k)) / total


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [(HALF * 2.0, 1.0, 1.0), (HALF + RNG.normal(0, 0.5, 60), 0.3, 0.7), (RNG.normal(0, 1, 60), 0.0, 0.1)],
    ids=["all", "half", "nothing"],
)
def test_share(values: np.ndarray, low: float, high: float) -> None:
    value, lower, upper = share(HALF, values)
    assert value == pytest.approx(max(0.0, reference(HALF, values)), abs=1e-9)
    assert low <= value <= high and 0 <= lower <= value <= upper <= 1


def test_the_interval_holds_the_truth() -> None:
    """Of 200 searches of 40 networks, in which the choice tells half of the variance."""
    inside, widths = 0, list[float]()
    for seed in range(200):
        rng = np.random.default_rng(seed)
        groups = rng.integers(0, 2, 40)
        _, low, high = share(groups, groups + rng.normal(0, 0.5, 40))
        inside += low <= 0.5 <= high
        widths.append(high - low)
    assert 175 <= inside <= 200
    assert np.median(widths) < 0.6, "an interval that is always wide holds everything"


def test_choices_of_a_search(synthetic: Any, tmp_path: Path) -> None:
    path = synthetic.write(tmp_path / "abc", trials=40)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    deep = {e["trial"]: e["sample"]["stage2_depth"] for e in events if e["event"] == "submitted"}
    for event in events:
        if event["event"] == "result":
            event["metrics"]["default"] = deep[event["trial"]] / 10
    rows = importance(view(load(synthetic.dump(tmp_path / "abc", events))))
    assert rows[0].label == "stage2_depth" and rows[0].shares["quality"][0] == pytest.approx(1.0)
    assert max(row.shares["quality"][0] for row in rows if not row.label.startswith("stage2")) < 0.7
    assert set(rows[0].shares) == {"quality", "latency_ms", "macs", "params"}
    assert importance(view(load(synthetic.write(tmp_path / "few", trials=5)))) == []
