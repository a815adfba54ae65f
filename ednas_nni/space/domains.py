"""What a search space offers, as plain data: labels, their values, and when each label matters.

A sample is NNI's `{label: choice}`. Many samples describe the same network: the operation of a third block says
nothing when the stage has two. `Domains` knows which labels matter (are *active*), so it can name an architecture
once (`canonical`, `architecture_id`), count architectures exactly (`size`) and move between them (`random`,
`mutate`, `crossover`). It needs neither torch nor NNI.
"""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ednas_nni.errors import PluginError, SampleError, did_you_mean, quoted
from ednas_nni.space.conditions import simplify
from ednas_nni.space.counting import count
from ednas_nni.space.dimensions import (
    Clause,
    Condition,
    Dimension,
    Literal,
    Sample,
    Scalar,
    dump,
    in_order,
    restore,
    validate,
)

__all__ = ["Clause", "Condition", "Dimension", "Domains", "Literal", "Sample", "Scalar"]


class Domains:
    """All labels of a search space with their values and conditions.

    Args:
        dimensions: In the order in which samples are written.

    Raises:
        PluginError: A label, a value or a condition is not usable; the message says which and why.

    Example:
        >>> deep = (((Literal("depth", frozenset({2})),),),)
        >>> domains = Domains([Dimension("depth", (1, 2)), Dimension("op2", ("a", "b"), deep)])
        >>> domains.canonical({"depth": 1, "op2": "b"})  # there is no second block: its operation says nothing
        {'depth': 1, 'op2': 'a'}
        >>> domains.active({"depth": 1, "op2": "b"}), domains.size()
        ({'depth': 1}, 3)
    """

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        validate(dimensions)
        values = {d.label: d.values for d in dimensions}
        self.dimensions: tuple[Dimension, ...] = tuple(
            replace(d, conditions=((),) if d.always else simplify(d.conditions, values)) for d in dimensions
        )
        self.labels: tuple[str, ...] = tuple(d.label for d in self.dimensions)
        self._by_label = {d.label: d for d in self.dimensions}
        self._size: int | None = None
        self._codes: dict[str, dict[object, int]] = {
            d.label: {v: i for i, v in enumerate(d.values)} for d in self.dimensions
        }
        conditional = [self._by_label[label] for label in in_order(self._by_label)]
        self._conditional = [
            (d.label, d.values[0], tuple(tuple(tuple((x.label, x.values) for x in c) for c in k) for k in d.conditions))
            for d in conditional
            if not d.always
        ]

    def __len__(self) -> int:
        return len(self.dimensions)

    def __getitem__(self, label: str) -> Dimension:
        try:
            return self._by_label[label]
        except (KeyError, TypeError):
            raise SampleError(
                f"The search space has no label {quoted(label)}.{did_you_mean(label, self.labels)}"
            ) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Domains) and self.dimensions == other.dimensions

    def __hash__(self) -> int:
        return hash(self.dimensions)

    def __repr__(self) -> str:
        return f"Domains({len(self)} labels: {', '.join(self.labels)})"

    # ------------------------------------------------------------------ reading samples
    def check(self, sample: Mapping[str, object]) -> None:
        """Check that a sample names every label once and holds legal values only.

        Raises:
            SampleError: Names the unknown labels (with a suggestion), the missing ones or the illegal value.
        """
        self._legal(sample)

    def canonical(self, sample: Mapping[str, object]) -> Sample:
        """The one complete sample of this architecture: inactive labels hold their first value."""
        return self._settle(sample)[0]

    def active(self, sample: Mapping[str, object]) -> Sample:
        """Only the labels that matter for this architecture, in the order of the space."""
        settled, inactive = self._settle(sample)
        return {label: value for label, value in settled.items() if label not in inactive}

    def complete(self, sample: Mapping[str, object]) -> Sample:
        """The canonical sample of a sample in which inactive labels may be missing.

        Raises:
            SampleError: An active label is missing, or as `check`.
        """
        if not isinstance(sample, Mapping):
            raise self._wrong(sample)
        filled = {d.label: d.values[0] for d in self.dimensions} | dict(sample)
        settled, inactive = self._settle(filled)
        missing = [label for label in self.labels if label not in sample and label not in inactive]
        if missing:
            raise SampleError(
                f"The sample lacks {_listed(missing)}, which this architecture needs. {self._hint(missing)}"
            )
        return settled

    def architecture_id(self, sample: Mapping[str, object]) -> str:
        """Ten hex digits that are equal for two samples exactly when they describe the same architecture."""
        text = json.dumps(self.active(sample), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def encode(self, sample: Mapping[str, object]) -> NDArray[np.int16]:
        """Positions of the canonical sample's values, int16 of shape (labels,)."""
        settled = self._settle(sample)[0]
        return np.array([codes[settled[label]] for label, codes in self._codes.items()], np.int16)

    def decode(self, codes: Sequence[int] | NDArray[np.integer[Any]]) -> Sample:
        """The canonical sample of positions, shape (labels,); `decode(encode(s)) == canonical(s)`.

        Raises:
            SampleError: These are no whole numbers, the length is wrong or a position lies outside its label's values.
        """
        try:
            positions = [operator.index(code) for code in codes]
        except TypeError:
            raise SampleError(
                f"A code is a list of {len(self)} whole numbers, one per label of the space, not {quoted(codes)}."
            ) from None
        if len(positions) != len(self):
            raise SampleError(f"A code needs {len(self)} positions, one per label of the space, not {len(positions)}.")
        for position, dimension in zip(positions, self.dimensions, strict=True):
            if not 0 <= position < len(dimension.values):
                raise SampleError(
                    f"{dimension.label}: position {quoted(position)} is not in 0..{len(dimension.values) - 1}."
                )
        return self.canonical({d.label: d.values[i] for i, d in zip(positions, self.dimensions, strict=True)})

    # ------------------------------------------------------------------ moving between samples
    def random(self, rng: np.random.Generator) -> Sample:
        """A random canonical sample: every label is drawn evenly and by itself, as NNI's own strategies do.

        Architectures are therefore not equally likely: one with few active labels is drawn more often.
        """
        draws = rng.random(len(self)).tolist()
        return self.canonical(
            {d.label: d.values[int(x * len(d.values))] for d, x in zip(self.dimensions, draws, strict=True)}
        )

    def mutate(self, sample: Mapping[str, object], rng: np.random.Generator, n: int = 1) -> Sample:
        """Give `n` active labels another value: a canonical sample of another architecture.

        Labels that come alive through the change (a block of a deeper stage) are drawn evenly; labels that were and
        stay active keep their value. `n` is capped at the number of active labels that have a choice.

        Raises:
            SampleError: As `check`, `n` is below 1, or nothing in the sample can be changed.
        """
        settled, inactive = self._settle(sample)
        free = [label for label in self.labels if label not in inactive and len(self._by_label[label].values) > 1]
        if n < 1 or not free:
            raise SampleError(
                f"n={n}: a mutation changes at least one label."
                if n < 1
                else "No active label of this sample has a second value."
            )
        changed = dict(settled)
        for label in (x for x in self.labels if x in inactive):  # in order: a set's order changes between processes
            changed[label] = _draw(self._by_label[label].values, rng)
        for i in rng.choice(len(free), size=min(n, len(free)), replace=False).tolist():
            values = self._by_label[free[i]].values
            changed[free[i]] = _draw([v for v in values if v != settled[free[i]]], rng)
        return self.canonical(changed)

    def crossover(self, a: Mapping[str, object], b: Mapping[str, object], rng: np.random.Generator) -> Sample:
        """A canonical child: each label from either parent, from the one in which it is active if only one."""
        (one, one_off), (two, two_off) = self._settle(a), self._settle(b)
        coins = (rng.random(len(self)) < 0.5).tolist()
        child = {}
        for label, heads in zip(self.labels, coins, strict=True):
            first = label in two_off or (heads and label not in one_off)
            child[label] = one[label] if first else two[label]
        return self.canonical(child)

    # ------------------------------------------------------------------ the whole space
    def size(self) -> int:
        """The exact number of distinct architectures (not of samples)."""
        if self._size is None:
            self._size = count(self.dimensions)
        return self._size

    @property
    def size_text(self) -> str:
        """The same to be read: 504,000, and two digits from a million on: 9.3 x 10^16."""
        size = self.size()
        return f"{size:,}" if size < 10**6 else f"{Decimal(size):.1e}".replace("e+", " x 10^")

    def to_json(self) -> list[dict[str, object]]:
        """Plain data from which `from_json` restores an equal object."""
        return dump(self.dimensions)

    @classmethod
    def from_json(cls, data: Iterable[Mapping[str, Any]]) -> Domains:
        """Restore what `to_json` wrote.

        Raises:
            PluginError: The data is not of that form.
        """
        try:
            return cls(restore(data))
        except RecursionError:
            raise PluginError(
                "This is not a search space written by Domains.to_json: labels depend without end."
            ) from None

    def as_nni(self) -> dict[str, dict[str, object]]:
        """The space in NNI's own notation, as its web UI shows it (without conditions, which NNI does not know)."""
        return {d.label: {"_type": "choice", "_value": list(d.values)} for d in self.dimensions}

    # ------------------------------------------------------------------ inside
    def _legal(self, sample: Mapping[str, object]) -> Sample:
        """The sample in the order of the space and with the space's own values (1, not 1.0)."""
        legal = {}
        for label, codes in self._codes.items():
            try:
                value = sample[label]
                of_space = self._by_label[label].values[codes[value]]
            except (KeyError, TypeError):
                raise self._wrong(sample) from None
            if (type(value) is bool) is not (type(of_space) is bool):  # True == 1, yet they are different choices
                raise self._wrong(sample)
            legal[label] = of_space
        if len(sample) != len(legal):
            raise self._wrong(sample)
        return legal

    def _wrong(self, sample: Mapping[str, object]) -> SampleError:
        """Say what is wrong, slowly; only called when something is."""
        if not isinstance(sample, Mapping):
            return SampleError(
                f"A sample is a mapping from label to value, not {type(sample).__name__}: {quoted(sample)}."
            )
        unknown = [label for label in sample if label not in self._by_label]
        if unknown:
            hint = did_you_mean(unknown[0], self.labels)
            return SampleError(f"The search space has no label {quoted(unknown[0])}.{hint}")
        missing = [label for label in self.labels if label not in sample]
        if missing:
            return SampleError(
                f"The sample lacks {_listed(missing)}. {self._hint(missing)} "
                "Domains.complete fills in labels that do not matter for an architecture."
            )
        for label, value in sample.items():
            allowed = self._by_label[label].values
            if not _among(value, allowed):
                hint = did_you_mean(value, allowed)
                return SampleError(f"{label} = {quoted(value)} is not in the search space.{hint}")
        return SampleError(f"The sample {quoted(sample)} is not in the search space.")

    def _hint(self, missing: Sequence[str]) -> str:
        return f"{missing[0]} is one of: {', '.join(map(str, self._by_label[missing[0]].values))}."

    def _settle(self, sample: Mapping[str, object]) -> tuple[Sample, set[str]]:
        """The canonical sample and its inactive labels."""
        settled = self._legal(sample)
        inactive = set()
        for label, first, conditions in self._conditional:
            for condition in conditions:
                for clause in condition:
                    for other, values in clause:
                        if settled[other] in values:
                            break
                    else:
                        break
                else:
                    break
            else:
                settled[label] = first
                inactive.add(label)
        return settled, inactive


def _among(value: object, allowed: Sequence[Scalar]) -> bool:
    try:
        hash(value)
    except TypeError:  # a list, or an array, which has no single answer to ==
        return False
    return any(value == v and (type(value) is bool) == (type(v) is bool) for v in allowed)


def _draw(values: Sequence[Scalar], rng: np.random.Generator) -> Scalar:
    return values[int(rng.integers(len(values)))]


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:5]) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
