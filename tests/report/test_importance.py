"""Importance of choices: against a plain sum of squares, on choices that decide all, half and nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import f_oneway

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


@pytest.mark.parametrize(("networks", "wide"), [(12, 0.7), (40, 0.5)])
def test_the_interval_holds_the_truth(networks: int, wide: float) -> None:
    """Of 200 searches, in which the choice tells half of the variance."""
    inside, widths = 0, list[float]()
    for seed in range(200):
        rng = np.random.default_rng(seed)
        groups = rng.integers(0, 2, networks)
        _, low, high = share(groups, groups + rng.normal(0, 0.5, networks))
        inside += low <= 0.5 <= high
        widths.append(high - low)
    assert 183 <= inside <= 198
    assert np.median(widths) < wide, "an interval that is always wide holds everything"


@given(st.integers(3, 30), st.integers(2, 5), st.sampled_from((0.0, 1e-9, 1e-3, 1.0)), st.integers(0, 2**32 - 1))
def test_the_share_lies_in_its_interval(networks: int, most: int, noise: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.unique(rng.integers(0, most, networks), return_inverse=True)[1]
    values = groups + noise * rng.normal(size=networks)
    assume(1 < groups.max() + 1 < networks and np.ptp(values) > 0)
    value, low, high = share(groups, values)
    assert 0 <= low <= value + 1e-9 and value - 1e-9 <= high <= 1


def test_the_ends_are_those_of_the_noncentral_f() -> None:
    """Drawn from its definition: at each end of the interval what was found is a case of 2.5 %."""
    rng = np.random.default_rng(1)
    groups = np.repeat([0, 1, 2], 8)
    values = groups + rng.normal(size=24)
    found = f_oneway(*(values[groups == g] for g in range(3))).statistic
    _, low, high = share(groups, values)
    for end, rarer in ((low, 0.025), (high, 0.975)):
        drawn = rng.noncentral_chisquare(2, 24 * end / (1 - end), 200_000) / 2 / (rng.chisquare(21, 200_000) / 21)
        assert (drawn > found).mean() == pytest.approx(rarer, abs=0.002)


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
