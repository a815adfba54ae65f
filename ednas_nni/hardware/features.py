"""Features of every layer of a model space, as functions of the choices that decide them.

A layer's features depend on few labels: the choices that decide whether it exists, and those that decide its channel
numbers. They are therefore written down once, as an array over exactly these labels, and a sample's features are the
sum of one entry per array, or the largest for a feature such as the largest activation. Nothing is estimated: for every
sample they equal those of the instantiated network.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from nni.mutable import Mutable
from nni.nas.nn.pytorch import ModelSpace
from torch import nn

from ednas_nni.domains import Condition, Domains
from ednas_nni.errors import StudyError
from ednas_nni.hardware.layers import check_containers, check_counted
from ednas_nni.hardware.records import LayerRecord
from ednas_nni.hardware.rules import arguments, layer_record
from ednas_nni.hardware.terms import SpaceFeatures, Term
from ednas_nni.hardware.trace import Call, trace
from ednas_nni.nn.tree import Leaf, domains_of, walk

MAX_ENTRIES = 1 << 20
"""Largest array of one term; beyond it, too many choices decide one layer."""

Features = Callable[[LayerRecord], Mapping[str, float]]


def space_features(
    space: ModelSpace, size: tuple[int, int], features: Features, maxima: Collection[str] = ()
) -> SpaceFeatures:
    """Read all features of a space from one walk and one forward pass without data.

    Args:
        space: Any model space whose sizes (height and width) do not depend on choices; widths may.
        size: Image (height, width) in pixels.
        features: Features of one layer, >= 0; a network's are the sums over its layers.
        maxima: Features of which a network has the largest over its layers instead.

    Raises:
        StudyError: A layer has no cost rule, never runs, is used under two names, depends on too many choices, or a
            choice changes a size.
    """
    check_containers(space)
    domains = domains_of(space)
    seen = trace(space, size)
    leaves = list(walk(space))
    collected = _Collected(domains, features, any(map(_is_searched, leaves)), frozenset(maxima))
    counted, met = 0, {}
    for leaf in leaves:
        if met.setdefault(id(leaf.module), leaf.path) != leaf.path:
            if next(leaf.module.parameters(), None) is not None:
                raise StudyError(f"{leaf.path} is the same module as {met[id(leaf.module)]}; give each place its own")
            continue
        calls = seen.calls.get(id(leaf.module), [])
        if not calls and next(leaf.module.parameters(), None) is not None:
            raise StudyError(
                f"{leaf.path}: this {type(leaf.module).__name__} never ran in a forward pass in which every candidate "
                "runs, so its cost is unknown. Remove it, or call it in the space's forward"
            )
        for number, call in enumerate(calls):
            collected.add(leaf, call, number == 0)
            record = layer_record(leaf.path, leaf.module, call, lambda name, m=leaf.module: getattr(m, name), True)
            counted += record.macs if record is not None else 0
    check_counted(seen, counted, type(space).__name__)
    return collected.result()


def constructor_argument(module: nn.Module, name: str) -> Any:
    """A constructor argument, as an NNI expression where it is searched."""
    given = getattr(module, "args", None)
    return given[name] if isinstance(given, Mapping) and name in given else getattr(module, name)


class _Collected:
    """Terms under construction."""

    def __init__(self, domains: Domains, features: Features, widths_are_searched: bool, maxima: frozenset[str]) -> None:
        self._widths_are_searched = widths_are_searched
        self._maxima = maxima
        self._domains = domains
        self._features = features
        self._order = {label: i for i, label in enumerate(domains.labels)}
        self._names: dict[str, int] = {}
        self._terms: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
        self._known: dict[LayerRecord, Mapping[str, float]] = {}

    def add(self, leaf: Leaf, call: Call, first_call: bool) -> None:
        """Add one call of one layer."""
        given = {name: constructor_argument(leaf.module, name) for name in arguments(leaf.module, leaf.path)}
        widths = self._sorted(label for value in given.values() for label in _labels(value))
        labels = self._sorted([*widths, *_labels_of(leaf.condition)])
        entries = math.prod(self._shape(labels))
        if entries > MAX_ENTRIES:
            raise StudyError(
                f"{leaf.path}: {len(labels)} choices decide this layer ({', '.join(labels)}), {entries:,} cases. "
                f"At most {MAX_ENTRIES:,} are tabulated; let fewer choices reach one layer"
            )
        cases = [self._domains[label].values for label in widths]
        mask: np.ndarray | None = None
        for values in itertools.product(*cases):
            sample = dict(zip(widths, values, strict=True))
            record = layer_record(leaf.path, leaf.module, call, _reader(leaf.module, given, sample), first_call)
            if record is None:
                return
            found = self._price(record)
            if not found:
                continue
            self._check_width(leaf, call)
            if mask is None:
                mask = self._mask(leaf.condition, labels)
            at = dict(zip(widths, values, strict=True))
            where = tuple(
                self._domains[label].values.index(at[label]) if label in at else slice(None) for label in labels
            )
            for name, value in found.items():
                array = self._array(labels, name)
                added = value * mask[where]
                array[where] = np.maximum(array[where], added) if name in self._maxima else array[where] + added

    def result(self) -> SpaceFeatures:
        """Merge each term into one that has all its labels, where there is one, and freeze."""
        names = tuple(self._names)
        dense: dict[tuple[str, ...], np.ndarray] = {}
        for labels in sorted(self._terms, key=lambda found: -math.prod(self._shape(found))):
            arrays = self._terms[labels]
            empty = np.zeros(self._shape(labels))
            values = np.stack([arrays.get(name, empty) for name in names], axis=-1)
            host = next((known for known in dense if set(labels) <= set(known)), None)
            if host is None:
                dense[labels] = values
            else:
                shape = [len(self._domains[label].values) if label in labels else 1 for label in host]
                wide, narrow = dense[host], values.reshape([*shape, len(names)])
                largest = np.array([name in self._maxima for name in names])
                dense[host] = np.where(largest, np.maximum(wide, narrow), wide + narrow)
        terms = tuple(Term(labels, values) for labels, values in dense.items())
        return SpaceFeatures(names, terms, self._domains, self._maxima & set(names))

    def _check_width(self, leaf: Leaf, call: Call) -> None:
        """Refuse a priced layer whose channel number may be another one for another sample."""
        if self._widths_are_searched and not arguments(leaf.module, leaf.path) and len(call.output) == 4:
            raise StudyError(
                f"{leaf.path}: a device prices this {type(leaf.module).__name__}, but in a space with searched widths "
                "its number of channels is not known. Use the layers of ednas_nni.nn.elementwise, which are given it"
            )

    def _price(self, record: LayerRecord) -> Mapping[str, float]:
        key = replace(record, path="")
        if key not in self._known:
            self._known[key] = {name: value for name, value in self._features(key).items() if value}
        for name in self._known[key]:
            self._names.setdefault(name, len(self._names))
        return self._known[key]

    def _array(self, labels: tuple[str, ...], name: str) -> np.ndarray:
        arrays = self._terms.setdefault(labels, {})
        if name not in arrays:
            arrays[name] = np.zeros(self._shape(labels))
        return arrays[name]

    def _mask(self, condition: Condition, labels: Sequence[str]) -> np.ndarray:
        """1 where the condition holds, 0 elsewhere; float64 of the term's shape."""
        alive = np.ones(self._shape(labels), bool)
        for clause in condition:
            any_literal = np.zeros(self._shape(labels), bool)
            for literal in clause:
                holds = np.array([value in literal.values for value in self._domains[literal.label].values])
                axis = labels.index(literal.label)
                any_literal |= holds.reshape([-1 if i == axis else 1 for i in range(len(labels))])
            alive &= any_literal
        return alive.astype(float)

    def _shape(self, labels: Sequence[str]) -> list[int]:
        return [len(self._domains[label].values) for label in labels]

    def _sorted(self, labels: Any) -> tuple[str, ...]:
        return tuple(sorted(set(labels), key=self._order.__getitem__))


def _is_searched(leaf: Leaf) -> bool:
    return any(_labels(constructor_argument(leaf.module, name)) for name in arguments(leaf.module, leaf.path))


def _reader(module: nn.Module, given: Mapping[str, Any], sample: Mapping[str, Any]) -> Callable[[str], Any]:
    def read(name: str) -> Any:
        value = given[name] if name in given else getattr(module, name)
        if isinstance(value, Mutable):
            return value.freeze(dict(sample))
        if isinstance(value, tuple | list):
            return type(value)(x.freeze(dict(sample)) if isinstance(x, Mutable) else x for x in value)
        return value

    return read


def _labels(value: Any) -> list[str]:
    """Labels that an argument depends on; a pair such as a kernel may hold expressions."""
    if isinstance(value, Mutable):
        return list(value.simplify())
    return [label for x in value for label in _labels(x)] if isinstance(value, tuple | list) else []


def _labels_of(condition: Condition) -> list[str]:
    return [literal.label for clause in condition for literal in clause]
