"""Domains as plain data: naming, moving, counting; brute force and a naive reading of conditions are the judges."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ednas_nni.errors import PluginError, SampleError
from ednas_nni.space.domains import Dimension, Domains, Literal


def when(label, *values):
    return (Literal(label, frozenset(values)),)


TOY = Domains(
    [
        Dimension("depth", (1, 2, 3)),
        Dimension("op1", ("a", "b")),
        Dimension("op2", ("a", "b", "c"), ((when("depth", 2, 3),),)),
        Dimension("op3", ("a", "b"), ((when("depth", 3),),)),
    ]
)
NESTED = Domains(
    [
        Dimension("left", ("shared", "own")),
        Dimension("right", ("shared", "own")),
        Dimension("left_op", ("x", "y", "z"), ((when("left", "own"),),)),
        Dimension("left_inner", (1, 2), ((when("left", "own"), when("left_op", "y", "z")),)),
        # alive while any task reads it, or while the nested choice says so
        Dimension(
            "trunk",
            ("p", "q", "r", "s"),
            (
                ((Literal("left", frozenset({"shared"})), Literal("right", frozenset({"shared"}))),),
                (when("left_inner", 2),),
            ),
        ),
    ]
)


def naive_active(domains, sample):
    """Activity to a fixed point, straight from the definition: inactive labels read as their first value."""
    shown = dict(sample)
    for _ in range(len(domains) + 1):
        inactive = [
            d.label
            for d in domains.dimensions
            if not any(all(any(shown[x.label] in x.values for x in c) for c in k) for k in d.conditions)
        ]
        shown = {**sample, **{label: domains[label].values[0] for label in inactive}}
    return {label: v for label, v in sample.items() if label not in inactive}


def every_sample(domains):
    for values in itertools.product(*(d.values for d in domains.dimensions)):
        yield dict(zip(domains.labels, values, strict=True))


def brute(domains):
    return len({tuple(naive_active(domains, s).items()) for s in every_sample(domains)})


@st.composite
def random_domains(draw):
    dimensions = []
    for i in range(draw(st.integers(1, 5))):
        values = tuple(range(draw(st.integers(1, 4))))

        def literal():
            other = dimensions[draw(st.integers(0, len(dimensions) - 1))]
            return Literal(other.label, frozenset(draw(st.sets(st.sampled_from(other.values), min_size=1))))

        conditions = ((),)
        if dimensions and draw(st.booleans()):
            conditions = tuple(
                tuple(tuple(literal() for _ in range(draw(st.integers(1, 2)))) for _ in range(draw(st.integers(0, 2))))
                for _ in range(draw(st.integers(1, 2)))
            )
        dimensions.append(Dimension(f"d{i}", values, conditions))
    order = draw(st.permutations(range(len(dimensions))))
    return Domains([dimensions[i] for i in order])


@settings(max_examples=150, deadline=None)
@given(random_domains())
def test_size_and_activity_equal_brute_force(domains):
    assert domains.size() == brute(domains)
    for sample in itertools.islice(every_sample(domains), 40):
        assert domains.active(sample) == {k: v for k, v in sample.items() if k in naive_active(domains, sample)}
        canonical = domains.canonical(sample)
        assert domains.canonical(canonical) == canonical
        assert domains.active(canonical) == domains.active(sample)
        assert domains.complete(domains.active(sample)) == canonical
        assert domains.decode(domains.encode(sample)) == canonical
    assert Domains.from_json(json.loads(json.dumps(domains.to_json()))) == domains


@pytest.mark.parametrize("domains", [TOY, NESTED])
def test_brute_force_rejects_a_count_of_raw_samples(domains):
    raw = int(np.prod([len(d.values) for d in domains.dimensions]))
    assert domains.size() == brute(domains) != raw


@pytest.mark.parametrize(("labels", "text"), [(5, "243"), (12, "531,441"), (13, "1.6 x 10^6"), (1000, "1.3 x 10^477")])
def test_a_size_can_be_read(labels, text):
    assert Domains([Dimension(f"x{i}", (1, 2, 3)) for i in range(labels)]).size_text == text


def test_size_by_hand():
    assert TOY.size() == 2 + 2 * 3 + 2 * 3 * 2
    # left shared: 2 rights x 4 trunks; left own: per right, x without inner, y and z with inner 1 or 2
    own_shared = (1 + 2 * 2) * 4
    own_own = 1 + 2 * (1 + 4)
    assert NESTED.size() == 2 * 4 + own_shared + own_own


def test_ids_equal_iff_active_labels_equal():
    ids = {}
    for sample in every_sample(NESTED):
        ids.setdefault(NESTED.architecture_id(sample), set()).add(tuple(naive_active(NESTED, sample).items()))
    assert all(len(group) == 1 for group in ids.values())
    assert len(ids) == NESTED.size()
    assert all(len(name) == 10 and set(name) <= set("0123456789abcdef") for name in ids)


def test_ids_are_stable_over_versions_and_key_order():
    sample = {"depth": 2, "op1": "b", "op2": "c", "op3": "b"}
    assert TOY.architecture_id(sample) == "6e505a2e4e"
    assert TOY.architecture_id(dict(reversed(sample.items()))) == "6e505a2e4e"
    assert TOY.architecture_id({**sample, "depth": 2.0}) == "6e505a2e4e"


@settings(max_examples=60, deadline=None)
@given(random_domains(), st.integers(0, 2**32), st.integers(1, 3))
def test_moves_stay_in_the_space(domains, seed, n):
    rng = np.random.default_rng(seed)
    a, b = domains.random(rng), domains.random(rng)
    assert a == domains.canonical(a)
    child = domains.crossover(a, b, rng)
    assert child == domains.canonical(child)
    assert all(child[k] in (a[k], b[k], domains[k].values[0]) for k in child)
    free = [k for k in domains.active(a) if len(domains[k].values) > 1]
    if not free:
        with pytest.raises(SampleError, match="second value"):
            domains.mutate(a, rng, n)
        return
    changed = domains.mutate(a, rng, n)
    assert changed == domains.canonical(changed)
    assert domains.architecture_id(changed) != domains.architecture_id(a)
    both = [k for k in free if k in domains.active(changed)]
    assert sum(changed[k] != a[k] for k in both) <= n


def test_mutation_reaches_all_neighbours_and_draws_what_comes_alive():
    rng = np.random.default_rng(0)
    start = {"depth": 1, "op1": "a", "op2": "a", "op3": "a"}
    seen = {tuple(TOY.active(TOY.mutate(start, rng)).values()) for _ in range(400)}
    deeper = {(2, "a", x) for x in "abc"} | {(3, "a", x, y) for x in "abc" for y in "ab"}
    assert seen == {(1, "b")} | deeper


def test_crossover_of_equals_is_the_same_and_reaches_both_parents():
    rng = np.random.default_rng(0)
    a, b = (
        TOY.canonical({"depth": 3, "op1": "a", "op2": "a", "op3": "a"}),
        {"depth": 3, "op1": "b", "op2": "c", "op3": "b"},
    )
    assert TOY.crossover(a, a, rng) == a
    assert len({TOY.architecture_id(TOY.crossover(a, b, rng)) for _ in range(200)}) == 8
    shallow = TOY.canonical({"depth": 1, "op1": "a", "op2": "a", "op3": "a"})
    deep = [c for c in (TOY.crossover(shallow, b, rng) for _ in range(50)) if c["depth"] == 3]
    assert deep and all(c["op2"] == "c" and c["op3"] == "b" for c in deep)


def test_same_seed_same_walk():
    walks = []
    for _ in range(2):
        rng = np.random.default_rng(5)
        sample = NESTED.random(rng)
        walks.append([sample := NESTED.mutate(sample, rng) for _ in range(10)])
    assert walks[0] == walks[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dept": 2}, ["'dept'", "Did you mean 'depth'", "op1"]),
        ({"depth": 4}, ["depth = 4", "1, 2, 3"]),
        ({"depth": True}, ["depth = True"]),
        ({"depth": "2"}, ["depth = '2'", "Did you mean '2'"]),
        ({"op1": ["a"]}, ["op1 = ['a']", "a, b"]),
        ({"op2": None}, ["op2 = None"]),
    ],
)
def test_wrong_samples_are_named(change, words):
    sample = {"depth": 1, "op1": "a", "op2": "a", "op3": "a"} | change
    for call in (TOY.check, TOY.canonical, TOY.architecture_id, TOY.encode, TOY.complete):
        with pytest.raises(SampleError) as caught:
            call(sample)
        assert all(word in str(caught.value) for word in words), str(caught.value)


def test_missing_labels_are_named():
    with pytest.raises(SampleError, match=r"lacks op2, op3\. op2 is one of: a, b, c"):
        TOY.canonical({"depth": 1, "op1": "a"})
    assert TOY.complete({"depth": 1, "op1": "b"}) == {"depth": 1, "op1": "b", "op2": "a", "op3": "a"}
    with pytest.raises(SampleError, match="lacks op2, which this architecture needs"):
        TOY.complete({"depth": 2, "op1": "b"})
    with pytest.raises(SampleError, match="mapping"):
        TOY.check([1, 2])
    with pytest.raises(SampleError, match="Did you mean 'depth'"):
        TOY["dept"]


def test_true_is_not_one():
    for values in ((1, 2), (True, 2)):
        domains = Domains([Dimension("a", values)])
        other = True if values[0] is not True else 1
        assert domains.canonical({"a": values[0]})["a"] is values[0]
        with pytest.raises(SampleError, match=f"a = {other}"):
            domains.check({"a": other})


def test_codes_are_checked():
    assert TOY.encode({"depth": 3, "op1": "b", "op2": "c", "op3": "b"}).tolist() == [2, 1, 2, 1]
    assert TOY.encode({"depth": 1, "op1": "b", "op2": "c", "op3": "b"}).dtype == np.int16
    assert TOY.decode([0, 1, 2, 1]) == {"depth": 1, "op1": "b", "op2": "a", "op3": "a"}
    with pytest.raises(SampleError, match="4 positions"):
        TOY.decode([0, 1])
    with pytest.raises(SampleError, match="depth: position 3"):
        TOY.decode([3, 0, 0, 0])
    with pytest.raises(SampleError, match="depth: position -1"):
        TOY.decode([-1, 0, 0, 0])


@pytest.mark.parametrize(
    ("dimensions", "words"),
    [
        ([Dimension("a.b", (1,))], "dots and slashes"),
        ([Dimension("a", (1,)), Dimension("a", (1,))], "twice"),
        ([Dimension("a", ())], "no values"),
        ([Dimension("a", ((1, 2),))], "JSON scalars"),
        ([Dimension("a", (1, 1.0))], "different"),
        ([Dimension("a", (float("nan"),))], "different"),
        ([Dimension("a", (1, 2), ((when("b", 1),),))], "depends on 'b'"),
        ([Dimension("b", (1,)), Dimension("a", (1, 2), ((when("b", 3),),))], "never a value"),
        (
            [Dimension("a", (1, 2), ((when("b", 1),),)), Dimension("b", (1, 2), ((when("a", 1),),))],
            "depends on itself: a -> b -> a",
        ),
    ],
)
def test_unusable_dimensions_are_refused(dimensions, words):
    with pytest.raises(PluginError, match=words):
        Domains(dimensions)


def test_broken_json_is_refused():
    for data in ([{"label": "a"}], [{"label": "a", "values": [1], "conditions": [[[["b"]]]]}], [1]):
        with pytest.raises(PluginError, match="to_json"):
            Domains.from_json(data)


def test_nni_notation_and_printing():
    assert TOY.as_nni()["depth"] == {"_type": "choice", "_value": [1, 2, 3]}
    assert list(TOY.as_nni()) == list(TOY.labels) == ["depth", "op1", "op2", "op3"]
    assert len(TOY) == 4 and "op3" in repr(TOY)
    assert hash(TOY) == hash(Domains.from_json(TOY.to_json()))


def test_size_of_a_large_space_is_exact():
    dimensions = []
    for i in range(12):
        dimensions.append(Dimension(f"depth{i}", (1, 2, 3, 4)))
        for j in range(4):
            condition = ((when(f"depth{i}", *range(j + 1, 5)),),) if j else ((),)
            dimensions.append(Dimension(f"op{i}_{j}", tuple(range(7)), condition))
    assert Domains(dimensions).size() == (7 + 7**2 + 7**3 + 7**4) ** 12
