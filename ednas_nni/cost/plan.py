"""What a study's costs and constraints mean for its space, before anything is trained."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ednas_nni.cost.composition import TermShare, composition
from ednas_nni.cost.summary import CostSummary, Extreme, largest, met, random_codes, smallest, summarise
from ednas_nni.cost.table import CostTable
from ednas_nni.space.draws import draw_architectures
from ednas_nni.study.objectives import Constraint, Objective

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
CONFIDENCE = 0.95
DRAWS = {
    "strategies": "as strategies draw them: each choice evenly and by itself",
    "architectures": "evenly over distinct architectures",
}


@dataclass(frozen=True)
class Share:
    """A share of random samples.

    Attributes:
        count: Samples that meet something.
        samples: Samples drawn.
    """

    count: int
    samples: int

    @property
    def value(self) -> float:
        """The share, 0..1."""
        return self.count / self.samples

    @property
    def interval(self) -> tuple[float, float]:
        """Exact (Clopper-Pearson) interval at `CONFIDENCE`, 0..1."""
        from scipy.stats import binomtest

        found = binomtest(self.count, self.samples).proportion_ci(CONFIDENCE, method="exact")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class ConstraintOutlook:
    """What a constraint leaves.

    Attributes:
        asked: As the study writes it.
        checked: As it is checked: on the upper bound of a cost that has one.
        kept: Share of samples that meet it, by draw; see `DRAWS`.
        reachable: The most favourable value in the space; None where it was not looked for.
    """

    asked: Constraint
    checked: Constraint
    kept: dict[str, Share]
    reachable: Extreme | None


@dataclass(frozen=True)
class Plan:
    """The outlook of a study.

    Attributes:
        table: The cost table.
        draw: Key of `DRAWS`: how the samples of `costs`, `matrix` and `ranks` were drawn.
        seed: Their seed.
        costs: Quantiles of every column.
        matrix: Costs of the samples, float64 (n, columns).
        constraints: One outlook each.
        kept: Share of samples that meet all constraints, by draw.
        terms: Column -> what it is made of; only columns whose device tells.
        ranks: (cost objective, cost objective) -> Kendall's tau over the samples, 1 = the same order of preference; NaN
            where one of them is the same for all samples.
        objectives: The study's.
    """

    table: CostTable = field(repr=False)
    draw: str
    seed: int
    costs: tuple[CostSummary, ...]
    matrix: np.ndarray = field(repr=False)
    constraints: tuple[ConstraintOutlook, ...]
    kept: dict[str, Share]
    terms: dict[str, tuple[TermShare, ...]]
    ranks: dict[tuple[str, str], float]
    objectives: tuple[Objective, ...] = ()

    def summary(self, column: str) -> CostSummary:
        """Quantiles of one column."""
        return self.costs[self.table.names.index(column)]

    @property
    def used(self) -> tuple[str, ...]:
        """Columns that the study names, objectives first; after a cost, the bound that its limit is checked on."""
        named = [o.name for o in self.objectives] + [c.asked.name for c in self.constraints]
        checked = {name: [c.checked.name for c in self.constraints if c.asked.name == name] for name in named}
        both = [each for name in named for each in (name, *checked[name])]
        return tuple(dict.fromkeys(name for name in both if name in self.table.names))


def plan(
    table: CostTable,
    objectives: Sequence[Objective] = (),
    constraints: Sequence[Constraint] = (),
    *,
    samples: int = 4000,
    seed: int = 0,
    draw: str = "strategies",
    reach: Callable[[Share], bool] = lambda kept: True,
    step: Callable[[str], object] = lambda what: None,
) -> Plan:
    """Price many architectures and say what the constraints leave of them.

    Args:
        table: Prices of the space.
        objectives: Those that are no cost are passed over.
        constraints: As the study writes them; names of columns.
        samples: How many architectures are drawn, by each draw.
        seed: Seed of the draws.
        draw: Which draw quantiles and ranks are computed over; shares are given for both.
        reach: Whether to look for the most favourable values, given the share that meets all constraints.
        step: Told what comes next, for a progress bar.

    Raises:
        StudyError: A constraint names no column of the table.
    """
    step("drawing architectures")
    drawn = {
        "strategies": random_codes(table.domains, samples, np.random.default_rng(seed)),
        "architectures": draw_architectures(table.domains.dimensions, samples, np.random.default_rng(seed)),
    }
    priced = {name: table.encoded(codes) for name, codes in drawn.items()}
    checked = [table.checked(constraint) for constraint in constraints]
    rows = {name: [met(table, constraint, costs) for constraint in checked] for name, costs in priced.items()}
    kept = {name: _share(np.logical_and.reduce([np.ones(samples, bool), *found])) for name, found in rows.items()}
    outlooks = []
    for i, (asked, constraint) in enumerate(zip(constraints, checked, strict=True)):
        best = None
        if reach(kept["strategies"]):
            step(f"best {constraint.name}")
            best = (smallest if constraint.op == "<=" else largest)(table, constraint.name, seed)
        shares = {name: _share(found[i]) for name, found in rows.items()}
        outlooks.append(ConstraintOutlook(asked, constraint, shares, best))
    step("terms and ranks")
    costs = [o for o in objectives if o.name in table.names]
    return Plan(
        table,
        draw,
        seed,
        summarise(table, drawn[draw], priced[draw], QUANTILES),
        priced[draw],
        tuple(outlooks),
        kept,
        {name: found for name in table.names if (found := composition(table, name, drawn[draw]))},
        {(a.name, b.name): _tau(table, priced[draw], a, b) for a, b in itertools.combinations(costs, 2)},
        tuple(objectives),
    )


def _share(met: np.ndarray) -> Share:
    return Share(int(met.sum()), len(met))


def _tau(table: CostTable, costs: np.ndarray, a: Objective, b: Objective) -> float:
    """Kendall's tau-b between the preferences of two objectives."""
    from scipy.stats import kendalltau

    one, two = (costs[:, table.names.index(o.name)] * (1 if o.maximise else -1) for o in (a, b))
    if np.ptp(one) == 0 or np.ptp(two) == 0:
        return math.nan
    return float(kendalltau(one, two).statistic)
