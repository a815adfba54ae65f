"""The most tensor elements that are alive at one time while a network runs, exact for each sample, without building it.

The idea: the elements alive while operation p runs are a sum of changes, what each operation up to p writes minus what
nobody needs any more. A change depends on few choices: those that decide whether the operation is there, how wide it
is, and who reads a tensor last. So it is a small table over these choices, with zeros where the operation is not in the
network, and the peak is the largest running sum. Example: x and y, one of which the choice a takes, read the image of
10 elements and write 4 or 6; z reads what they wrote and writes 5:

    position            image    x            y                      z
    change              +10      +4 if a=x    +6 if a=y, -10 if a=x  +5, -10 if a=y
    running, a=x        10       14           4                      9
    running, a=y        10       10           16                     11

Neighbours that hang on the same few choices are added up beforehand. Of such a stretch two tables remain: the largest
running sum inside of it (`rise`, above {x: 14, y: 16}) and the sum at its end (`net`, {x: 9, y: 11}). The peak is the
largest of "alive before the stretch plus its rise". A sample costs two look-ups a stretch, whatever its length; all
numbers are whole, so sums are exact.

Who reads last hangs on everybody who might read later. That is a product: the tensor is read here, and not by the first
of the later ones, and not by the second, ... Where multiplying out would make a large table, the factors stay apart and
are looked up one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial, reduce
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from ednas_nni.cost.device import Values
from ednas_nni.cost.records import FOLDED_KINDS
from ednas_nni.cost.space_layers import SpaceLayers, alive, labels_of, spread
from ednas_nni.errors import StudyError
from ednas_nni.space.domains import Clause, Domains

CHUNK = 1 << 12
"""Samples at once: their sums stay in the processor's cache."""
MOST_ENTRIES = 1 << 16
"""Largest table to look up; beyond it, another stretch begins, and products stay products."""
LARGEST = 1 << 22
"""Largest table on the way there; beyond it, too many choices decide how long one tensor lives."""

Clauses = frozenset[Clause]
"""A condition whose clauses have no order: all of them must hold."""


@dataclass(frozen=True)
class ChoiceTable:
    """Numbers that depend on few choices, in the order of the space: one axis for each."""

    labels: tuple[str, ...]
    values: NDArray[np.float64] = field(repr=False)


Change = tuple[ChoiceTable, ...]
"""Factors of a change: more than one where a table over all of their choices would be too large."""
Read = tuple[int, Clauses]
"""Position of an operation that reads a tensor, and when it does."""


@dataclass(frozen=True)
class Stretch:
    """Operations that run one after the other, and hang on few choices together.

    Attributes:
        wide: Changes at the first of them that hang on so many choices that they are kept as products.
        labels: The choices that all other changes hang on.
        rise: The largest sum of these changes up to one of the operations, flat over the labels' values.
        net: The sum of all of them, likewise.
    """

    wide: tuple[Change, ...]
    labels: tuple[str, ...]
    rise: Values = field(repr=False)
    net: Values = field(repr=False)


class PeakElements:
    """Peak number of live tensor elements of encoded samples.

    Operations run in the order of the network's forward pass. A tensor lives from the operation that writes it to the
    last one that reads it; the image from the start to its last reader, and what the network gives back to the end.
    Batch norms and activations write over what they read where nobody reads it later, since devices compute them where
    the layer before writes. All others write beside what they read. Weights do not count.

    Raises:
        StudyError: Too many choices decide how long one tensor lives.
    """

    def __init__(self, layers: SpaceLayers) -> None:
        self._position = {label: i for i, label in enumerate(layers.domains.labels)}
        self._extents = [len(dimension.values) for dimension in layers.domains.dimensions]
        tables = _Tables(layers.domains)
        self.stretches = tuple(_stretches(_changes(layers, tables), tables))

    def __call__(self, codes: NDArray[np.integer]) -> Values:
        """Peaks, float64 (n,), of samples as `Domains.encode` gives them, integers (n, labels)."""
        peaks = np.empty(len(codes))
        for start in range(0, len(codes), CHUNK):
            columns = np.ascontiguousarray(codes[start : start + CHUNK].T, dtype=np.intp)
            live, peak = np.zeros(columns.shape[1]), np.zeros(columns.shape[1])
            for stretch in self.stretches:
                for factors in stretch.wide:
                    live += math.prod(self._look_up(table, columns) for table in factors)
                index = self._index(stretch.labels, columns)
                np.maximum(peak, live + stretch.rise.take(index), out=peak)
                live += stretch.net.take(index)
            peaks[start : start + CHUNK] = peak
        return peaks

    def _look_up(self, table: ChoiceTable, columns: NDArray[np.intp]) -> Values:
        return table.values.ravel().take(self._index(table.labels, columns))

    def _index(self, labels: Sequence[str], columns: NDArray[np.intp]) -> NDArray[np.intp]:
        """Where in a flat table over labels each sample is, integers (n,)."""
        if not labels:
            return np.zeros(columns.shape[1], np.intp)
        index: NDArray[np.intp] = columns[self._position[labels[0]]]
        for label in labels[1:]:
            position = self._position[label]
            index = index * self._extents[position] + columns[position]
        return index


