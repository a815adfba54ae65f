"""Quantiles, shares and extremes, against exhaustive search over a small space."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from devices.counters import Macs, Params
from ednas_nni.cost import feasible_share, smallest
from ednas_nni.cost import summary as summary_module
from ednas_nni.cost.features import SpaceFeatures, Term
from ednas_nni.cost.summary import largest, random_codes, summarise
from ednas_nni.cost.table import CostTable
from ednas_nni.errors import StudyError
from ednas_nni.space.domains import Dimension, Domains, Literal
from ednas_nni.study.objectives import Constraint

DOMAINS = Domains(
    [
        Dimension("depth", (1, 2)),
        Dimension("a", ("x", "y", "z")),
        Dimension("b", ("x", "y", "z"), (((Literal("depth", frozenset({2})),),),)),
    ]
)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    second = rng.integers(1, 100, (2, 3, 2)).astype(float)
    second[0] = 0
    terms = (
        Term((), np.array([7.0, 1.0])),
        Term(("a",), rng.integers(1, 100, (3, 2)).astype(float)),
        Term(("depth", "b"), second),
    )
    return CostTable(SpaceFeatures(("0:macs", "1:params"), terms, DOMAINS), [Macs(), Params()], (64, 64))


def all_costs(table):
    return table.encoded(np.array(list(itertools.product(range(2), range(3), range(3)))))


@pytest.mark.parametrize("limit", [1 << 18, 1])
def test_extremes_equal_exhaustive_search(table, monkeypatch, limit):
    monkeypatch.setattr(summary_module, "EXHAUSTIVE", limit)
    for column, name in enumerate(table.names):
        low, high = smallest(table, name), largest(table, name)
        assert low.value == all_costs(table)[:, column].min()
        assert high.value == all_costs(table)[:, column].max()
        assert table([low.sample])[0, column] == low.value
        assert low.exhaustive == (limit > 1)


def test_shares_and_quantiles(table):
    costs = all_costs(table)[:, 0]
    bound = float(np.median(costs))
    assert feasible_share(table, [Constraint("macs", "<=", bound)]) == pytest.approx((costs <= bound).mean(), abs=0.04)
    assert feasible_share(table, [Constraint("macs", ">=", bound), Constraint("params", "<=", -1)]) == 0
    assert feasible_share(table, []) == 1
    codes = random_codes(table.domains, 2000, np.random.default_rng(0))
    macs, params = summarise(table, codes, table.encoded(codes), (0.0, 1.0))
    assert (macs.column.name, params.column.name, macs.samples) == ("macs", "params", 2000)
    assert macs.quantiles[0.0] == costs.min() and macs.quantiles[1.0] == costs.max()
    assert macs.extrapolated == 0.0


def test_unknown_columns_are_named(table):
    for ask in (lambda: smallest(table, "mac"), lambda: feasible_share(table, [Constraint("mac", "<=", 1)])):
        with pytest.raises(StudyError, match="macs"):
            ask()
