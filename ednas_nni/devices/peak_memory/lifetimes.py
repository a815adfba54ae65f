"""Which memory a space's operations write and until when it is needed, in terms of the choices.

Tensors that are results of the same choice, and are read through it alone, share one cell: only one of them exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ednas_nni.cost.records import FOLDED_KINDS
from ednas_nni.cost.space_layers import SpaceLayers
from ednas_nni.space.conditions import simplify
from ednas_nni.space.domains import Clause, Condition, Literal, Scalar

Clauses = frozenset[Clause]
"""A condition whose clauses have no order."""


@dataclass
class Cell:
    """Memory that at most one of several operations writes.

    Attributes:
        births: Positions of the operations that may write it; position 0 is the image.
        readers: Positions of operations that may read it, and when they do.
    """

    births: list[int] = field(default_factory=list)
    readers: list[tuple[int, Clauses]] = field(default_factory=list)


@dataclass(frozen=True)
class Lifetimes:
    """All memory of a space; operation i of the space stands at position i + 1.

    Attributes:
        cells: The cells.
        conditions: When the operation at each position runs.
        in_place: Whether the operation at each position may write over what it reads.
        end: The position after the last one, where the network's results are read.
    """

    cells: tuple[Cell, ...]
    conditions: tuple[Clauses, ...]
    in_place: tuple[bool, ...]
    end: int


def lifetimes(layers: SpaceLayers) -> Lifetimes:
    """Find the cells of a space and who reads them."""
    conditions = (frozenset(), *(frozenset(operation.condition) for operation in layers.operations))
    end = len(conditions)
    uses: dict[int, int] = {}
    writers: dict[int, int] = {0: 0}
    for position, operation in enumerate(layers.operations, 1):
        for number in operation.reads:
            uses[number] = uses.get(number, 0) + 1
        if operation.writes not in operation.reads:
            writers[operation.writes] = position
    for number in (*layers.results, *(at for options in layers.merged.values() for _, at in options)):
        uses[number] = uses.get(number, 0) + 1

    contents: dict[int, list[tuple[Cell, Clauses]]] = {}
    gone: set[int] = set()  # tensors whose cell became part of another
    for number in sorted((*writers, *layers.merged)):  # what a choice merges was written before
        if number in writers:
            contents[number] = [(Cell([writers[number]]), frozenset())]
            continue
        options = [(frozenset(condition), at) for condition, at in layers.merged[number]]
        own = [(picked, at) for picked, at in options if _private(picked, contents[at], uses[at], conditions)]
        when = frozenset() if len(own) == len(options) else _either([picked for picked, _ in own])
        found = []
        if when is not None and own:
            found.append((Cell([birth for _, at in own for birth in contents[at][0][0].births]), when))
            gone.update(at for _, at in own)
        for picked, at in options:
            if at not in gone:
                found += [(cell, clauses | picked) for cell, clauses in contents[at]]
        contents[number] = found

    for position, operation in enumerate(layers.operations, 1):
        for number in operation.reads:
            for cell, picked in contents[number]:
                cell.readers.append((position, conditions[position] | picked))
    for number in layers.results:
        for cell, picked in contents[number]:
            cell.readers.append((end, picked))
    cells = {id(cell): cell for number, found in contents.items() if number not in gone for cell, _ in found}
    in_place = (False, *(_folds(layers, i) for i in range(len(layers.operations))))
    return Lifetimes(tuple(cells.values()), conditions, in_place, end)


def _private(picked: Clauses, found: list[tuple[Cell, Clauses]], uses: int, conditions: Sequence[Clauses]) -> bool:
    """Whether what an option gives is written for this choice alone, and only where the option is chosen."""
    cell, more = found[0]
    return len(found) == 1 and not more and uses == 1 and all(picked <= conditions[birth] for birth in cell.births)


def _either(conditions: Sequence[Clauses]) -> Clauses | None:
    """One condition for several that allow values of one label; None where they are of another form."""
    clauses = [clause for condition in conditions for clause in condition]
    literals = [literal for clause in clauses for literal in clause]
    if len(literals) != len(conditions) or len({literal.label for literal in literals}) != 1:
        return None
    values = frozenset().union(*(literal.values for literal in literals))
    return frozenset({(Literal(literals[0].label, values),)})


def _folds(layers: SpaceLayers, at: int) -> bool:
    operation = layers.operations[at]
    kinds = {layers.records[record].kind for record in operation.records.flat}
    return kinds <= FOLDED_KINDS and operation.writes not in operation.reads


class Facts:
    """What is known to hold, so that conditions become shorter."""

    def __init__(self, clauses: Iterable[Clause], values: Mapping[str, Sequence[Scalar]]) -> None:
        self._clauses = frozenset(clauses)
        self._values = values
        self._allowed: dict[str, frozenset[Scalar]] = {}
        for clause in self._clauses:
            if len(clause) == 1:
                label = clause[0].label
                known = self._allowed.get(label)
                self._allowed[label] = clause[0].values if known is None else known & clause[0].values

    def restricted(self, clauses: Iterable[Clause]) -> Condition | None:
        """What remains to be checked of a condition; None where it cannot hold."""
        left: list[Clause] = []
        for clause in clauses:
            if clause in self._clauses:
                continue
            literals: list[Literal] = []
            for literal in clause:
                allowed = self._allowed.get(literal.label, frozenset(self._values[literal.label]))
                if allowed <= literal.values:
                    break
                if allowed & literal.values:
                    literals.append(literal)
            else:
                if not literals:
                    return None
                left.append(tuple(literals))
        return tuple(left)

    def alternatives(self, conditions: Iterable[Iterable[Clause]]) -> tuple[Condition, ...]:
        """Conditions of which one must hold: few, () where none can, one of them empty where one always does."""
        found = [x for x in (self.restricted(clauses) for clauses in conditions) if x is not None]
        if any(not x for x in found):
            return ((),)
        short = [self.restricted(x) for x in simplify(found, self._values)]
        return ((),) if () in short else tuple(x for x in short if x is not None)
