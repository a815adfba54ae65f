"""Which networks a supernet trains."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ednas_nni.space.domains import Dimension, Domains, Literal
from ednas_nni.training.supernet.paths import Paths, extreme

DOMAINS = Domains(
    [
        Dimension("depth", (1, 2, 3)),
        *(
            Dimension(f"op{i}", ("small", "mid", "large"), (((Literal("depth", frozenset(range(i, 4))),),),))
            for i in (1, 2, 3)
        ),
    ]
)
LEVEL = Domains([Dimension(f"choice{n}", tuple(range(n))) for n in (2, 3, 5)])
COSTS = np.array([1.0, 3.0, 20.0])


def price(codes):
    codes = np.asarray(codes)
    return sum(COSTS[codes[:, i]] * (codes[:, 0] + 1 >= i) for i in (1, 2, 3))


def every():
    return np.array(list(itertools.product(range(3), repeat=4)))


@pytest.mark.parametrize("largest", [True, False])
def test_extremes_are_those_of_the_whole_space(largest):
    whole = price(every())
    found = price(DOMAINS.encode(extreme(DOMAINS, price, largest))[None])[0]
    assert found == (whole.max() if largest else whole.min())


def shares(sampling):
    """Share of 3,000 draws in each third of log MACs: twelve blocks of 1 or 10."""
    domains = Domains([Dimension(f"op{i}", ("small", "large")) for i in range(12)])

    def macs(codes):
        return 12.0 + 9 * np.asarray(codes).sum(axis=1)

    paths = Paths(domains, macs, 0, sampling=sampling)
    drawn = macs(np.stack([domains.encode(paths.draw()) for _ in range(3000)]))
    return np.histogram(np.log(drawn), 3, (np.log(12), np.log(120)))[0] / 3000


def test_draws_are_spread_over_macs():
    """And labels drawn evenly, the broken twin, hardly ever give a small network."""
    assert shares("macs").min() > 0.15
    assert shares("labels").min() < 0.02


def test_the_sandwich_has_both_ends_first():
    paths = Paths(DOMAINS, price, 0)
    assert paths.step(4, True)[:2] == [paths.largest, paths.smallest] and len(paths.step(4, True)) == 4
    assert paths.step(1, True) == [paths.largest]
    assert len(paths.step(3, False)) == 3


def test_draws_follow_the_seed():
    assert Paths(DOMAINS, price, 5).step(20, True) == Paths(DOMAINS, price, 5).step(20, True)
    assert Paths(DOMAINS, price, 6).step(20, False) != Paths(DOMAINS, price, 7).step(20, False)


def test_dealt_values_come_equally_often():
    """And values drawn evenly, the broken twin, do not; draws go on from a state."""

    def counts(paths):
        drawn = [paths.draw() for _ in range(30)]
        return [[sum(sample[d.label] == value for sample in drawn) for value in d.values] for d in LEVEL.dimensions]

    dealt = Paths(LEVEL, lambda codes: np.asarray(codes).sum(1), 0, "dealt")
    twin = Paths(LEVEL, lambda codes: np.asarray(codes).sum(1), 1, "dealt")
    assert counts(dealt) == [[15, 15], [10, 10, 10], [6] * 5]
    assert counts(Paths(LEVEL, lambda codes: np.asarray(codes).sum(1), 0, "labels")) != [
        [15, 15],
        [10, 10, 10],
        [6] * 5,
    ]
    further = dealt.state
    after = [dealt.draw() for _ in range(7)]
    assert [twin.draw() for _ in range(7)] != after
    twin = Paths(LEVEL, lambda codes: np.asarray(codes).sum(1), 0, "dealt")
    twin.state = further
    assert [twin.draw() for _ in range(7)] == after
