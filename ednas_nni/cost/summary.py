"""What a space offers in costs: quantiles, the share that a constraint leaves, the smallest reachable value."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ednas_nni.cost.device import CostColumn
from ednas_nni.cost.minimum import minimise
from ednas_nni.cost.table import CostTable
from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.space.domains import Domains, Sample
from ednas_nni.study.objectives import Constraint

EXHAUSTIVE = 1 << 18
"""Up to so many samples are all priced; above, the search starts from random ones."""
STARTS = 256


@dataclass(frozen=True)
class CostSummary:
    """Quantiles of one column over so many random samples.

    Attributes:
        quantiles: Share -> value in the column's unit; share 0 is the smallest seen, 1 the largest.
        extrapolated: Share for which the device's model had to go beyond what it has been compared with.
    """

    column: CostColumn
    samples: int
    quantiles: dict[float, float]
    extrapolated: float = 0.0


@dataclass(frozen=True)
class Extreme:
    """The smallest or largest reachable value of a column, in its unit, and a canonical sample that has it.

    Attributes:
        exhaustive: True if every sample of the space was priced.
        bound: No sample is better than this; None where nothing is known. A value that is neither exhaustive nor equal
            to its bound is the best that a coordinate search from random samples found.
    """

    column: str
    value: float
    sample: Sample = field(repr=False)
    exhaustive: bool
    bound: float | None = None

    @property
    def exact(self) -> bool:
        """Whether no sample can be better."""
        return self.exhaustive or (self.bound is not None and math.isclose(self.value, self.bound, rel_tol=1e-9))


def summarise(
    table: CostTable, codes: np.ndarray, costs: np.ndarray, quantiles: Sequence[float]
) -> tuple[CostSummary, ...]:
    """Quantiles, for shares in 0..1, of every column over encoded samples (n, labels) and their costs (n, columns)."""
    values = np.quantile(costs, quantiles, axis=0)
    beyond = {device: float(outside.mean()) for device, outside in table.extrapolated(codes).items()}
    return tuple(
        CostSummary(
            column,
            len(codes),
            {share: float(values[i, k]) for i, share in enumerate(quantiles)},
            beyond.get(column.device, 0.0),
        )
        for k, column in enumerate(table.columns)
    )


def feasible_share(table: CostTable, constraints: Sequence[Constraint], n: int = 4000, seed: int = 0) -> float:
    """Share of random samples that meet all constraints, 0..1; limits from above hold for upper bounds of costs."""
    costs = table.encoded(random_codes(table.domains, n, np.random.default_rng(seed)))
    return float(np.all([met(table, table.checked(constraint), costs) for constraint in constraints], axis=0).mean())


def met(table: CostTable, constraint: Constraint, costs: np.ndarray) -> np.ndarray:
    """Which rows of costs, float64 (n, columns), meet a constraint as it is checked; bool (n,)."""
    values = costs[:, _position(table, constraint.name)]
    return np.asarray(values <= constraint.bound if constraint.op == "<=" else values >= constraint.bound)


def smallest(table: CostTable, column: str, seed: int = 0) -> Extreme:
    """The smallest reachable value of a column, and a sample that has it.

    Every sample is priced where there are at most `EXHAUSTIVE`. Beyond, a sum that no sample undercuts is minimised
    exactly where the device knows one; if the sample that has the minimum also costs that much, the value is proved.
    Otherwise labels are improved one after the other, from `STARTS` random samples, until none of them gets better.
    """
    return _extreme(table, column, 1.0, seed)


def largest(table: CostTable, column: str, seed: int = 0) -> Extreme:
    """The largest reachable value of a column, searched for as `smallest` does."""
    return _extreme(table, column, -1.0, seed)


def random_codes(domains: Domains, n: int, rng: np.random.Generator) -> np.ndarray:
    """Encoded random samples, int16 (n, labels): each label drawn evenly and by itself, as in `Domains.random`."""
    limits = np.array([len(dimension.values) for dimension in domains.dimensions])
    codes: np.ndarray = (rng.random((n, len(limits))) * limits).astype(np.int16)
    return codes


def _position(table: CostTable, column: str) -> int:
    if column not in table.names:
        raise StudyError(f"constraints: {column!r} is not a cost of this study.{did_you_mean(column, table.names)}")
    return table.names.index(column)


def _extreme(table: CostTable, column: str, sign: float, seed: int) -> Extreme:
    position = _position(table, column)

    def price(codes: np.ndarray) -> np.ndarray:
        return sign * table.encoded(codes)[:, position]

    limits = [len(dimension.values) for dimension in table.domains.dimensions]
    exhaustive = math.prod(limits) <= EXHAUSTIVE
    best, codes, bound = math.inf, np.zeros(len(limits), np.int16), None
    relaxed = table.lower_bound(column) if sign > 0 and not exhaustive else None
    minimum = minimise(relaxed[1], limits) if relaxed is not None else None
    if relaxed is not None and minimum is not None:
        bound, codes = relaxed[0] + minimum[0], minimum[1]
        best = float(price(codes[None])[0])
        proved = Extreme(column, best, table.domains.decode(codes), False, bound)
        if proved.exact:
            return proved
    if exhaustive:
        batches: Iterator[np.ndarray] = _all_codes(limits)
    else:
        starts = random_codes(table.domains, STARTS, np.random.default_rng(seed))
        batches = iter([descend(starts, limits, price)])
    for batch in batches:
        prices = price(batch)
        if prices.min() < best:
            best, codes = float(prices.min()), batch[prices.argmin()]
    return Extreme(column, sign * best, table.domains.decode(codes), exhaustive, bound)


def _all_codes(limits: Sequence[int], batch: int = 1 << 14) -> Iterator[np.ndarray]:
    rows = itertools.product(*map(range, limits))
    while chunk := list(itertools.islice(rows, batch)):
        yield np.array(chunk, np.int16).reshape(len(chunk), len(limits))


def descend(codes: np.ndarray, limits: Sequence[int], price: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Coordinate descent of all rows at once; equal values keep the code, so it ends."""
    current = price(codes)
    improved = True
    while improved:
        improved = False
        for label, limit in enumerate(limits):
            for value in range(limit):
                trial = codes.copy()
                trial[:, label] = value
                prices = price(trial)
                better = prices < current
                if better.any():
                    codes[better, label] = value
                    current[better] = prices[better]
                    improved = True
    return codes
