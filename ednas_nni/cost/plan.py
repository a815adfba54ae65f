"""What a study's costs and constraints mean for its space, before anything is trained.

Many architectures are drawn and priced. From their costs follow quantiles, the share that the constraints leave, what a
cost is made of, which objectives order the space alike, and warnings about what works but is probably not meant.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ednas_nni.cost.device import FeatureDevice, Values
from ednas_nni.cost.lint import left_to_the_host, never_feasible
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
DRAWN = {"strategies": "random draws", "architectures": "all different networks"}
"""Draw -> what a share is of. They differ: strategies do not draw all distinct architectures equally often."""

CONSTANT = "device"
"""Part that a term belongs to when it is there without any layer."""
ANY_CHOICE = "every choice"
"""Part of a term that is the same for all samples although choices decide its layers, such as outputs of heads."""
EQUAL = 1e-9

RARE = 0.02
"""A constraint that keeps less makes a search spend its time on finding any."""
LOOSE = 0.95
"""A constraint that keeps more hardly constrains."""
FIXED = 0.3
"""A term that no choice changes and that is more than this share of the median cost hides what the choices do."""
ALIKE = 0.98
"""Two objectives with a larger Kendall's tau order the space alike."""


@dataclass(frozen=True)
class Share:
    """Of so many random samples, those that meet something."""

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

        interval = binomtest(self.count, self.samples).proportion_ci(CONFIDENCE, method="exact")
        return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class TermShare:
    """One term of a cost, in the cost column's unit.

    Attributes:
        term: The device's name for the term; the column's own name where it has one term only.
        median: Over the samples.
        fixed: What every network pays of it whatever is chosen.
        parts: Part of the network (or `device`) -> its share of `fixed`; largest first.
    """

    column: str
    term: str
    median: float
    fixed: float
    parts: dict[str, float]


@dataclass(frozen=True)
class ConstraintOutlook:
    """What a constraint leaves: samples that meet it, by draw (see `DRAWS`), and the most favourable value there is.

    It is checked on the upper bound of a cost that has one; None = nothing was looked for.
    """

    asked: Constraint
    checked: Constraint
    shares: dict[str, Share]
    reachable: Extreme | None