class _Tables:
    """Arithmetic with tables over choices of one space; a table has only labels that make a difference."""

    def __init__(self, domains: Domains) -> None:
        self._domains = domains
        self._order = {label: i for i, label in enumerate(domains.labels)}
        self._conditions: dict[Clauses, ChoiceTable] = {frozenset(): ChoiceTable((), np.array(1.0))}

    def scope(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Labels once, in the order of the space."""
        return tuple(sorted(set(labels), key=self._order.__getitem__))

    def shape(self, labels: Iterable[str]) -> list[int]:
        """Number of values of each label."""
        return [len(self._domains[label].values) for label in labels]

    def where(self, clauses: Clauses) -> ChoiceTable:
        """1 where a condition holds, else 0."""
        if clauses not in self._conditions:
            condition = tuple(clauses)
            labels = self._checked(labels_of(condition))
            self._conditions[clauses] = _narrowed(labels, alive(self._domains, condition, labels).astype(np.float64))
        return self._conditions[clauses]

    def size(self, *tables: ChoiceTable) -> int:
        """Entries of a table over the choices of all of these."""
        return math.prod(self.shape({label for table in tables for label in table.labels}))

    def combined(self, operation: Callable[..., NDArray[np.float64]], *tables: ChoiceTable) -> ChoiceTable:
        """An operation on each pair of entries that belong to the same choices."""
        labels = self._checked(label for table in tables for label in table.labels)
        return _narrowed(labels, operation(*(spread(table.values, table.labels, labels) for table in tables)))

    def _checked(self, labels: Iterable[str]) -> tuple[str, ...]:
        scope = self.scope(labels)
        if math.prod(self.shape(scope)) > LARGEST:
            raise StudyError(
                f"peak_memory: {len(scope)} choices decide how long one tensor lives ({', '.join(scope)}). Let fewer "
                "choices reach one tensor, or leave peak_memory_bytes out of the study"
            )
        return scope

    def none(self, conditions: Iterable[Clauses]) -> Change:
        """1 where none of several conditions holds, else 0."""
        return self.multiplied(ChoiceTable(table.labels, 1.0 - table.values) for table in map(self.where, conditions))

    def multiplied(self, factors: Iterable[ChoiceTable]) -> Change:
        """A product of few tables: those that are multiplied out are small."""
        product: list[ChoiceTable] = []
        for factor in factors:
            at = next((i for i, other in enumerate(product) if self.size(factor, other) <= MOST_ENTRIES), None)
            if at is None:
                product.append(factor)
            else:
                product[at] = self.combined(np.multiply, product[at], factor)
        return tuple(product)

    def gathered(self, products: Iterable[Change]) -> tuple[Change, ...]:
        """Products that differ in their first factor alone as one."""
        groups: dict[tuple[tuple[tuple[str, ...], bytes], ...], list[Change]] = {}
        for product in products:
            key = tuple((table.labels, table.values.tobytes()) for table in product[1:])
            groups.setdefault(key, []).append(product)
        return tuple(
            (reduce(partial(self.combined, np.add), (p[0] for p in same)), *same[0][1:]) for same in groups.values()
        )


def _changes(layers: SpaceLayers, tables: _Tables) -> list[list[Change]]:
    """How the number of live elements changes at each position; the image is there at position 0, operation i at i + 1.

    What a tensor is read by is followed through the results of choices: "the block's output" is one of several tensors,
    each under the condition that its candidate is chosen.
    """
    end = len(layers.operations) + 1
    conditions: list[Clauses] = [frozenset(), *(frozenset(operation.condition) for operation in layers.operations)]
    elements = np.array([record.elements_written for record in layers.records], np.float64)
    births = {0: (0, ChoiceTable((), np.array(float(layers.image_elements))))}
    reads: dict[int, list[Read]] = {}
    meant = _meant(layers)
    for position, operation in enumerate(layers.operations, 1):
        for tensor, picked in (pair for number in operation.reads for pair in meant(number)):
            reads.setdefault(tensor, []).append((position, conditions[position] | picked))
        if operation.writes not in operation.reads:
            births[operation.writes] = (position, _narrowed(operation.labels, elements[operation.records]))
    for tensor, picked in (pair for number in layers.results for pair in meant(number)):
        reads.setdefault(tensor, []).append((end, picked))

    changes: list[list[Change]] = [[] for _ in range(end + 2)]
    # Candidates of one choice are read alike, and what is read alike is freed together.
    alike: dict[frozenset[Read], list[tuple[int, ChoiceTable]]] = {}
    for tensor, (birth, size) in births.items():
        exists = conditions[birth]
        held = tables.combined(np.multiply, size, tables.where(exists))
        changes[birth].append((held,))
        # What holds wherever the tensor exists need not be looked at.
        key = frozenset((position, clauses - exists) for position, clauses in reads.get(tensor, ()))
        alike.setdefault(key, []).append((birth, ChoiceTable(held.labels, -held.values)))
    for key, tensors in alike.items():
        freed = reduce(partial(tables.combined, np.add), (held for _, held in tensors))
        for position, last in _last_reads(sorted(key, key=lambda read: -read[0]), tables):
            if position:
                # An operation that writes over its input frees it at once, any other when it is done.
                gone = position if position < end and _folded(layers, position - 1) else position + 1
                changes[gone].append(tables.multiplied((freed, *last)))
            else:  # where nobody reads it
                for birth, held in tensors:
                    changes[birth + 1].append(tables.multiplied((held, *last)))
    return changes[:end]


def _last_reads(reads: Sequence[Read], tables: _Tables) -> Iterator[tuple[int, Change]]:
    """Where a tensor's reads (last position first) are the last ones: a position, and a product of tables.

    The tables are 1 where they are and 0 elsewhere; position 0 stands for no read at all.
    """
    later: list[Clauses] = []
    shared: Clauses = frozenset()  # what holds in this read and all later ones
    nobody: Change = ()  # 1 where nobody reads later, given what is shared
    for position, group in groupby(reads, key=lambda read: read[0]):
        here = [clauses for _, clauses in group]
        before, shared = shared, frozenset.intersection(*here, *([shared] if later else []))
        if shared != before:
            nobody = tables.none(clauses - shared for clauses in later)
        none_here = tables.none(clauses - shared for clauses in here)
        reads_here = tables.combined(lambda *none: 1.0 - math.prod(none), *none_here)
        product = (tables.where(shared), reads_here, *nobody)
        if all(factor.values.any() for factor in product):
            yield position, product
        later += here
        nobody = tables.multiplied((*nobody, *none_here))
    if shared:
        nobody = tables.none(later)
    if all(factor.values.any() for factor in nobody):
        yield 0, nobody


def _meant(layers: SpaceLayers) -> Callable[[int], Sequence[tuple[int, Clauses]]]:
    """Which tensors a number stands for, each with the condition under which it does."""

    @cache
    def meant(number: int) -> tuple[tuple[int, Clauses], ...]:
        if number not in layers.merged:
            return ((number, frozenset()),)
        options = layers.merged[number]
        return tuple((x, picked | frozenset(when)) for when, option in options for x, picked in meant(option))

    return meant


def _folded(layers: SpaceLayers, at: int) -> bool:
    """Whether an operation may write over what it reads."""
    operation = layers.operations[at]
    kinds = {layers.records[record].kind for record in operation.records.flat}
    return kinds <= FOLDED_KINDS and operation.writes not in operation.reads


def _stretches(changes: Sequence[Sequence[Change]], tables: _Tables) -> Iterator[Stretch]:
    """Changes of neighbouring positions added up, as long as few choices decide them."""
    start = 0
    while start < len(changes):
        narrow, wide = _split(changes[start], (), tables)
        positions, scope = [narrow], tables.scope(label for table in narrow for label in table.labels)
        for change in changes[start + 1 :]:
            narrow, more = _split(change, scope, tables)
            if more:
                break
            positions.append(narrow)
            scope = tables.scope((*scope, *(label for table in narrow for label in table.labels)))
        live = np.zeros(tables.shape(scope))
        rise = np.full(live.shape, -math.inf)
        for narrow in positions:
            for table in narrow:
                live += spread(table.values, table.labels, scope)
            np.maximum(rise, live, out=rise)
        axes = _axes(rise) | _axes(live)
        index = tuple(slice(None) if axis in axes else 0 for axis in range(live.ndim))
        labels = tuple(label for axis, label in enumerate(scope) if axis in axes)
        yield Stretch(tables.gathered(wide), labels, rise[index].ravel(), live[index].ravel())
        start += len(positions)


def _split(changes: Sequence[Change], scope: Sequence[str], tables: _Tables) -> tuple[list[ChoiceTable], list[Change]]:
    """Changes that can be added up in one table with others over a scope, and those that would make it too large."""
    narrow: list[ChoiceTable] = []
    wide: list[Change] = []
    labels = set(scope)
    for change in changes:
        more = labels.union(*(table.labels for table in change))
        if len(change) == 1 and math.prod(tables.shape(more)) <= MOST_ENTRIES:
            narrow.append(change[0])
            labels = more
        else:
            wide.append(change)
    return narrow, wide


def _axes(values: NDArray[np.float64]) -> set[int]:
    """Axes along which values differ."""
    return {axis for axis in range(values.ndim) if not (values == values.take([0], axis)).all()}


def _narrowed(labels: Sequence[str], values: NDArray[np.float64]) -> ChoiceTable:
    """A table over those labels only that make a difference."""
    axes = _axes(values)
    index = tuple(slice(None) if axis in axes else 0 for axis in range(values.ndim))
    return ChoiceTable(
        tuple(label for axis, label in enumerate(labels) if axis in axes), np.array(values[index], order="C")
    )
