"""What strategies are compared on: a table of inherited scores, a deceptive and a noisy landscape, measured rows."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ednas_nni.search.problem import Problem, Sample
from ednas_nni.space.domains import Dimension, Domains
from ednas_nni.study import pareto
from ednas_nni.study.objectives import parse_constraint, parse_objective
from ednas_nni.testing.synthetic import DEPTH, OPS, WIDTHS, Synthetic

RESULTS = Path(__file__).resolve().parent / "results"
INHERITED, MEASURED = RESULTS / "inherited_table.json", RESULTS / "measured_rows.json"
DIRECTIONS = ("max", "min")


class World(ABC):
    """A problem with true values, what a trial reports, and the best front that there is.

    Attributes:
        problem: What strategies see: quality against latency within a limit.
        anchor: Fixed point of the hypervolume: quality 0 at the limit.
        noise: Standard deviation of a trial's quality.
    """

    problem: Problem
    anchor: tuple[float, float]
    noise = 0.0

    @property
    def domains(self) -> Domains:
        """The space."""
        return self.problem.domains

    @abstractmethod
    def quality(self, sample: Sample) -> float:
        """The true quality."""

    def observed(self, sample: Sample, seed: int) -> float:
        """What a trial reports: the same to whoever asks in a search of this seed, as a table would."""
        value = self.quality(sample)
        if self.noise:
            text = f"{seed} {self.problem.domains.architecture_id(sample)}"
            value += self.noise * np.random.default_rng(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)).normal()
        return float(value)

    def latency(self, samples: Sequence[Sample]) -> np.ndarray:
        """(n,) in ms."""
        return self.problem.canonical_costs(samples)[:, self.problem.cost_names.index("latency_ms")]

    @cached_property
    def drawn(self) -> list[Sample]:
        """Random feasible samples, the same each time."""
        rng = np.random.default_rng(0)
        samples = [self.domains.random(rng) for _ in range(2000)]
        return [sample for sample, ok in zip(samples, self.problem.feasible(samples), strict=True) if ok]

    def seconds(self, samples: Sequence[Sample]) -> np.ndarray:
        """(n,) of training, in proportion to multiply-adds; 1 is the median of random feasible networks."""
        column = self.problem.cost_names.index("macs")
        median = np.median(self.problem.canonical_costs(self.drawn)[:, column])
        return self.problem.canonical_costs(samples)[:, column] / median

    def volume(self, points: Any) -> float:
        """Hypervolume of (quality, latency) pairs."""
        return pareto.hypervolume(points, self.anchor, DIRECTIONS)

    @cached_property
    def best(self) -> float:
        """Hypervolume of the best front: from all rows of a table, else from 20,000 true values of an evolution."""
        rng, domains = np.random.default_rng(0), self.problem.domains
        samples = [s for s in (domains.random(rng) for _ in range(512)) if self.problem.feasible([s])[0]]
        points = np.array([(self.quality(s), t) for s, t in zip(samples, self.latency(samples), strict=True)])
        for _ in range(300):
            keep = pareto.front(points, DIRECTIONS)
            samples, points = [samples[i] for i in keep], points[keep]
            children = []
            for _ in range(64):
                one, two = (samples[int(rng.integers(len(samples)))] for _ in range(2))
                child = domains.crossover(one, two, rng) if rng.random() < 0.5 else one
                children.append(domains.mutate(child, rng, n=1 + int(rng.integers(3))))
            children = [c for c, ok in zip(children, self.problem.feasible(children), strict=True) if ok]
            if children:
                new = [(self.quality(c), t) for c, t in zip(children, self.latency(children), strict=True)]
                samples, points = samples + children, np.concatenate([points, np.array(new)])
        return self.volume(points)


class SyntheticWorld(World):
    """A made-up landscape with the shape of the space `nano`, at most 3 ms."""

    def __init__(self, made: Synthetic, noise: float) -> None:
        self.made, self.noise = made, noise
        self.problem, self.anchor = made.problem(), (0.0, 3.0)

    def quality(self, sample: Sample) -> float:
        """As the landscape says."""
        return self.made.quality(sample)


class Deceptive(Synthetic):
    """A landscape with a trap in each stage: three equal blocks of a hidden operation are best, but the fewer of it the
    better below that, so that whoever climbs step by step walks away from it."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, noise=0.0)
        rng = np.random.default_rng([seed, 7])
        self.hidden = {stage: OPS[int(rng.integers(len(OPS)))] for stage in WIDTHS}

    def quality(self, sample: Sample) -> float:
        """With the traps."""
        active, bonus = self.domains.active(sample), 0.0
        for stage, op in self.hidden.items():
            count = sum(active.get(f"stage{stage}_block{block}_op") == op for block in range(DEPTH))
            bonus += 0.06 if count == DEPTH else 0.03 * (1 - count / (DEPTH - 1))
        return super().quality(sample) + bonus


class TableWorld(World):
    """Rows that were measured: nothing else is answered, and the best front is known."""

    def __init__(self, path: Path) -> None:
        table = json.loads(path.read_text())
        axes = table["axes"]
        self.labels = tuple(axes)
        rows = dict(zip(product(*axes.values()), table["rows"], strict=True))
        columns = tuple(table["columns"])
        self._rows = {key: np.array([np.nan if v is None else v for v in row]) for key, row in rows.items()}
        trials = table.get("trials", [[]] * len(rows))
        self._trials = dict(zip(rows, trials, strict=True))
        if several := [np.var(scores, ddof=1) for scores in trials if len(scores) > 1]:
            self.noise = float(np.sqrt(np.mean(several)))
        limits = tuple(map(parse_constraint, table["constraints"]))
        self.problem = Problem(
            domains=Domains([Dimension(label, tuple(values)) for label, values in axes.items()]),
            cost_names=columns[1:],
            costs=lambda samples: np.array([self._row(s)[1:] for s in samples]).reshape(len(samples), -1),
            objectives=tuple(map(parse_objective, ("quality", "latency_ms"))),
            constraints=limits,
        )
        self.anchor = (0.0, limits[0].bound)

    def _row(self, sample: Sample) -> np.ndarray:
        return self._rows[tuple(sample[label] for label in self.labels)]

    def quality(self, sample: Sample) -> float:
        """Of the row."""
        return float(self._row(sample)[0])

    def observed(self, sample: Sample, seed: int) -> float:
        """What one of the network's trainings has reported, where the table has them."""
        trials = self._trials[tuple(sample[label] for label in self.labels)]
        return float(trials[seed % len(trials)]) if trials else self.quality(sample)

    @property
    def spread(self) -> float:
        """Standard deviation of the networks' true qualities."""
        return float(np.nanstd([row[0] for row in self._rows.values()]))

    @cached_property
    def best(self) -> float:
        """Of all rows."""
        return self.volume([row[:2] for row in self._rows.values() if np.isfinite(row[0])])


def world(name: str, seed: int) -> World:
    """The world of a search's seed: each has a landscape of its own."""
    if name in TABLES:
        return TableWorld(TABLES[name])
    if name == "deceptive":
        return SyntheticWorld(Deceptive(seed), 0.01)
    return SyntheticWorld(Synthetic(seed), 0.06)


TABLES = {name: path for name, path in (("inherited", INHERITED), ("measured", MEASURED)) if path.exists()}
WORLDS = (*TABLES, "deceptive", "noisy")
