"""Draws in which every distinct architecture is equally likely.

Strategies draw every label evenly and by itself (`Domains.random`), which gives networks with few active labels more
than their share. Here the count of the space (`ednas_nni.space.counting`) is walked backwards: a label takes a value as
often as architectures have it, given the labels that are drawn already.

Example, that of counting: depth 1, 2, 3 leaves 1, 3 and 9 of 13 architectures. So depth is drawn first, with
probabilities 1/13, 3/13, 9/13, then op2 and op3, evenly where they are active; every architecture has 1/13. Drawn label
by label, the one network of depth 1 alone would take a third of the draws.

Labels that conditions read are drawn in the reverse order of their elimination: the labels that a bucket mentions
beside its own are summed out later, so they are drawn by then. Within a group all values are alike and drawn evenly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ednas_nni.space.counting import Elimination, Factor, eliminate
from ednas_nni.space.dimensions import Dimension


def draw_architectures(dimensions: Sequence[Dimension], n: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """Draw n architectures, each with the same probability and independently: codes, int16 (n, labels)."""
    if not dimensions:  # a space of one network
        return np.zeros((n, 0), np.int16)
    steps = eliminate(dimensions)
    groups: dict[str, NDArray[np.intp]] = {}
    drawn: dict[str, NDArray[np.intp]] = {}
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
            counts = _array(parents, steps, entries.__getitem__).astype(float)
            drawn[label] = (rng.random(n) * counts[tuple(groups[p] for p in parents)]).astype(int)
    return np.stack([drawn[d.label] for d in dimensions], axis=1).astype(np.int16)


def _shares(label: str, scope: Sequence[str], touched: Sequence[Factor], steps: Elimination) -> NDArray[np.float64]:
    """Probability of each group of `label`, given the groups of `scope`: (groups of scope..., groups of label)."""

    def weight(at: tuple[int, ...]) -> int:
        codes = dict(zip((*scope, label), at, strict=True))
        return math.prod(table[tuple(codes[x] for x in labels)] for labels, table in touched)

    weights = _array((*scope, label), steps, weight)
    totals = weights.sum(axis=-1, keepdims=True)
    shares: NDArray[np.float64] = (weights / np.where(totals == 0, 1, totals)).astype(float)
    return shares


def _array(labels: Sequence[str], steps: Elimination, entry: Callable[[tuple[int, ...]], int]) -> NDArray[np.object_]:
    """A function of the groups of labels as an array of exact integers: counts exceed what a float holds."""
    shape = tuple(len(steps.groups[label]) for label in labels)
    array: NDArray[np.object_] = np.empty(shape, object)
    for at in itertools.product(*map(range, shape)):
        array[at] = entry(at)
    return array
