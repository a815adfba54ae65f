"""The most tensor elements that are alive at one time while a network runs, exact for each sample, without building it.

The peak is no sum over layers, but it has parts that are: operations under one condition (the body of a candidate) form
a run. Within a run, tensors that nothing else reads make up a profile that only a few choices decide, and memory from
before only becomes free. So a run is a few tables, each the largest sum of a stretch in which nothing from outside is
freed, and a network's peak is the largest of memory from before plus table, over its runs. Runs of candidates that
treat memory alike are one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from ednas_nni.cost.space_layers import SpaceLayers, alive, labels_of, spread
from ednas_nni.devices.peak_memory.lifetimes import Cell, Clauses, Facts, Lifetimes, lifetimes
from ednas_nni.space.domains import Clause, Condition, Literal

CHUNK = 1 << 12
"""Samples at once: their sums stay in the processor's cache."""
MAX_ENTRIES = 1 << 14
"""Largest table of a run; beyond it, the run is cut in two."""


@dataclass(frozen=True)
class Table:
    """Elements over the values of labels."""

    labels: tuple[str, ...]
    values: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Release:
    """Memory that becomes free: when one of ``touched`` holds and none of ``later``."""

    cell: int
    touched: tuple[Condition, ...]
    later: tuple[Condition, ...]


@dataclass(frozen=True)
class Run:
    """Operations that run one after the other under one condition.

    Attributes:
        condition: When they do.
        stretches: What is freed before a stretch, and the most elements of its own that are alive in it.
        freed: What is freed at the end.
        written: Cells that remain.
    """

    condition: Clauses
    stretches: tuple[tuple[tuple[Release, ...], Table], ...]
    freed: tuple[Release, ...]
    written: tuple[int, ...]

    @property
    def shape(self) -> tuple[object, ...]:
        """What two runs must have in common to be one."""
        return tuple(releases for releases, _ in self.stretches), self.freed, self.written


