"""What is taken, against drawing it many times; and that trainings have a price."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.trust import ranks
from evidence.trust.picks import LOT, ExpectedPick, picks, taken

N, GROUPS = 30, np.repeat([0, 1, 2], 10)
ONCE = np.ones((1, N))


def drawn(proxy: np.ndarray, truth: np.ndarray, count: int, draws: int, seed: int) -> float:
    """The same by lot: `count` of each group with replacement, the best by proxy."""
    rng = np.random.default_rng(seed)
    found = []
    for row in proxy:
        for group in np.unique(GROUPS):
            members = np.flatnonzero(group == GROUPS)
            lots = rng.choice(members, size=(draws, count))
            best = lots[np.arange(draws), row[lots].argmax(axis=1)]
            found.append(truth[best].mean())
    return float(np.mean(found))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_equals_a_simulation(count: int) -> None:
    rng = np.random.default_rng(count)
    truth = rng.normal(size=N)
    proxy = truth + rng.normal(size=(2, N))
    exact = taken(proxy, truth, GROUPS, count, ONCE)[0]
    assert exact == pytest.approx(drawn(proxy, truth, count, 40_000, seed=1), abs=0.01)
    assert abs(taken(-proxy, truth, GROUPS, count + 1, ONCE)[0] - exact) > 0.05, "the worst by proxy is another"


def test_one_training_decides_nothing_and_many_take_the_best() -> None:
    truth = np.random.default_rng(0).normal(size=N)
    assert taken(truth, truth, GROUPS, 1, ONCE)[0] == pytest.approx(truth.mean())
    assert taken(truth, truth, GROUPS, 0.3, ONCE)[0] == pytest.approx(truth.mean()), "something is always taken"
    best = np.mean([truth[g == GROUPS].max() for g in range(3)])
    assert taken(truth, truth, GROUPS, 1e4, ONCE)[0] == pytest.approx(best)


def test_resampling_a_member_is_the_same_as_having_it_twice() -> None:
    rng = np.random.default_rng(3)
    truth, proxy = rng.normal(size=N), rng.normal(size=N)
    counts = rng.multinomial(N, np.full(N, 1 / N))
    while not all(counts[g == GROUPS].sum() for g in range(3)):
        counts = rng.multinomial(N, np.full(N, 1 / N))
    twice = np.repeat(np.arange(N), counts)
    assert taken(proxy, truth, GROUPS, 4, counts[None].astype(float))[0] == pytest.approx(
        taken(proxy[twice], truth[twice], GROUPS[twice], 4, np.ones((1, N)))[0]
    )


def found(images: dict[str, int], noise: dict[str, float]) -> dict[str, ExpectedPick]:
    rng = np.random.default_rng(5)
    groups = np.repeat([0, 1, 2], 40)
    truth = rng.normal(size=120)
    proxies = {name: truth + deviation * rng.normal(size=(2, 120)) for name, deviation in noise.items()}
    return {p.recipe: p for p in picks(proxies, images, "study", truth, groups, 24)}


def test_a_recipe_that_costs_more_must_earn_it() -> None:
    """Equal orders: the dearer one has fewer trainings and takes worse. Not so where its order is far better."""
    alike = found({"study": 10, "dear": 40}, {"study": 0.3, "dear": 0.3})
    assert alike["study"].trainings == 24 and alike["dear"].trainings == 6
    assert alike["study"].gain == ranks.RankEstimate(0.0, 0.0, 0.0)
    assert alike["dear"].gain.high < 0
    assert alike[LOT].trainings == 0 and alike[LOT].quality.high < alike["dear"].quality.value
    free = found({"study": 10, "dear": 10}, {"study": 0.3, "dear": 0.3})
    assert free["dear"].gain.high > 0, "the broken variant: without its price it is as good"
    better = found({"study": 10, "dear": 20}, {"study": 3.0, "dear": 0.1})
    assert better["dear"].gain.low > 0
    low, high = better["dear"].quality.low, better["dear"].quality.high
    assert low < better["dear"].quality.value < high
