"""Labels of a search space: what they may hold and when they matter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ednas_nni.errors import PluginError, did_you_mean, hidden, quoted

Scalar: TypeAlias = str | int | float | bool | None
Sample: TypeAlias = dict[str, Scalar]
LABEL = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True)
class Literal:
    """True when `sample[label]` is one of `values`."""

    label: str
    values: frozenset[Scalar]


Clause: TypeAlias = tuple[Literal, ...]
"""True when one of its literals is."""
Condition: TypeAlias = tuple[Clause, ...]
"""True when all of its clauses are; `()` is always true."""


@dataclass(frozen=True)
class Dimension:
    """One label of a search space.

    Attributes:
        label: Letters, digits and underscores.
        values: What it may hold, JSON scalars, all different; the first one stands in where the label is inactive.
        conditions: The label is active when any of them holds. Conditions are read on the canonical sample, that
            is with the first value in place of every inactive label.
    """

    label: str
    values: tuple[Scalar, ...]
    conditions: tuple[Condition, ...] = ((),)

    @property
    def always(self) -> bool:
        """Whether the label is active in every sample."""
        return () in self.conditions


def in_order(dimensions: Mapping[str, Dimension]) -> list[str]:
    """Labels such that each comes after all labels its conditions read."""
    order: list[str] = []
    state: dict[str, bool] = {}

    def visit(label: str, trail: tuple[str, ...]) -> None:
        if state.get(label):
            return
        if label in state:
            raise PluginError(f"Label {label!r} depends on itself: {' -> '.join((*trail, label))}.")
        state[label] = False
        if not dimensions[label].always:
            for condition in dimensions[label].conditions:
                for clause in condition:
                    for literal in clause:
                        visit(literal.label, (*trail, label))
        state[label] = True
        order.append(label)

    for label in dimensions:
        visit(label, ())
    return order


def validate(dimensions: Sequence[Dimension]) -> None:
    """Check labels, values and what conditions refer to.

    Raises:
        PluginError: Names the label and what is wrong with it.
    """
    by_label: dict[str, Dimension] = {}
    for d in dimensions:
        if not isinstance(d.label, str) or not LABEL.fullmatch(d.label):
            raise PluginError(
                f"Label {quoted(d.label)} may hold letters, digits and underscores only (dots and slashes break NNI)."
            )
        if d.label in by_label:
            raise PluginError(f"Label {d.label!r} is given twice.")
        if not d.values:
            raise PluginError(f"Label {d.label!r} has no values.")
        if any(v is not None and not isinstance(v, (str, int, float)) for v in d.values):
            raise PluginError(f"Label {d.label!r}: values must be JSON scalars, not {quoted(d.values)}.")
        if any(isinstance(v, str) and hidden(v) for v in d.values):
            raise PluginError(f"Label {d.label!r}: values may hold no control characters: {quoted(d.values)}.")
        if len(set(d.values)) != len(d.values) or any(v != v for v in d.values):
            raise PluginError(
                f"Label {d.label!r}: values must be all different and equal to themselves: {quoted(d.values)}."
            )
        by_label[d.label] = d
    for d in dimensions:
        for literal in (x for condition in d.conditions for clause in condition for x in clause):
            if literal.label not in by_label:
                raise PluginError(
                    f"Label {d.label!r} depends on {quoted(literal.label)}.{did_you_mean(literal.label, by_label)}"
                )
            extra = literal.values - set(by_label[literal.label].values)
            if extra:
                raise PluginError(
                    f"Label {d.label!r} depends on {literal.label!r} = {sorted(map(str, extra))}, never a value of it."
                )


def dump(dimensions: Sequence[Dimension]) -> list[dict[str, object]]:
    """Dimensions as JSON data; the values of a literal keep the order of its label's values."""
    values = {d.label: d.values for d in dimensions}

    def literal(x: Literal) -> list[object]:
        return [x.label, [v for v in values[x.label] if v in x.values]]

    return [
        {"label": d.label, "values": list(d.values)}
        | ({} if d.always else {"conditions": [[[literal(x) for x in c] for c in k] for k in d.conditions]})
        for d in dimensions
    ]


def restore(data: Iterable[Mapping[str, Any]]) -> list[Dimension]:
    """Dimensions from what `dump` wrote.

    Raises:
        PluginError: The data is not of that form.
    """

    def clause(literals: Any) -> Clause:
        return tuple(Literal(_label(label), frozenset(_values(values))) for label, values in literals)

    try:
        return [
            Dimension(
                entry["label"],
                tuple(_values(entry["values"])),
                tuple(tuple(map(clause, condition)) for condition in entry.get("conditions", [[]])),
            )
            for entry in data
        ]
    except (KeyError, TypeError, ValueError) as error:
        lacks = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise PluginError(f"This is not a search space written by Domains.to_json: {lacks}.") from error


def _label(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a label is text, not {quoted(value)}")
    return value


def _values(value: object) -> list[Scalar]:
    if not isinstance(value, list):
        raise TypeError(f"values are a list, not {quoted(value)}")
    return value
