"""Two fronts at equal quality: what is put in comes out, and one lucky network does not decide."""

from __future__ import annotations

import front_against_members as front
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

MEMBERS = [(8.0, 0.30), (10.0, 0.32), (12.0, 0.34), (16.0, 0.36)]


def times(factor: float) -> list[tuple[float, float]]:
    """The members, faster by a factor."""
    return [(latency * factor, quality) for latency, quality in MEMBERS]


def test_the_example() -> None:
    qualities, latencies = front.curve([(16, 0.33), (8, 0.30), (12, 0.35)])
    assert qualities == pytest.approx([0.30, 0.34]) and np.exp(latencies) == pytest.approx([8, 12])


@given(st.lists(st.floats(0.3, 1.5), min_size=2, max_size=5))
def test_a_factor_comes_out_at_every_point(factors: list[float]) -> None:
    """The factors of the seeds as their geometric mean, though they are paired with members that differ by seed."""
    pairs = [front.compared([(2 * t * f, q) for t, q in MEMBERS], [(2 * t, q) for t, q in MEMBERS]) for f in factors]
    wanted = 100 * (1 - np.exp(np.mean(np.log(factors))))
    for *_, less in front.rows_of(pairs):
        assert float(less.split(" [")[0]) == pytest.approx(wanted, abs=0.51)


def test_order_is_that_of_confirmed_qualities() -> None:
    rising = {
        str(n): {"inherited": n / 9, "confirmed": [{"default": n / 4 + 0.01}, {"default": n / 4}]} for n in range(4)
    }
    falling = {name: {**one, "inherited": -one["inherited"]} for name, one in rising.items()}
    assert (front.order(rising), front.order(falling)) == (1, -1)


def test_sides_are_not_swapped() -> None:
    (row, *_) = front.rows_of([front.compared(times(0.5), MEMBERS)])
    assert row[-1] == "50" and float(row[3]) == pytest.approx(float(row[2]) / 2, abs=0.1)


def test_without_a_common_quality_nothing_is_said() -> None:
    with pytest.raises(ValueError, match="no quality in common"):
        front.compared([(2.0, 0.1), (3.0, 0.2)], MEMBERS)


def running_best(points: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """The broken variant: a front of single results, which the luckiest one lifts from its latency on."""
    qualities, latencies = [], []
    for latency, quality in sorted(points):
        if not qualities or quality > qualities[-1]:
            qualities.append(quality)
            latencies.append(np.log(latency))
    return np.array(qualities), np.array(latencies)


def optimism(monkeypatch: pytest.MonkeyPatch, curve: object) -> float:
    """Mean log ratio that many equal networks on one side, with the noise of a training, seem to gain over a few."""
    monkeypatch.setattr(front, "curve", curve)
    rng, found = np.random.default_rng(0), []
    for _ in range(200):
        many, few = ([(t, 0.02 * np.log(t) + rng.normal(0, 0.006)) for t in np.geomspace(4, 32, n)] for n in (40, 8))
        found += [np.log(ours / theirs) for _, ours, theirs in front.compared(many, few)]
    return float(np.mean(found))


def test_noise_of_many_networks_is_no_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert abs(optimism(monkeypatch, front.curve)) < 0.1
    assert optimism(monkeypatch, running_best) < -0.2
