"""The exact number of distinct architectures of a conditional search space, without listing them.

Many samples describe one architecture: what an inactive label holds does not matter. Counted are canonical samples,
in which every inactive label holds its first value. So the count is a sum over all assignments of a product with one
factor per label: 1 where an active label holds anything or an inactive one its first value, 0 otherwise.

That sum is not walked (a space of twenty labels has 10^12 terms) but taken label by label, as in variable elimination
(R. Dechter, "Bucket elimination", UAI 1996): multiply the factors that mention a label, sum over its values, and what
is left is a factor of fewer labels. First, values that no condition tells apart become one group with a size.

Example: `depth` in {1, 2, 3}; `op2` in {a, b, c}, active when depth >= 2; `op3` in {a, b, c}, active when depth = 3.
Nobody reads op2 or op3, so each is summed at once to a factor of depth: op2 -> (1, 3, 3), op3 -> (1, 1, 3) for depths
1, 2, 3. Summing out depth: 1 * 1 + 3 * 1 + 3 * 3 = 13 architectures, of 27 samples.

The label that makes the smallest table goes first (greedy, as the best order is hard to find). Cost grows with the
number of labels that conditions read together, not with the size of the space.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from ednas_nni.space.dimensions import Dimension, Scalar

Factor: TypeAlias = "tuple[tuple[str, ...], dict[tuple[int, ...], int]]"


@dataclass(frozen=True)
class Elimination:
    """A count, with what it came from.

    Attributes:
        total: Number of canonical samples.
        groups: Label -> its values, grouped by what conditions can see of them.
        factors: One factor per label, in the order of the dimensions.
        buckets: (label, the factors that met when it was summed out), in the order of elimination: labels that
            conditions read. Whatever else a bucket mentions is summed out later.
    """

    total: int
    groups: dict[str, list[list[Scalar]]]
    factors: tuple[Factor, ...]
    buckets: tuple[tuple[str, tuple[Factor, ...]], ...]


def count(dimensions: Sequence[Dimension]) -> int:
    """Count canonical samples without listing them.

    Example:
        >>> from ednas_nni.space.dimensions import Dimension, Literal
        >>> depth = Dimension("depth", (1, 2, 3))
        >>> op2 = Dimension("op2", ("a", "b", "c"), (((Literal("depth", frozenset({2, 3})),),),))
        >>> op3 = Dimension("op3", ("a", "b", "c"), (((Literal("depth", frozenset({3})),),),))
        >>> count([depth, op2, op3])
        13
    """
    return eliminate(dimensions).total


def eliminate(dimensions: Sequence[Dimension]) -> Elimination:
    """Count canonical samples, and keep the steps: `draw_architectures` walks them backwards."""
    by_label = {d.label: d for d in dimensions}
    literals: dict[str, set[frozenset[Scalar]]] = {d.label: set() for d in dimensions}
    for d in dimensions:
        if not d.always:
            for literal in (x for condition in d.conditions for clause in condition for x in clause):
                literals[literal.label].add(literal.values)
    groups = {label: _groups(by_label[label].values, sets) for label, sets in literals.items()}
    made = [_factor(d, groups, bool(literals[d.label])) for d in dimensions]
    factors, buckets = list(made), []
    pending = {label for label, sets in literals.items() if sets}
    while pending:
        label = min(sorted(pending), key=lambda x: _width(x, factors, groups))
        pending.remove(label)
        touched = tuple(f for f in factors if label in f[0])
        factors = [f for f in factors if label not in f[0]]
        factors.append(_eliminate(label, touched, groups))
        buckets.append((label, touched))
    total = math.prod(table[()] for _, table in factors)
    return Elimination(total, groups, tuple(made), tuple(buckets))


def _groups(values: Sequence[Scalar], sets: set[frozenset[Scalar]]) -> list[list[Scalar]]:
    """Values grouped by what conditions can see of them; the first value is in the first group, alone."""
    ordered = sorted(sets, key=lambda s: sorted(map(repr, s)))
    groups: dict[tuple[bool, ...], list[Scalar]] = {}
    for i, value in enumerate(values):
        groups.setdefault((i > 0, *(value in s for s in ordered)), []).append(value)
    return list(groups.values())


def _factor(d: Dimension, groups: dict[str, list[list[Scalar]]], read: bool) -> Factor:
    """How many values of `d` are canonical, per group of what it depends on (and per own group if others read it)."""
    parents = () if d.always else tuple(sorted({x.label for k in d.conditions for c in k for x in c}))
    table = {}
    for codes in itertools.product(*(range(len(groups[p])) for p in parents)):
        sample = {p: groups[p][i][0] for p, i in zip(parents, codes, strict=True)}
        active = any(all(any(sample[x.label] in x.values for x in c) for c in k) for k in d.conditions)
        counts = [len(g) if active else int(i == 0) for i, g in enumerate(groups[d.label])]
        if read:
            table.update({(*codes, i): n for i, n in enumerate(counts)})
        else:
            table[codes] = sum(counts)
    return ((*parents, d.label) if read else parents), table


def _width(label: str, factors: Sequence[Factor], groups: dict[str, list[list[Scalar]]]) -> int:
    """Entries of the table that eliminating `label` would make."""
    scope = {other for labels, _ in factors if label in labels for other in labels}
    return math.prod(len(groups[other]) for other in scope)


def _eliminate(label: str, touched: Sequence[Factor], groups: dict[str, list[list[Scalar]]]) -> Factor:
    """Multiply the factors that mention `label` and sum it out."""
    scope = tuple(sorted({other for labels, _ in touched for other in labels} - {label}))
    table = {}
    for codes in itertools.product(*(range(len(groups[s])) for s in scope)):
        at = dict(zip(scope, codes, strict=True))
        total = 0
        for code in range(len(groups[label])):
            at[label] = code
            total += math.prod(entries[tuple(at[x] for x in labels)] for labels, entries in touched)
        table[codes] = total
    return scope, table
