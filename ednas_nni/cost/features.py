"""Features of a model space, as functions of the choices that decide them.

A feature is a number that a device prices networks by, such as multiply-adds of depthwise convolutions. A layer's
features depend on few labels: the choices that decide whether it exists, and those that decide its channel numbers.
They are therefore written down once, as an array over exactly these labels, and a sample's features are the sum of one
entry per array (or the largest, for a feature such as the largest activation). Nothing is estimated: for every sample
they equal those of the instantiated network.

A stem of width 4 or 8 and a block that only depth 2 has, of 10 multiply-adds a channel:

    label    term over (stem_width,)       term over (stem_width, depth)
    values   4: 40    8: 80                (4, 1): 0   (4, 2): 40   (8, 1): 0   (8, 2): 80
    sample   stem_width 8, depth 2         80 + 80 = 160

An array whose labels another array has is added into that one: above one look-up remains of two. This file knows
neither torch nor NNI.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ednas_nni.cost.records import LayerRecord
from ednas_nni.cost.space_layers import Operation, SpaceLayers, alive, extents_of, in_order, labels_of, spread
from ednas_nni.errors import StudyError
from ednas_nni.space.domains import Domains, Sample

MAX_ENTRIES = 1 << 20
"""Largest array of one term; beyond it, too many choices decide one layer."""

Features = Callable[[LayerRecord], Mapping[str, float]]


@dataclass(frozen=True)
class Term:
    """Features that depend on the same labels: float64 (values of label 1, ..., values of label m, features).

    Labels are in the order of the space; () for what every sample has.
    """

    labels: tuple[str, ...]
    values: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class SpaceFeatures:
    """All features of a space.

    Attributes:
        terms: A sample's features are the sum over terms of the entry at the sample's values.
        maxima: Features that are the largest over terms instead of their sum; all are >= 0.
        fixed: Part of the network (first word of the module path) -> features of those of its layers that every sample
            has and no choice changes.
    """

    names: tuple[str, ...]
    terms: tuple[Term, ...]
    domains: Domains
    maxima: frozenset[str] = frozenset()
    fixed: Mapping[str, Mapping[str, float]] = field(default_factory=dict, repr=False)


def space_features(layers: SpaceLayers, features: Features, maxima: Collection[str] = ()) -> SpaceFeatures:
    """Features of all operations of a space; of those in `maxima` a network has the largest over its layers.

    StudyError: too many choices decide one layer, or one is priced whose record is in doubt.
    """
    collected = _Collected(layers, features, frozenset(maxima))
    for operation in layers.operations:
        collected.add(operation)
    return collected.result()


class _Collected:
    """Terms under construction."""

    def __init__(self, layers: SpaceLayers, features: Features, maxima: frozenset[str]) -> None:
        self._maxima = maxima
        self._domains = layers.domains
        self._terms: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
        self._fixed: dict[str, dict[str, float]] = {}
        priced = [{name: value for name, value in features(record).items() if value} for record in layers.records]
        self._names = tuple(dict.fromkeys(name for entry in priced for name in entry))
        # One column per feature: an operation looks up its records in all of them at once.
        self._values = np.array([[entry.get(name, 0.0) for name in self._names] for entry in priced])
        self._values = self._values.reshape(len(priced), len(self._names))

    def add(self, operation: Operation) -> None:
        values = self._values[operation.records]
        used = np.flatnonzero(values.reshape(-1, len(self._names)).any(axis=0))
        if not len(used):
            return
        if operation.doubt:
            raise StudyError(f"a device prices a layer of unknown width: {operation.doubt}")
        labels = in_order(self._domains, [*operation.labels, *labels_of(operation.condition)])
        shape = extents_of(self._domains, labels)
        if math.prod(shape) > MAX_ENTRIES:
            raise StudyError(
                f"{operation.path}: {len(labels)} choices decide this layer ({', '.join(labels)}), "
                f"{math.prod(shape):,} cases. At most {MAX_ENTRIES:,} are tabulated; let fewer choices reach one layer"
            )
        mask = alive(self._domains, operation.condition, labels)
        for column in used:
            name = self._names[column]
            added = mask * spread(values[..., column], operation.labels, labels)
            arrays = self._terms.setdefault(labels, {})
            before = arrays.get(name)
            if before is not None:
                added = np.maximum(before, added) if name in self._maxima else before + added
            arrays[name] = added
            if not labels:
                part = self._fixed.setdefault(operation.path.partition(".")[0], {})
                value = float(values[..., column])
                so_far = part.get(name, 0.0)
                part[name] = max(so_far, value) if name in self._maxima else so_far + value

    def result(self) -> SpaceFeatures:
        """What was collected, in as few terms as possible."""
        terms = []
        for labels in sorted(self._terms, key=lambda names: -math.prod(extents_of(self._domains, names))):
            arrays = self._terms[labels]
            empty = np.zeros(extents_of(self._domains, labels))
            terms.append(Term(labels, np.stack([arrays.get(name, empty) for name in self._names], axis=-1)))
        merged = _merged(terms, np.array([name in self._maxima for name in self._names], bool))
        return SpaceFeatures(self._names, merged, self._domains, self._maxima & set(self._names), self._fixed)


def _merged(terms: Iterable[Term], largest: np.ndarray) -> tuple[Term, ...]:
    """Terms, each merged into an earlier one that has all its labels, where there is one.

    `largest` says of which features the larger value stays, bool (features,); the others are added.
    """
    hosts: list[Term] = []
    for term in terms:
        at = next((i for i, host in enumerate(hosts) if set(term.labels) <= set(host.labels)), None)
        if at is None:
            hosts.append(term)
            continue
        labels, wide = hosts[at].labels, hosts[at].values
        shape = [n if label in term.labels else 1 for label, n in zip(labels, wide.shape, strict=False)]
        narrow = term.values.reshape(*shape, len(largest))
        hosts[at] = Term(labels, np.where(largest, np.maximum(wide, narrow), wide + narrow))
    return tuple(hosts)


# -------------------------------------------------------------------- features of several origins
def over_sizes(labels: Sequence[str], read: Sequence[SpaceFeatures]) -> SpaceFeatures:
    """Features that were read once for each assignment to the labels that decide sizes, as functions of these, too.

    The last label changes fastest. Of `term over (width,)` read at resolutions 1 and 0.5 the result has one term over
    (resolution, width), so that a sample needs as many look-ups as before.
    """
    if not labels:
        return read[0]
    domains = read[0].domains
    names = tuple(dict.fromkeys(name for features in read for name in features.names))
    maxima = frozenset().union(*(features.maxima for features in read))
    largest = np.array([name in maxima for name in names], bool)
    terms = []
    for at, features in zip(np.ndindex(*extents_of(domains, labels)), read, strict=True):
        case = dict(zip(labels, at, strict=True))
        columns = [names.index(name) for name in features.names]
        for term in features.terms:
            scope = in_order(domains, (*term.labels, *labels))
            values = np.zeros((*extents_of(domains, scope), len(names)))
            here = values[tuple(case.get(label, slice(None)) for label in scope)]  # a view of this case
            here[..., columns] = term.values[tuple(case.get(label, slice(None)) for label in term.labels)]
            terms.append(Term(scope, values))
    whole = []
    for term in _merged(sorted(terms, key=lambda term: -term.values.size), largest):
        same = [label for i, label in enumerate(term.labels) if label in labels and not np.ptp(term.values, i).any()]
        index = tuple(0 if label in same else slice(None) for label in term.labels)
        whole.append(Term(tuple(label for label in term.labels if label not in same), term.values[index]))
    merged = _merged(sorted(whole, key=lambda term: -term.values.size), largest)
    parts = {part: None for features in read for part in features.fixed}
    fixed = {  # what every sample has at least
        part: {name: min(features.fixed.get(part, {}).get(name, 0.0) for features in read) for name in names}
        for part in parts
    }
    return SpaceFeatures(names, merged, domains, maxima, fixed)


def joined(first: SpaceFeatures, second: SpaceFeatures) -> SpaceFeatures:
    """Both features of one space; no name may be in both. No sample needs more look-ups than before."""
    names = (*first.names, *second.names)
    before, after = (0, len(second.names)), (len(first.names), 0)
    largest = np.array([name in first.maxima | second.maxima for name in names], bool)
    terms = [Term(term.labels, np.pad(term.values, _last(term, before))) for term in first.terms]
    terms += [Term(term.labels, np.pad(term.values, _last(term, after))) for term in second.terms]
    merged = _merged(terms, largest)
    parts = {part: {**first.fixed.get(part, {}), **added} for part, added in second.fixed.items()}
    return SpaceFeatures(names, merged, first.domains, first.maxima | second.maxima, {**first.fixed, **parts})


def scaled(features: SpaceFeatures, factor: float, names: Collection[str] = ()) -> SpaceFeatures:
    """Features of these names (all where there are none) times a number >= 0."""
    factors = {name: factor if name in names or not names else 1.0 for name in features.names}
    terms = tuple(Term(term.labels, term.values * np.array(list(factors.values()))) for term in features.terms)
    fixed = {part: {name: x * factors[name] for name, x in values.items()} for part, values in features.fixed.items()}
    return replace(features, terms=terms, fixed=fixed)


def renamed(features: SpaceFeatures, prefix: str) -> SpaceFeatures:
    """The features with a prefix before each name."""
    fixed = {part: {prefix + name: x for name, x in values.items()} for part, values in features.fixed.items()}
    names = tuple(prefix + name for name in features.names)
    return replace(features, names=names, maxima=frozenset(prefix + name for name in features.maxima), fixed=fixed)


def sums(features: SpaceFeatures, samples: Sequence[Sample]) -> np.ndarray:
    """Features of a few samples, float64 (n, features); `CostTable` is for many."""
    domains = features.domains
    codes = np.stack([domains.encode(sample) for sample in samples])
    position = {label: i for i, label in enumerate(domains.labels)}
    largest = np.array([name in features.maxima for name in features.names], bool)
    total = np.zeros((len(codes), len(features.names)))
    for term in features.terms:
        rows = term.values[tuple(codes[:, position[label]] for label in term.labels)]
        total = np.where(largest, np.maximum(total, rows), total + rows)
    return total


def _last(term: Term, width: tuple[int, int]) -> list[tuple[int, int]]:
    return [*[(0, 0)] * len(term.labels), width]
