"""The smallest sum of functions that each read few choices: exact, without listing the space.

Variable elimination in the (min, +) semiring (Dechter, "Bucket elimination", UAI 1996; Bertele and Brioschi, "Nonserial
Dynamic Programming", 1972). One label after the other is minimised out: the functions that read it are added up into
one table, and of that table the best value of the label remains, for each value of the others. The price is the largest
of these tables, not the number of samples, and costs of layers hang together along a chain, so the tables stay small.
The label whose table is smallest goes first. Going backwards through the remembered choices gives a sample.

Labels a, b, c with values 0 and 1; minimise f(a, b) + g(b, c):

    f  b=0  b=1      g  c=0  c=1
    a=0  3    5      b=0  2    4      without a: f'(b) = 3 (a=0), 1 (a=1)
    a=1  6    1      b=1  7    3      without c: g'(b) = 2 (c=0), 3 (c=1)
                                      without b: 3 + 2 = 5, 1 + 3 = 4, so 4 with b=1, hence c=1 and a=1
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MAX_ENTRIES = 1 << 22
"""Largest table of an elimination; beyond it, too many choices hang together."""

Function = tuple[tuple[int, ...], np.ndarray]
"""Labels by position, and the values over theirs: float64, one axis per label in that order."""


def minimise(functions: Sequence[Function], extents: Sequence[int]) -> tuple[float, np.ndarray] | None:
    """The minimum of a sum over all assignments and one that has it, int16 (labels,).

    `extents` is the number of values of each label. None where a table would exceed `MAX_ENTRIES`.
    """
    left = list(functions)
    decided: list[tuple[int, tuple[int, ...], np.ndarray]] = []
    pending = set(range(len(extents)))
    while pending:
        label = min(sorted(pending), key=lambda x: _entries(x, left, extents))
        if _entries(label, left, extents) > MAX_ENTRIES:
            return None
        pending.remove(label)
        touched = [f for f in left if label in f[0]]
        left = [f for f in left if label not in f[0]]
        scope = (*sorted({x for labels, _ in touched for x in labels} - {label}), label)
        total = np.zeros([extents[x] for x in scope])
        for labels, values in touched:
            total += _spread(labels, values, scope)
        decided.append((label, scope[:-1], total.argmin(axis=-1)))
        left.append((scope[:-1], total.min(axis=-1)))
    codes = np.zeros(len(extents), np.int16)
    for label, scope, best in reversed(decided):
        codes[label] = best[tuple(codes[x] for x in scope)]
    return float(sum(values for _, values in left)), codes


def _entries(label: int, functions: Sequence[Function], extents: Sequence[int]) -> int:
    """Entries of the table that eliminating `label` makes."""
    return math.prod(extents[x] for x in {label}.union(*(labels for labels, _ in functions if label in labels)))


def _spread(labels: tuple[int, ...], values: np.ndarray, scope: Sequence[int]) -> np.ndarray:
    """The values with one axis per label of `scope`, of length 1 where they do not read it."""
    read = [x for x in scope if x in labels]
    ordered = values.transpose([labels.index(x) for x in read])
    return ordered.reshape([ordered.shape[read.index(x)] if x in read else 1 for x in scope])
