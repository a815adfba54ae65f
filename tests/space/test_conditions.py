"""Fewer conditions that say the same."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from ednas_nni.space.conditions import simplify
from ednas_nni.space.dimensions import Literal

VALUES = {"a": (0, 1, 2), "b": (0, 1), "c": (0, 1, 2)}
literals = st.sampled_from(sorted(VALUES)).flatmap(
    lambda label: st.sets(st.sampled_from(VALUES[label])).map(lambda s: Literal(label, frozenset(s)))
)
clauses = st.lists(literals, min_size=1, max_size=3).map(tuple)
conditions = st.lists(st.lists(clauses, max_size=3).map(tuple), min_size=1, max_size=6)


def holds(alternatives, sample):
    return any(all(any(sample[x.label] in x.values for x in clause) for clause in c) for c in alternatives)


def everywhere(alternatives):
    return [holds(alternatives, dict(zip(VALUES, found, strict=True))) for found in itertools.product(*VALUES.values())]


@settings(max_examples=300, deadline=None)
@given(conditions)
def test_the_meaning_stays(given_):
    found = simplify(given_, VALUES)
    assert everywhere(found) == everywhere(given_)
    assert len(found) <= len(set(given_))
    assert everywhere(simplify(found, VALUES)) == everywhere(found)


def test_what_a_width_collects_becomes_one():
    stage = (Literal("a", frozenset({1, 2})),)
    collected = [(stage, (Literal("c", frozenset({value})),)) for value in VALUES["c"]]
    collected.append(((Literal("a", frozenset({1})),), (Literal("b", frozenset({1})),)))
    assert simplify(collected, VALUES) == ((stage,),)


def test_the_comparison_rejects_a_lost_alternative():
    a, b = ((Literal("a", frozenset({1})),),), ((Literal("b", frozenset({1})),),)
    assert everywhere(simplify([a, b], VALUES)) != everywhere([a])
