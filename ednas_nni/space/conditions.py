"""Alternative conditions made few: what a walk over a module tree collects says the same thing many times over.

A width is read by every layer next to it, below each candidate of several choices: dozens of conditions that together
say "when this stage is used". Counting costs time for every label that one condition reads, and people read them, so
they are made few by two rules, repeated until nothing changes. With the label `depth` of values 1, 2, 3:

1. Joining: conditions that differ in the values of one label are one. (op = a and depth in {1, 2}) or (op = a and
   depth in {3}) is op = a and depth in {1, 2, 3}; all values together say nothing, so it is op = a.
2. Absorbing: what another one implies is dropped. (op = a and depth in {1}) or (op = a) is op = a.

The result is small, not the smallest: that would be minimising a Boolean formula, which is hard and not needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ednas_nni.space.dimensions import Clause, Condition, Literal, Scalar


def simplify(conditions: Iterable[Condition], values: Mapping[str, tuple[Scalar, ...]]) -> tuple[Condition, ...]:
    """Fewer conditions of which one holds exactly when one of the given ones does.

    Example:
        >>> op, low, high = (Literal("op", frozenset("a"))), *(Literal("depth", frozenset(d)) for d in ({1, 2}, {3}))
        >>> simplify([((op,), (low,)), ((op,), (high,))], {"op": ("a", "b"), "depth": (1, 2, 3)})
        (((Literal(label='op', values=frozenset({'a'})),),),)
    """
    fewer = list(dict.fromkeys(tuple(sorted(set(c), key=_order)) for c in conditions))
    while True:
        before, joined = fewer, _join(fewer, values)
        fewer = [c for i, c in enumerate(joined) if not any(_covers(joined, other, i) for other in range(len(joined)))]
        if fewer == before:
            return tuple(fewer)


def _order(clause: Clause) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((x.label, tuple(sorted(map(repr, x.values)))) for x in clause)


def _join(conditions: list[Condition], values: Mapping[str, tuple[Scalar, ...]]) -> list[Condition]:
    """One pass of (C and l in S) or (C and l in T) -> C and l in (S or T), label by label."""
    labels = {x.label: None for c in conditions for clause in c if len(clause) == 1 for x in clause}
    for label in labels:
        groups: dict[Condition, set[Scalar]] = {}
        for condition in conditions:
            of_label = [c for c in condition if len(c) == 1 and c[0].label == label]
            rest = tuple(c for c in condition if c not in of_label)
            allowed = set(values[label]).intersection(*(c[0].values for c in of_label))
            if allowed:  # two clauses may contradict each other: then the condition never holds
                groups.setdefault(rest, set()).update(allowed)
        conditions = [
            rest if len(allowed) == len(values[label]) else _with(rest, Literal(label, frozenset(allowed)))
            for rest, allowed in groups.items()
        ]
    return list(dict.fromkeys(conditions))


def _with(rest: Condition, literal: Literal) -> Condition:
    return tuple(sorted((*rest, (literal,)), key=_order))


def _covers(conditions: list[Condition], other: int, one: int) -> bool:
    """Whether `one` is superfluous beside `other`; of two that imply each other the first stays."""
    if other == one or not _implies(conditions[one], conditions[other]):
        return False
    return other < one or not _implies(conditions[other], conditions[one])


def _implies(strong: Condition, weak: Condition) -> bool:
    """Sufficient, clause by clause: every clause of `weak` is implied by one of `strong`."""
    return all(any(_narrower(clause, goal) for clause in strong) for goal in weak)


def _narrower(clause: Clause, goal: Clause) -> bool:
    return all(any(x.label == y.label and x.values <= y.values for y in goal) for x in clause)
