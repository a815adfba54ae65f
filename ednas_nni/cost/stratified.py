"""Architectures spread evenly over the costs of a space."""

from __future__ import annotations

from typing import Any

import numpy as np

from ednas_nni.cost.summary import met, random_codes
from ednas_nni.cost.table import CostTable
from ednas_nni.errors import InfeasibleError
from ednas_nni.study.objectives import Constraint

DRAWS = 20_000


def stratified(
    table: CostTable, column: str, constraints: tuple[Constraint, ...], count: int, seed: int
) -> list[dict[str, Any]]:
    """Distinct canonical samples within the constraints, one from each of `count` equally likely ranges of a cost.

    The cheapest first. A plain random draw crowds the middle of the costs, where ranks say least. Within its range each
    is drawn as strategies draw.

    Raises:
        InfeasibleError: Too few distinct architectures met the constraints.
    """
    rng = np.random.default_rng(seed)
    codes = random_codes(table.domains, DRAWS, rng)
    costs = table.encoded(codes)
    feasible = np.ones(len(codes), bool)
    for constraint in constraints:
        feasible &= met(table, constraint, costs)
    order = np.flatnonzero(feasible)
    order = order[np.argsort(costs[order, table.names.index(column)], kind="stable")]
    chosen: dict[str, dict[str, Any]] = {}
    for stratum in np.array_split(order, count):
        for row in rng.permutation(stratum):
            sample = table.domains.decode(codes[row])
            key = table.domains.architecture_id(sample)
            if key not in chosen:
                chosen[key] = sample
                break
    if len(chosen) < count:
        raise InfeasibleError(
            f"{len(order)} of {DRAWS} random architectures meet the constraints, and only {len(chosen)} distinct ones "
            f"are spread over {column}, fewer than the {count} that are asked for. Loosen the constraints, or ask for "
            "fewer architectures."
        )
    return list(chosen.values())
