"""Exact minima of sums of small functions, and draws in which all architectures are equally likely."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from devices.counters import Macs
from ednas_nni.cost import minimum as minimum_module
from ednas_nni.cost import smallest
from ednas_nni.cost import summary as summary_module
from ednas_nni.cost.device import AdditiveDevice, LowerBound
from ednas_nni.cost.features import SpaceFeatures, Term
from ednas_nni.cost.minimum import minimise
from ednas_nni.cost.summary import random_codes
from ednas_nni.cost.table import CostTable
from ednas_nni.space.domains import Dimension, Domains, Literal
from ednas_nni.space.draws import draw_architectures


@st.composite
def problems(draw):
    extents = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    functions = []
    for _ in range(draw(st.integers(0, 6))):
        labels = tuple(rng.permutation(len(extents))[: rng.integers(0, len(extents) + 1)].tolist())
        functions.append((labels, rng.integers(0, 50, [extents[x] for x in labels]).astype(float)))
    return functions, extents


def value(functions, codes):
    return sum(float(values[tuple(codes[x] for x in labels)]) for labels, values in functions)


def is_minimum(functions, extents, found):
    best, codes = found
    everything = [value(functions, each) for each in itertools.product(*map(range, extents))]
    return best == min(everything) and value(functions, codes) == best


def label_by_label(functions, extents):
    """The broken variant: each label takes what is best on average over the others."""
    codes = []
    for label in range(len(extents)):
        means = np.zeros(extents[label])
        for labels, values in functions:
            if label in labels:
                means += values.mean(axis=tuple(i for i, x in enumerate(labels) if x != label))
        codes.append(int(means.argmin()))
    return value(functions, codes), np.array(codes)


@given(problems())
@settings(max_examples=150, deadline=None)
def test_minimum_equals_that_of_all_assignments(problem):
    functions, extents = problem
    assert is_minimum(functions, extents, minimise(functions, extents))


def test_the_check_rejects_a_greedy_minimum():
    functions = [((0, 1), np.array([[0.0, 9.0], [5.0, 5.0]])), ((1,), np.array([8.0, 0.0]))]
    assert is_minimum(functions, [2, 2], minimise(functions, [2, 2]))
    assert not is_minimum(functions, [2, 2], label_by_label(functions, [2, 2]))


def test_what_hangs_together_too_much_is_not_tried(monkeypatch):
    monkeypatch.setattr(minimum_module, "MAX_ENTRIES", 8)
    wide = [((0, 1), np.zeros((4, 4))), ((1, 2), np.zeros((4, 4)))]
    assert minimise(wide, [4, 4, 4]) is None


class Streaming(AdditiveDevice):
    """MACs, and more where a maximum is large: the linear part is only a bound."""

    name = "streaming"
    columns = Macs().columns
    maxima = frozenset({"peak"})

    def layer_features(self, layer):
        return {}

    def costs(self, totals):
        return {"macs": totals["macs"] + 10 * np.maximum(totals["peak"] - 5, 0)}

    def lower_bound(self, column):
        return LowerBound({"macs": 1.0})


@pytest.mark.parametrize(("peaks", "exact"), [((1.0, 2.0, 3.0), True), ((8.0, 7.0, 6.0), False)])
def test_a_smallest_value_is_called_exact_only_where_it_is_proved(monkeypatch, peaks, exact):
    monkeypatch.setattr(summary_module, "EXHAUSTIVE", 1)
    domains = Domains([Dimension("a", (0, 1, 2)), Dimension("b", (0, 1))])
    a = np.stack([np.array([1.0, 2.0, 9.0]), np.array(peaks)], 1)
    terms = (Term(("a",), a), Term(("b",), np.array([[4.0, 0.0], [3.0, 0.0]])))
    table = CostTable(
        SpaceFeatures(("0:macs", "0:peak"), terms, domains, frozenset({"0:peak"})), [Streaming()], (64, 64)
    )
    found = smallest(table, "macs")
    everything = table.encoded(np.array(list(itertools.product(range(3), range(2)))))
    assert found.value == everything.min() and found.bound <= found.value
    assert found.exact is exact and not found.exhaustive


# ---- draws

SPACE = Domains(
    [
        Dimension("depth", (1, 2, 3)),
        Dimension("a", ("x", "y", "z")),
        Dimension("b", ("x", "y"), (((Literal("depth", frozenset({2, 3})),),),)),
        Dimension(
            "c",
            ("p", "q", "r"),
            (((Literal("depth", frozenset({3})),), (Literal("b", frozenset({"y"})), Literal("a", frozenset({"z"})))),),
        ),
    ]
)


def is_even(codes) -> bool:
    """Whether draws could be uniform over the distinct architectures: chi-squared test at 0.1 %."""
    counts = Counter(SPACE.architecture_id(SPACE.decode(row)) for row in codes)
    return len(counts) == SPACE.size() and chisquare(list(counts.values())).pvalue > 0.001


def test_distinct_architectures_are_equally_likely():
    codes = draw_architectures(SPACE.dimensions, 4000, np.random.default_rng(0))
    assert codes.dtype == np.int16 and codes.shape == (4000, 4)
    assert is_even(codes)
    assert all((SPACE.encode(SPACE.decode(row)) == row).all() for row in codes[:200]), "draws are canonical"


def test_the_check_rejects_draws_of_each_label_by_itself():
    assert not is_even(random_codes(SPACE, 4000, np.random.default_rng(0)))


def test_draws_of_a_space_whose_size_no_float_holds():
    free = Domains([Dimension(f"x{i}", tuple(range(20))) for i in range(120)])
    codes = draw_architectures(free.dimensions, 200, np.random.default_rng(0))
    assert abs(codes.mean() - 9.5) < 0.1 and codes.max() == 19
    chain = [Dimension("d0", (0, 1))]
    chain += [Dimension(f"d{i}", tuple(range(8)), (((Literal(f"d{i - 1}", frozenset({1})),),),)) for i in range(1, 150)]
    deep = draw_architectures(Domains(chain).dimensions, 50, np.random.default_rng(0))
    assert deep.shape == (50, 150)
