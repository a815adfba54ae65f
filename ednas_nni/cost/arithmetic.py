"""Arithmetic with a space's features: joining those of two origins, scaling them, adding them up for samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ednas_nni.cost.terms import SpaceFeatures, Term
from ednas_nni.space.domains import Sample


def joined(first: SpaceFeatures, second: SpaceFeatures) -> SpaceFeatures:
    """Both features of one space; no name may be in both.

    A term of the second whose labels a term of the first has becomes a part of it, so that a sample needs no more
    look-ups than before.
    """
    names = (*first.names, *second.names)
    before, after = (0, len(second.names)), (len(first.names), 0)
    terms = [Term(term.labels, np.pad(term.values, _last(term, before))) for term in first.terms]
    for term in second.terms:
        values = np.pad(term.values, _last(term, after))
        at = next((i for i, host in enumerate(terms) if _within(term, host)), None)
        if at is None:
            terms.append(Term(term.labels, values))
            continue
        host = terms[at]
        shape = [n if label in term.labels else 1 for label, n in zip(host.labels, host.values.shape, strict=False)]
        terms[at] = Term(host.labels, host.values + values.reshape(*shape, len(names)))
    parts = {part: {**first.fixed.get(part, {}), **found} for part, found in second.fixed.items()}
    return SpaceFeatures(names, tuple(terms), first.domains, first.maxima | second.maxima, {**first.fixed, **parts})


def scaled(features: SpaceFeatures, factor: float) -> SpaceFeatures:
    """All features times a number >= 0."""
    terms = tuple(Term(term.labels, term.values * factor) for term in features.terms)
    fixed = {part: {name: x * factor for name, x in found.items()} for part, found in features.fixed.items()}
    return replace(features, terms=terms, fixed=fixed)


def renamed(features: SpaceFeatures, prefix: str) -> SpaceFeatures:
    """The features with a prefix before each name."""
    fixed = {part: {prefix + name: x for name, x in found.items()} for part, found in features.fixed.items()}
    names = tuple(prefix + name for name in features.names)
    return replace(features, names=names, maxima=frozenset(prefix + name for name in features.maxima), fixed=fixed)


def sums(features: SpaceFeatures, samples: Sequence[Sample]) -> np.ndarray:
    """Additive features of a few samples, float64 (n, features); `CostTable` is for many."""
    domains = features.domains
    codes = np.stack([domains.encode(sample) for sample in samples])
    position = {label: i for i, label in enumerate(domains.labels)}
    total = np.zeros((len(codes), len(features.names)))
    for term in features.terms:
        total += term.values[tuple(codes[:, position[label]] for label in term.labels)]
    return total


def _last(term: Term, width: tuple[int, int]) -> list[tuple[int, int]]:
    """Padding of the last axis alone."""
    return [*[(0, 0)] * len(term.labels), width]


def _within(term: Term, host: Term) -> bool:
    return set(term.labels) <= set(host.labels)
