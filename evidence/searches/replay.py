"""A finished search as a table of measured rows: strategies are compared on it, and nothing is trained.

A strategy may propose anything, but only what was measured can be answered. So its space is made of the rows: moves of
our own strategies lead from row to row (`MeasuredDomains`), and whatever is proposed becomes the nearest row that this
search has not asked for yet (`NearestRow`). Nearest is the row that shares most of the active choices.

Example: rows (depth 1, op a), (2, a), (2, b); a proposal (1, b) shares one of its choices with the first row and one
with the third. The first is trained; the next time, the third.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ednas_nni.errors import EdnasError
from ednas_nni.record.journal import Journal
from ednas_nni.search.middleware.forwarding import ExecutableModelSpace, Forwarding
from ednas_nni.search.problem import Problem, Sample
from ednas_nni.space.domains import Domains

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ednas_nni.handover.search import SearchRecord

FEWEST = 8
"""Rows of a table on which strategies can be told apart."""


class MeasuredDomains(Domains):
    """A space in which only some architectures were measured: whatever is drawn or changed is one of these rows."""

    def __init__(self, space: Domains, rows: Sequence[Sample]) -> None:
        super().__init__(space.dimensions)
        self.rows = [self.complete(row) for row in rows]
        self._table = np.array([self._choices(row) for row in self.rows])

    def _choices(self, sample: Mapping[str, object]) -> np.ndarray:
        """Position of each label's choice, -1 where it says nothing."""
        active = self.active(sample)
        return np.where([label in active for label in self.labels], self.encode(sample), -1)

    def nearest(self, sample: Mapping[str, object], free: np.ndarray | None = None) -> int:
        """Number of the nearest row, of those that are free; the first among equals."""
        choices = self._choices(sample)
        differ = (self._table != choices).sum(axis=1) - ((self._table < 0) & (choices < 0)).sum(axis=1) / 1000
        return int(np.where(free, differ, np.inf).argmin() if free is not None else differ.argmin())

    def random(self, rng: np.random.Generator) -> Sample:
        """A random row."""
        return dict(self.rows[int(rng.integers(len(self.rows)))])

    def mutate(self, sample: Mapping[str, object], rng: np.random.Generator, n: int = 1) -> Sample:
        """The nearest other row to a mutation of a sample."""
        wished, own = super().mutate(sample, rng, n), self._choices(sample)
        return dict(self.rows[self.nearest(wished, (self._table != own).any(axis=1))])

    def crossover(self, a: Mapping[str, object], b: Mapping[str, object], rng: np.random.Generator) -> Sample:
        """The nearest row to a child."""
        return dict(self.rows[self.nearest(super().crossover(a, b, rng))])


class NearestRow(Forwarding):
    """Puts the nearest row that was not asked for yet in the place of a proposal."""

    def __init__(self, domains: MeasuredDomains) -> None:
        super().__init__()
        self.domains, self._free = domains, np.ones(len(domains.rows), dtype=bool)

    def submit_models(self, *models: ExecutableModelSpace) -> None:
        """Pass on rows."""
        for model in models:
            row = self.domains.nearest(model.sample, self._free if self._free.any() else None)
            self._free[row] = False
            model.sample = dict(self.domains.rows[row])
            self.engine.submit_models(model)


def replayed(search: SearchRecord, arms: Sequence[tuple[str, ...]], seeds: int, trials: int = 0) -> list[SearchRecord]:
    """Searches of a finished search's own networks, each answered with what it has measured.

    Args:
        search: Its results are the table.
        arms: What each arm sets in the study, as `strategy="tpe"`.
        seeds: Searches of each arm.
        trials: Of each search; 0 = half of the rows.

    Raises:
        EdnasError: The search has too few results, or does not hold its space.
        StudyError: A strategy cannot be made.
    """
    rows = search.results
    if len(rows) < FEWEST:
        raise EdnasError(
            f"{search.experiment}: has {len(rows)} results; strategies are told apart by {FEWEST} or more."
        )
    domains = MeasuredDomains(search.head.search_space(), [row.sample for row in rows])
    names = tuple(name for name in rows[0].costs if all(name in row.costs for row in rows))
    table = np.array([[row.costs[name] for name in names] for row in rows])
    costs = lambda samples: table[[domains.nearest(sample) for sample in samples]]  # noqa: E731
    problem = Problem(domains, names, costs, search.objectives)
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(seeds):
            for i, arm in enumerate(arms):
                path = Path(folder) / f"{i}-{number}" / "ednas" / "journal.jsonl"
                path.parent.mkdir(parents=True)
                made.append(_replay(search, (*arm, f"seed={number}"), problem, path, trials or len(rows) // 2))
    return made


def _replay(search: SearchRecord, changes: tuple[str, ...], problem: Problem, path: Path, trials: int) -> SearchRecord:
    from ednas_nni.compat.nas_search import Chain
    from ednas_nni.handover.search import open_search
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.search.mounting import mount
    from ednas_nni.study import parse
    from ednas_nni.study.changes import changed
    from ednas_nni.testing.engines import FakeEngine, PlainSpace

    alone: dict[str, Any] = {"start": [], "finish": None, "prune": False, "stop_when": None}
    study = parse(changed({**search.head.study, **alone}, changes))
    assembled, domains = Assembled(study), problem.domains
    answers = {row.architecture: row.searched for row in search.results}

    def answer(sample: Sample) -> Any:
        return dict(answers[domains.architecture_id(sample)])

    journal = Journal(path)
    journal.append(search.head.model_copy(update={"experiment": path.parents[1].name, "study": study.dump()}))
    try:
        assert isinstance(domains, MeasuredDomains)
        engine = FakeEngine(answer, min(trials, len(domains.rows)), search.head.concurrency or 1)
        inner = Chain(assembled.strategy, NearestRow(domains))
        chain = mount(inner, problem, journal, hardware_aware=assembled.reward)
        chain(PlainSpace(domains), engine)
        engine.wait_models()
    finally:
        journal.close()
    return open_search(path)
