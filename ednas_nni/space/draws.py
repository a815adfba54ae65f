"""Draws in which every distinct architecture is equally likely.

Strategies draw every label evenly and by itself (`Domains.random`), which gives networks with few active labels more
than their share. Here the count of the space is walked backwards: a label takes a value as often as architectures have
it, given the labels that are drawn already.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from ednas_nni.space.counting import Elimination, Factor, eliminate
from ednas_nni.space.dimensions import Dimension


def draw_architectures(dimensions: Sequence[Dimension], n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw architectures of a space, each with the same probability and independently.

    Args:
        dimensions: A valid set of dimensions, as `Domains` checks it.
        n: How many.
        rng: Source of randomness.

    Returns:
        Canonical codes as of `Domains.encode`, int16 (n, labels).
    """
    steps = eliminate(dimensions)
    groups: dict[str, np.ndarray] = {}
    drawn: dict[str, np.ndarray] = {}
    for label, touched in reversed(steps.buckets):
        scope = sorted({other for labels, _ in touched for other in labels} - {label})
        shares = _shares(label, scope, touched, steps)
        rows = shares[tuple(groups[other] for other in scope)] if scope else np.broadcast_to(shares, (n, len(shares)))
        below = rows.cumsum(axis=1)[:, :-1]
        groups[label] = (rng.random(n)[:, None] >= below).sum(axis=1)
    for dimension, factor in zip(dimensions, steps.factors, strict=True):
        label = dimension.label
        codes = {value: code for code, value in enumerate(dimension.values)}
        if label in groups:
            members = [[codes[value] for value in group] for group in steps.groups[label]]
            sizes = np.array([len(group) for group in members])
            width = int(sizes.max())
            table = np.array([[*group, *[0] * (width - len(group))] for group in members])
            drawn[label] = table[groups[label], (rng.random(n) * sizes[groups[label]]).astype(int)]
        else:
            parents, entries = factor  # the entry is 1 where the label is inactive, else the number of its values
            counts = _array(parents, steps, lambda at, entries=entries: entries[at], float)
            drawn[label] = (rng.random(n) * counts[tuple(groups[p] for p in parents)]).astype(int)
    return np.stack([drawn[d.label] for d in dimensions], axis=1).astype(np.int16)


def _shares(label: str, scope: Sequence[str], touched: Sequence[Factor], steps: Elimination) -> np.ndarray:
    """Probability of each group of `label`, given the groups of `scope`: (groups of scope..., groups of label)."""

    def weight(at: tuple[int, ...]) -> int:
        known = dict(zip((*scope, label), at, strict=True))
        return math.prod(table[tuple(known[x] for x in labels)] for labels, table in touched)

    weights = _array((*scope, label), steps, weight, object)  # exact integers: counts exceed what a float holds
    totals = weights.sum(axis=-1, keepdims=True)
    return (weights / np.where(totals == 0, 1, totals)).astype(float)


def _array(
    labels: Sequence[str], steps: Elimination, entry: Callable[[tuple[int, ...]], int], dtype: type
) -> np.ndarray:
    """A function of the groups of labels as an array."""
    shape = tuple(len(steps.groups[label]) for label in labels)
    made = np.empty(shape, dtype)
    for at in itertools.product(*map(range, shape)):
        made[at] = entry(at)
    return made