@dataclass(frozen=True)
class Plan:
    """The outlook of a study.

    Attributes:
        draw: Key of `DRAWS`: how the samples of `costs`, `matrix` and `ranks` were drawn.
        costs: Quantiles of every column.
        matrix: Costs of the samples, float64 (n, columns).
        shares: Samples that meet all constraints, by draw.
        terms: Column -> what it is made of; only columns whose device tells.
        ranks: (cost objective, cost objective) -> Kendall's tau over the samples, 1 = the same order of preference; NaN
            where one of them is the same for all samples.
    """

    table: CostTable = field(repr=False)
    draw: str
    seed: int
    costs: tuple[CostSummary, ...]
    matrix: np.ndarray = field(repr=False)
    constraints: tuple[ConstraintOutlook, ...]
    shares: dict[str, Share]
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
    reach: Callable[[Share], bool] = lambda share: True,
    step: Callable[[str], object] = lambda text: None,
) -> Plan:
    """Price many architectures and say what the constraints leave of them; objectives other than costs are passed over.

    Args:
        table: Prices of the space.
        objectives: As the study has them; so are the `constraints`, names of columns.
        constraints: Rejected by a StudyError where one names no column.
        samples: How many architectures are drawn, by each draw.
        seed: Seed of the draws.
        draw: Which draw quantiles and ranks are computed over; shares are given for both.
        reach: Whether to look for the most favourable values, given the share that meets all constraints.
        step: Is given what comes next, for a progress bar.
    """
    step("drawing architectures")
    drawn = {
        "strategies": random_codes(table.domains, samples, np.random.default_rng(seed)),
        "architectures": draw_architectures(table.domains.dimensions, samples, np.random.default_rng(seed)),
    }
    priced = {name: table.encoded(codes) for name, codes in drawn.items()}
    checked = [table.checked(constraint) for constraint in constraints]
    rows = {name: [met(table, constraint, costs) for constraint in checked] for name, costs in priced.items()}
    shares = {name: _share(np.logical_and.reduce([np.ones(samples, bool), *each])) for name, each in rows.items()}
    outlooks = []
    for i, (asked, constraint) in enumerate(zip(constraints, checked, strict=True)):
        best = None
        if reach(shares["strategies"]):
            step(f"best {constraint.name}")
            best = (smallest if constraint.op == "<=" else largest)(table, constraint.name, seed)
        alone = {name: _share(each[i]) for name, each in rows.items()}
        outlooks.append(ConstraintOutlook(asked, constraint, alone, best))
    step("terms and ranks")
    costs = [o for o in objectives if o.name in table.names]
    return Plan(
        table,
        draw,
        seed,
        summarise(table, drawn[draw], priced[draw], QUANTILES),
        priced[draw],
        tuple(outlooks),
        shares,
        {name: terms for name in table.names if (terms := composition(table, name, drawn[draw]))},
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


# -------------------------------------------------------------------- what a cost is made of
def composition(table: CostTable, column: str, codes: np.ndarray) -> tuple[TermShare, ...]:
    """The terms of a cost over samples, largest median first; () where the device does not tell.

    A term's fixed part is priced from the layers that every sample has and no choice changes, each part of the network
    by itself. What is left of a term that is equal for all samples is fixed too. A term that depends on several layers
    together, such as streaming, counts only as far as one part alone causes it.
    """
    number, name_of_device = table.owner(column)
    device = table.devices[number]
    if not isinstance(device, FeatureDevice):
        return ()
    over_samples = device.terms(name_of_device, table.own_totals(number, table.totals(codes)))
    if over_samples is None:
        return ()

    def terms(totals: Mapping[str, Values]) -> Mapping[str, Values]:
        return device.terms(name_of_device, totals) or {}

    prefix = f"{number}:"
    features = [name.removeprefix(prefix) for name in table.feature_names if name.startswith(prefix)]
    nothing = {name: np.zeros(1) for name in features}
    base = {term: float(value[0]) for term, value in terms(nothing).items()}
    parts: dict[str, dict[str, float]] = {term: {CONSTANT: value} if value else {} for term, value in base.items()}
    for part, fixed_features in table.fixed.items():
        alone = {name: np.array([float(fixed_features.get(prefix + name, 0.0))]) for name in features}
        for term, value in terms(alone).items():
            if value[0] > base[term]:
                parts[term][part] = float(value[0]) - base[term]
    for term, values in over_samples.items():
        missing = float(values.min()) - sum(parts[term].values())
        if np.ptp(values) <= EQUAL * values.max() and missing > EQUAL * values.max():
            parts[term][ANY_CHOICE] = missing
    parts = {term: dict(sorted(fixed.items(), key=lambda item: -item[1])) for term, fixed in parts.items()}
    medians = {term: float(np.median(over_samples[term])) for term in parts}
    shares = (TermShare(column, term, medians[term], sum(fixed.values()), fixed) for term, fixed in parts.items())
    return tuple(sorted(shares, key=lambda share: -share.median))


# -------------------------------------------------------------------- warnings
def advice(plan: Plan) -> list[str]:
    """Warnings, in the order of the study."""
    return [*_constraints(plan), *_ranks(plan), *left_to_the_host(plan.table)]


def remarks(plan: Plan) -> list[str]:
    """What is not wrong, but good to know of a space; takes a second or two."""
    return [*loose(plan), *_fixed(plan), *never_feasible(plan.table, [outlook.checked for outlook in plan.constraints])]


def loose(plan: Plan) -> Iterator[str]:
    """Constraints that hardly constrain; no harm, where the limit is the device's."""
    for outlook in plan.constraints:
        share = outlook.shares["strategies"]
        if share.value > LOOSE:
            half = plan.summary(outlook.checked.name).quantiles[0.5]
            yield (
                f"constraint {outlook.asked} keeps {percent(share)} of {DRAWN['strategies']}: it hardly constrains. "
                f"Half of {DRAWN[plan.draw]} has {outlook.checked.name} {outlook.checked.op} {half:.4g}"
            )


def percent(share: Share) -> str:
    """A share in percent; below what the samples can tell, its upper bound."""
    if share.count == 0:
        return f"less than {100 * share.interval[1]:.1g} %"
    value = 100 * share.value
    if value > 100 * LOOSE:
        return f"{math.floor(10 * value) / 10:g} %"  # 100 % only where it is all of them
    return f"{value:.2g} %" if value < 10 else f"{value:.0f} %"


def _constraints(plan: Plan) -> Iterator[str]:
    rare = "the search will spend its time on finding any"
    several, drawn = len(plan.constraints) > 1, DRAWN["strategies"]
    for outlook in plan.constraints:
        share = outlook.shares["strategies"]
        if share.value < RARE and not several:
            yield f"constraint {outlook.asked} keeps {percent(share)} of {drawn}: {rare}"
    share = plan.shares["strategies"]
    if several and share.value < RARE:
        each = ", ".join(f"{o.asked} {percent(o.shares['strategies'])}" for o in plan.constraints)
        yield f"constraints keep {percent(share)} of {drawn} together ({each}): {rare}"


def _fixed(plan: Plan) -> Iterator[str]:
    """Only of costs that the study names: of the others it does not matter."""
    for column in plan.used:
        median, unit = plan.summary(column).quantiles[0.5], plan.summary(column).column.unit
        for term in plan.terms.get(column, ()):
            if term.fixed > FIXED * median:
                where = ", ".join(f"{part} {amount:.3g}" for part, amount in term.parts.items())
                yield (
                    f"{column}: {term.fixed:.3g} of the median {median:.3g} {unit} are equal for all networks "
                    f"({term.term}: {where}). A smaller deploy_size lowers them, or another device."
                )


def _ranks(plan: Plan) -> Iterator[str]:
    for objective in plan.objectives:
        if objective.name in plan.table.names:
            quantiles = plan.summary(objective.name).quantiles
            if quantiles[0.0] == quantiles[1.0]:
                yield f"objective {objective.name} is the same for all samples: nothing can improve it. Remove it"
    for (one, two), tau in plan.ranks.items():
        if tau > ALIKE:
            yield (
                f"objectives {one} and {two} rank the space alike (Kendall's tau {tau:.3f}): the front cannot trade "
                "one for the other. Keep one of them, or make the other a constraint"
            )


# -------------------------------------------------------------------- for `ednas plan --json`
def plan_json(plan: Plan) -> dict[str, object]:
    """Everything that `ednas plan` prints, with JSON values only; what is unknown is null."""
    domains = plan.table.domains
    return {
        "space": {"architectures": domains.size(), "choices": len(domains)},
        "deploy_size": list(plan.table.deploy_size),
        "samples": len(plan.matrix),
        "draw": plan.draw,
        "seed": plan.seed,
        "confidence": CONFIDENCE,
        "costs": {
            summary.column.name: {
                "unit": summary.column.unit,
                "device": summary.column.device,
                "origin": summary.column.origin,
                "note": summary.column.note,
                "extrapolated_share": summary.extrapolated,
                "quantiles": {f"{share:g}": value for share, value in summary.quantiles.items()},
                "terms": [
                    {"term": t.term, "median": t.median, "fixed": t.fixed, "fixed_parts": t.parts}
                    for t in plan.terms.get(summary.column.name, ())
                ],
            }
            for summary in plan.costs
        },
        "constraints": [
            {
                "constraint": str(outlook.asked),
                "checked_on": outlook.checked.name,
                "kept": {draw: _share_json(share) for draw, share in outlook.shares.items()},
                "reachable": _extreme(outlook.reachable) if outlook.reachable is not None else None,
            }
            for outlook in plan.constraints
        ],
        "kept": {draw: _share_json(share) for draw, share in plan.shares.items()},
        "kendall_tau": [
            {"objectives": list(pair), "tau": None if math.isnan(tau) else tau} for pair, tau in plan.ranks.items()
        ],
        "warnings": advice(plan),
        "notes": remarks(plan),
    }


def _share_json(share: Share) -> dict[str, object]:
    low, high = share.interval
    return {"count": share.count, "samples": share.samples, "share": share.value, "low": low, "high": high}


def _extreme(extreme: Extreme) -> dict[str, object]:
    return {
        "value": extreme.value,
        "exact": extreme.exact,
        "every_sample_priced": extreme.exhaustive,
        "bound": extreme.bound,
        "sample": extreme.sample,
    }
