"""What the space can reach: rejects constraints that nobody can meet before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ednas_nni.cost import summary
from ednas_nni.errors import InfeasibleError
from ednas_nni.search.problem import Problem, Sample
from ednas_nni.study.objectives import Constraint

if TYPE_CHECKING:
    from ednas_nni.cost.table import CostTable

OFTEN = 0.02  # a share of random architectures at which a search for a feasible one cannot miss
SAMPLES = 512
ROUNDS = 60
CHILDREN = 48


def excess(problem: Problem, costs: np.ndarray) -> np.ndarray:
    """How far samples lie outside, relative to each bound and summed: (n, k) -> (n,), 0 when feasible."""
    total = np.zeros(len(costs))
    for constraint in problem.constraints:
        column = costs[:, problem.cost_names.index(constraint.name)]
        gap = column - constraint.bound if constraint.op == "<=" else constraint.bound - column
        total += np.maximum(gap, 0.0) / max(abs(constraint.bound), 1e-12)
    return total


def find_feasible(problem: Problem, rng: np.random.Generator, samples: int = SAMPLES) -> Sample | None:
    """One feasible sample, by random samples and then by mutations that reduce the excess; None if none is found."""
    best, badness = _descended(problem, lambda costs: excess(problem, costs), rng, samples, goal=0.0)
    return best if badness == 0.0 else None


def extreme(problem: Problem, constraint: Constraint, rng: np.random.Generator, samples: int = SAMPLES) -> float:
    """Estimate, from the inside, of the most favourable value of one cost: smallest for "<=", largest for ">="."""
    sign = 1.0 if constraint.op == "<=" else -1.0
    column = problem.cost_names.index(constraint.name)
    return sign * _descended(problem, lambda costs: sign * costs[:, column], rng, samples)[1]


def _descended(
    problem: Problem,
    height: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    samples: int,
    goal: float = -np.inf,
) -> tuple[Sample, float]:
    """The lowest of random samples, then of steepest mutations, until the goal is reached; and its height.

    `height` makes (n,) of costs (n, k).
    """
    best: Sample = {}
    lowest = np.inf
    for attempt in range(1 + ROUNDS):
        if lowest <= goal:
            break
        if attempt:
            pool = [problem.domains.mutate(best, rng, n=1 + int(rng.integers(2))) for _ in range(CHILDREN)]
        else:
            pool = [problem.domains.random(rng) for _ in range(samples)]
        heights = height(problem.canonical_costs(pool))
        if not attempt or heights.min() < lowest:
            best, lowest = pool[int(heights.argmin())], float(heights.min())
    return best, lowest


def favourable(table: CostTable, constraints: Sequence[Constraint]) -> dict[Constraint, float]:
    """Most favourable cost for each constraint, exact or nearly; {} where many architectures meet them all.

    They take seconds to find and say two things: that a rare network does exist, or by how much a limit is too strict.
    """
    if not constraints or summary.feasible_share(table, constraints) >= OFTEN:
        return {}
    return {c: (summary.smallest if c.op == "<=" else summary.largest)(table, c.name).value for c in constraints}


def check_reachable(problem: Problem, reachable: Mapping[Constraint, float] | None = None, seed: int = 0) -> None:
    """Reject constraints that no architecture can meet.

    Args:
        problem: The problem.
        reachable: Constraint -> most favourable cost, where the caller knows it; otherwise it is estimated.
        seed: For the estimate.

    Raises:
        InfeasibleError: With the smallest (or largest) reachable value of each constrained cost.
    """
    values = reachable or {}
    broken = [c for c in problem.constraints if c in values and not c.holds(values[c])]
    if not broken:
        if not problem.constraints or find_feasible(problem, np.random.default_rng(seed)) is not None:
            return
        if len(problem.constraints) == 1 and problem.constraints[0] in values:
            return  # the caller has proof that one exists; the middlewares' patience guards the rest
    lines = []
    for constraint in broken or problem.constraints:
        exact = constraint in values
        value = values[constraint] if exact else extreme(problem, constraint, np.random.default_rng(seed))
        side = "smallest" if constraint.op == "<=" else "largest"
        source = "" if exact else f" (estimated from {SAMPLES + ROUNDS * CHILDREN} samples)"
        lines.append(f"'{constraint}': the {side} reachable {constraint.name} is {value:.4g}{source}")
    together = "" if len(lines) == 1 else " Each may be reachable alone, but no architecture was found for all."
    raise InfeasibleError(
        f"constraints: nothing in the search space meets {'; '.join(lines)}.{together} "
        "Relax the bound, choose another device or deploy_size, or widen the space."
    )