class PeakElements:
    """Peak number of live tensor elements of encoded samples.

    Operations run in the order of the network's forward pass. A tensor lives from the operation that writes it to the
    last one that reads it; the image from the start to its last reader, and what the network gives back to the end.
    Batch norms and activations write over what they read where nobody reads it later, since devices compute them where
    the layer before writes. All others write beside what they read. Weights do not count.

    Args:
        layers: The space's operations.
    """

    def __init__(self, layers: SpaceLayers) -> None:
        self._domains = layers.domains
        self._position = {label: i for i, label in enumerate(layers.domains.labels)}
        built = _Builder(layers)
        self.runs = built.runs()
        self._sizes = built.sizes

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Peaks of encoded samples, float64 (n,).

        Args:
            codes: Integers (n, labels), as ``Domains.encode`` gives them.
        """
        found = np.empty(len(codes))
        for start in range(0, len(codes), CHUNK):
            columns = np.ascontiguousarray(codes[start : start + CHUNK].T, dtype=np.intp)
            found[start : start + CHUNK] = _Pricing(self, columns).peak()
        return found


class _Pricing:
    """The peaks of one chunk of samples."""

    def __init__(self, peaks: PeakElements, columns: np.ndarray) -> None:
        self._peaks, self._columns, self._count = peaks, columns, columns.shape[1]
        self._clauses: dict[Clause, np.ndarray] = {}
        self._conditions: dict[Clauses, np.ndarray] = {}
        self._releases: dict[Release, np.ndarray | float] = {}
        self._looked_up: dict[int, np.ndarray | float] = {}

    def peak(self) -> np.ndarray:
        live, peak = np.zeros(self._count), np.zeros(self._count)
        for run in self._peaks.runs:
            here = self._holds(run.condition) if run.condition else None
            level = live
            for releases, table in run.stretches:
                for release in releases:
                    level = level - self._released(release)
                most = level + self._look_up(table)
                if here is not None:
                    most *= here
                np.maximum(peak, most, out=peak)
            for release in run.freed:
                level = level - self._released(release)
            for cell in run.written:
                level = level + self._size(cell)
            if here is None:
                live = level
            elif level is not live:
                live = np.where(here, level, live)
        return peak

    def _released(self, release: Release) -> np.ndarray | float:
        if release not in self._releases:
            size = self._size(release.cell)
            if release.touched != ((),):
                size = size * self._any(release.touched)
            if release.later:
                size = size * ~self._any(release.later)
            self._releases[release] = size
        return self._releases[release]

    def _size(self, cell: int) -> np.ndarray | float:
        if cell not in self._looked_up:
            self._looked_up[cell] = self._look_up(self._peaks._sizes[cell])
        return self._looked_up[cell]

    def _look_up(self, table: Table) -> np.ndarray | float:
        if not table.labels:
            return float(table.values)
        positions = [self._peaks._position[label] for label in table.labels]
        index = self._columns[positions[0]]
        for position, extent in zip(positions[1:], table.values.shape[1:], strict=True):
            index = index * extent + self._columns[position]
        return table.values.ravel().take(index)

    def _any(self, conditions: Sequence[Condition]) -> np.ndarray:
        return reduce(np.logical_or, (self._holds(frozenset(condition)) for condition in conditions))

    def _holds(self, condition: Clauses) -> np.ndarray:
        if condition not in self._conditions:
            parts = [self._clause(clause) for clause in condition]
            self._conditions[condition] = reduce(np.logical_and, parts) if parts else np.ones(self._count, bool)
        return self._conditions[condition]

    def _clause(self, clause: Clause) -> np.ndarray:
        if clause not in self._clauses:
            parts = []
            for literal in clause:
                values = self._peaks._domains[literal.label].values
                legal = np.array([value in literal.values for value in values])
                parts.append(legal.take(self._columns[self._peaks._position[literal.label]]))
            self._clauses[clause] = reduce(np.logical_or, parts)
        return self._clauses[clause]


class _Builder:
    """From operations to runs."""

    def __init__(self, layers: SpaceLayers) -> None:
        self._layers = layers
        self._domains = layers.domains
        self._order = {label: i for i, label in enumerate(layers.domains.labels)}
        self._values = {dimension.label: dimension.values for dimension in layers.domains.dimensions}
        self._times: Lifetimes = lifetimes(layers)
        written = np.array([record.elements_written for record in layers.records], float)
        image = Table((), np.array(float(layers.image_elements)))
        self._written = [image, *(Table(x.labels, written[x.records]) for x in layers.operations)]
        self.sizes = [self._size(cell) for cell in self._times.cells]
        self._touching: dict[int, list[int]] = {}
        for number, cell in enumerate(self._times.cells):
            for position in {*cell.births, *(position for position, _ in cell.readers)}:
                self._touching.setdefault(position, []).append(number)

    def runs(self) -> tuple[Run, ...]:
        """All runs in their order, those of alternative candidates joined where they are alike."""
        found: list[Run] = []
        for start, stop in self._stretches():
            run = self._run(start, stop)
            joined = self._joined(found[-1], run) if found else None
            if joined is not None:
                found[-1] = joined
            else:
                found.append(run)
        return tuple(found)

    def _stretches(self) -> Iterable[tuple[int, int]]:
        """Positions [start, stop) of runs: of one condition, and decided by few choices."""
        start, labels = 0, set()
        for position in range(self._times.end):
            more = labels | set(self._written[position].labels)
            large = math.prod(len(self._values[label]) for label in more) > MAX_ENTRIES
            if position > start and (large or self._times.conditions[position] != self._times.conditions[start]):
                yield start, position
                start, more = position, set(self._written[position].labels)
            labels = more
        yield start, self._times.end

    def _run(self, start: int, stop: int) -> Run:
        condition = self._times.conditions[start]
        changes: dict[int, list[tuple[Table, int]]] = {}  # position -> what is born (+1) or gone (-1) from there on
        releases: dict[int, list[Release]] = {}
        written = []
        for number in sorted({cell for position in range(start, stop) for cell in self._touching.get(position, ())}):
            cell = self._times.cells[number]
            births = [birth for birth in cell.births if start <= birth < stop]
            for birth in births:
                changes.setdefault(birth, []).append((self._written[birth], 1))
            facts = Facts(condition | self._common(cell), self._values)
            if (
                births
                and len(cell.births) == 1
                and all(start <= at < stop and facts.restricted(when) == () for at, when in cell.readers)
            ):
                last = max((self._until(at) for at, _ in cell.readers), default=births[0] + 1)
                changes.setdefault(max(last, births[0] + 1), []).append((self._written[births[0]], -1))
                continue
            written += [number] * bool(births)
            for at, release in self._released(number, cell, facts, start, stop, births):
                releases.setdefault(at, []).append(release)
        # What is born here and freed here is in the tables from its birth on, and subtracted when it is released.
        bounds = [start, *sorted(at for at in releases if start < at < stop), stop]
        profile = self._profile(changes, start, stop)
        stretches = tuple(
            (tuple(releases.get(low, ())), self._most(profile[low - start : high - start]))
            for low, high in itertools.pairwise(bounds)
        )
        return Run(condition, stretches, tuple(releases.get(stop, ())), tuple(written))

    def _released(
        self, number: int, cell: Cell, facts: Facts, start: int, stop: int, births: list[int]
    ) -> Iterable[tuple[int, Release]]:
        """When memory becomes free within a run: behind each of its touches that no other one follows."""
        here = Facts(self._times.conditions[start], self._values)  # the cell itself may not exist
        touches: dict[int, list[Condition]] = {birth: [()] for birth in births}
        for at, when in cell.readers:
            left = here.restricted(when)
            if start <= at < stop and left is not None:
                touches.setdefault(at, []).append(left)
        for at, touched in touches.items():
            later = facts.alternatives(when for reader, when in cell.readers if reader > at)
            if later != ((),):
                own = ((),) if () in touched else here.alternatives(touched)
                until = at + 1 if at in births else self._until(at)
                yield until, Release(number, own, later)

    def _until(self, reader: int) -> int:
        """The first position at which what a reader reads is no longer there."""
        return reader if reader < self._times.end and self._times.in_place[reader] else reader + 1

    def _profile(self, changes: dict[int, list[tuple[Table, int]]], start: int, stop: int) -> list[Table]:
        labels = self._sorted(label for found in changes.values() for table, _ in found for label in table.labels)
        now = np.zeros([len(self._values[label]) for label in labels])
        profile = []
        for position in range(start, stop):
            for table, sign in changes.get(position, ()):
                now = now + sign * spread(table.values, table.labels, labels)
            profile.append(Table(labels, now))
        return profile

    def _most(self, profile: Sequence[Table]) -> Table:
        return _narrowed(profile[0].labels, reduce(np.maximum, (table.values for table in profile)))

    def _size(self, cell: Cell) -> Table:
        """Elements of a cell where it exists: those of whichever of its writers runs."""
        tables = [self._written[birth] for birth in cell.births]
        if all(t.labels == tables[0].labels and (t.values == tables[0].values).all() for t in tables):
            return tables[0]
        common = self._common(cell)
        parts = []
        for birth, table in zip(cell.births, tables, strict=True):
            own = tuple(clause for clause in self._times.conditions[birth] if clause not in common)
            parts.append((own, table))
        return self._sum(parts)

    def _sum(self, parts: Sequence[tuple[Condition, Table]]) -> Table:
        """Tables of which each counts under its own condition only."""
        labels = self._sorted(label for when, table in parts for label in (*labels_of(when), *table.labels))
        total = np.zeros([len(self._values[label]) for label in labels])
        for when, table in parts:
            own = self._sorted(labels_of(when))
            holds = spread(alive(self._domains, when, own), own, labels)
            total = total + holds * spread(table.values, table.labels, labels)
        return _narrowed(labels, total)

    def _common(self, cell: Cell) -> Clauses:
        """What holds wherever the cell exists."""
        return frozenset.intersection(*(self._times.conditions[birth] for birth in cell.births))

    def _joined(self, one: Run, two: Run) -> Run | None:
        """Two runs as one, if they exclude each other by one choice and treat memory alike."""
        first, second = one.condition - two.condition, two.condition - one.condition
        if len(first) != 1 or len(second) != 1 or one.shape != two.shape:
            return None
        (a,), (b,) = first, second
        if len(a) != 1 or len(b) != 1 or a[0].label != b[0].label or a[0].values & b[0].values:
            return None
        both = Literal(a[0].label, a[0].values | b[0].values)
        every = len(both.values) == len(self._values[both.label])
        stretches = tuple(
            (releases, self._sum((((a,), table), ((b,), other))))
            for (releases, table), (_, other) in zip(one.stretches, two.stretches, strict=True)
        )
        shared = one.condition & two.condition
        return Run(shared if every else shared | {(both,)}, stretches, one.freed, one.written)

    def _sorted(self, labels: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(set(labels), key=self._order.__getitem__))


def _narrowed(labels: tuple[str, ...], values: np.ndarray) -> Table:
    """A table over those labels only that make a difference."""
    kept = [axis for axis in range(values.ndim) if not (values == values.take([0], axis)).all()]
    index = tuple(slice(None) if axis in kept else 0 for axis in range(values.ndim))
    return Table(tuple(labels[axis] for axis in kept), np.array(values[index], order="C"))
