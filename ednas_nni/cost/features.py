"""Features of every layer of a model space, as functions of the choices that decide them.

A layer's features depend on few labels: the choices that decide whether it exists, and those that decide its channel
numbers. They are therefore written down once, as an array over exactly these labels, and a sample's features are the
sum of one entry per array, or the largest for a feature such as the largest activation. Nothing is estimated: for every
sample they equal those of the instantiated network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ednas_nni.cost.records import LayerRecord
from ednas_nni.cost.space_layers import Operation, SpaceLayers, alive, labels_of, spread
from ednas_nni.cost.terms import SpaceFeatures, Term
from ednas_nni.errors import StudyError

MAX_ENTRIES = 1 << 20
"""Largest array of one term; beyond it, too many choices decide one layer."""

Features = Callable[[LayerRecord], Mapping[str, float]]


def space_features(layers: SpaceLayers, features: Features, maxima: Collection[str] = ()) -> SpaceFeatures:
    """Features of all operations of a space.

    Args:
        layers: The operations.
        features: Features of one layer, >= 0; a network's are the sums over its layers.
        maxima: Features of which a network has the largest over its layers instead.

    Raises:
        StudyError: Too many choices decide one layer, or one is priced whose record is in doubt.
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
        self._order = {label: i for i, label in enumerate(layers.domains.labels)}
        self._terms: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
        self._fixed: dict[str, dict[str, float]] = {}
        priced = [{name: value for name, value in features(record).items() if value} for record in layers.records]
        self._names = tuple(dict.fromkeys(name for found in priced for name in found))
        # One column per feature: an operation looks up its records in all of them at once.
        self._values = np.array([[found.get(name, 0.0) for name in self._names] for found in priced])
        self._values = self._values.reshape(len(priced), len(self._names))
        self._largest = np.array([name in maxima for name in self._names], bool)

    def add(self, operation: Operation) -> None:
        """Add one operation."""
        values = self._values[operation.records]
        used = np.flatnonzero(values.reshape(-1, len(self._names)).any(axis=0))
        if not len(used):
            return
        if operation.doubt:
            raise StudyError(f"a device prices a layer of unknown width: {operation.doubt}")
        labels = self._sorted([*operation.labels, *labels_of(operation.condition)])
        shape = self._shape(labels)
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
                known = part.get(name, 0.0)
                part[name] = max(known, value) if name in self._maxima else known + value

    def result(self) -> SpaceFeatures:
        """Merge each term into one that has all its labels, where there is one, and freeze."""
        dense: dict[tuple[str, ...], np.ndarray] = {}
        for labels in sorted(self._terms, key=lambda found: -math.prod(self._shape(found))):
            arrays = self._terms[labels]
            empty = np.zeros(self._shape(labels))
            values = np.stack([arrays.get(name, empty) for name in self._names], axis=-1)
            host = next((known for known in dense if set(labels) <= set(known)), None)
            if host is None:
                dense[labels] = values
                continue
            shape = [len(self._domains[label].values) if label in labels else 1 for label in host]
            wide, narrow = dense[host], values.reshape([*shape, len(self._names)])
            dense[host] = np.where(self._largest, np.maximum(wide, narrow), wide + narrow)
        terms = tuple(Term(labels, values) for labels, values in dense.items())
        return SpaceFeatures(self._names, terms, self._domains, self._maxima & set(self._names), self._fixed)

    def _shape(self, labels: Sequence[str]) -> list[int]:
        return [len(self._domains[label].values) for label in labels]

    def _sorted(self, labels: Any) -> tuple[str, ...]:
        return tuple(sorted(set(labels), key=self._order.__getitem__))
