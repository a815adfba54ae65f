"""Starting points spread over what a device allows: costs are known before training, so use them."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from ednas_nni.errors import InfeasibleError
from ednas_nni.search.problem import Problem, Sample
from ednas_nni.search.reachable import excess

POOL = 384
FILL_ROUNDS = 400


def feasible_pool(problem: Problem, rng: np.random.Generator, size: int = POOL) -> list[Sample]:
    """Feasible samples, random ones first; where those are rare, mutations towards and around feasible ones.

    Raises:
        InfeasibleError: None was found.
    """
    drawn = [problem.domains.random(rng) for _ in range(size)]
    badness = excess(problem, problem.canonical_costs(drawn))
    pool = [sample for sample, bad in zip(drawn, badness, strict=True) if bad == 0.0]
    frontier = [drawn[i] for i in np.argsort(badness, kind="stable")[:16]]
    limits = badness[np.argsort(badness, kind="stable")[:16]]
    for _ in range(FILL_ROUNDS):
        if len(pool) >= size // 8:
            break
        children = [problem.domains.mutate(sample, rng, n=1 + int(rng.integers(2))) for sample in frontier]
        badness = excess(problem, problem.canonical_costs(children))
        pool += [sample for sample, bad in zip(children, badness, strict=True) if bad == 0.0]
        for i, bad in enumerate(badness):
            if bad <= limits[i]:
                frontier[i], limits[i] = children[i], bad
    if not pool:
        raise InfeasibleError(
            "constraints: no feasible architecture was found from "
            f"{size + FILL_ROUNDS * len(frontier)} samples. Relax a constraint or widen the space."
        )
    return pool


def spread(
    problem: Problem, pool: list[Sample], count: int, column: int | None, rng: np.random.Generator
) -> list[Sample]:
    """At most `count` different samples of a pool of feasible ones, stratified over one cost (None: at random).

    The range between the 2nd and 98th percentile of the pool is cut into `count` strata of equal width on a log scale;
    each gives its random member nearest to a jittered position. The strata come in an order in which every prefix is
    spread out (van der Corput), as a search may stop early.
    """
    if count <= 0:
        return []
    if column is None:
        return [pool[i] for i in rng.permutation(len(pool))[:count]]
    costs = np.log(np.maximum(problem.canonical_costs(pool)[:, column], 1e-12))
    low, high = np.percentile(costs, [2, 98])
    positions = low + (high - low) * (np.arange(count) + rng.random(count)) / count
    free = np.ones(len(pool), dtype=bool)
    picked: list[Sample] = []
    order = qmc.Halton(1, scramble=False).random(count + 1)[1:, 0].argsort() if count > 2 else range(count)
    for stratum in order:
        if not free.any():
            break
        distance = np.where(free, np.abs(costs - positions[stratum]), np.inf)
        nearest = int(distance.argmin())
        free[nearest] = False
        picked.append(pool[nearest])
    return picked
