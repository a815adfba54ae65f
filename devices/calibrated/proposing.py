"""Which architectures to measure: those that tell most about the terms of a device's model.

Greedy D-optimal design (Fedorov, "Theory of Optimal Experiments", 1972): each next architecture is the one that shrinks
the volume of the confidence ellipsoid of the terms' factors most. Errors are taken to be relative, so that a row is the
terms' shares of the cost; a weak prior (ridge) makes the first ones well defined.

Example: of four networks three spend 90 % of their time in dense layers and one spends it on the link. The first choice
is one of the three, the second the other: two that are alike tell one factor twice and the other not at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from devices.calibrated.measurements import priced_terms
from ednas_nni.cost.summary import met
from ednas_nni.cost.table import CostTable
from ednas_nni.errors import InfeasibleError
from ednas_nni.space.draws import draw_architectures
from ednas_nni.study.objectives import Constraint

CANDIDATES = 4000
ROUNDS = 25
RIDGE = 1e-3


def informative(
    table: CostTable, cost: str, n: int, constraints: Sequence[Constraint] = (), seed: int = 0
) -> NDArray[np.integer]:
    """Choose distinct architectures within the constraints; InfeasibleError: fewer than n were found.

    Candidates come from both draws, as strategies make them and evenly over architectures: the first has the small
    networks, the second the large ones. Returned are canonical codes, int16 (n, labels), in the order of their
    information on the model of the cost.
    """
    rng, domains = np.random.default_rng(seed), table.domains
    codes: NDArray[np.integer] = np.empty((0, len(domains)), np.int16)
    checked = [table.checked(c) for c in constraints]
    for _ in range(ROUNDS):
        drawn = np.stack([domains.encode(domains.random(rng)) for _ in range(CANDIDATES // 2)])  # as strategies do
        more = np.concatenate([drawn, draw_architectures(domains.dimensions, CANDIDATES // 2, rng)])
        costs = table.encoded(more)
        good = np.logical_and.reduce([np.ones(len(more), bool), *(met(table, c, costs) for c in checked)])
        codes = np.unique(np.concatenate([codes, more[good]]), axis=0)
        if len(codes) >= min(CANDIDATES, 20 * n):
            break
    if len(codes) < n:
        limits = f" that meet {', '.join(map(str, constraints))}" if constraints else ""
        raise InfeasibleError(
            f"--propose {n}: only {len(codes)} architectures{limits} were found in {ROUNDS * CANDIDATES:,} draws. Ask "
            "for fewer, or relax the constraints"
        )
    return codes[_greedy(_shares(table, cost, codes), n)]


def information(shares: NDArray[np.float64]) -> float:
    """Log det of the information that rows of shares, float64 (n, terms), give about the terms' factors."""
    return float(np.linalg.slogdet(RIDGE * np.eye(shares.shape[1]) + shares.T @ shares)[1])


def _shares(table: CostTable, cost: str, codes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Terms over the whole cost, float64 (n, terms); scaled to equal spread, so that a small term counts as well."""
    terms = priced_terms(table, cost, codes).matrix
    if terms.shape[1] == 1:  # then what is left to tell apart is an offset: the smallest and the largest networks
        terms = np.column_stack([terms, np.full(len(terms), terms.min())])
    shares = terms / np.maximum(terms.sum(axis=1, keepdims=True), 1e-12)
    scale = np.sqrt((shares**2).mean(axis=0))
    scaled: NDArray[np.float64] = shares / np.where(scale > 0, scale, 1.0)
    return scaled


def _greedy(rows: NDArray[np.float64], n: int) -> list[int]:
    """Positions of n rows; each adds most to the log determinant: log(1 + x' M^-1 x) by the determinant lemma."""
    inverse = np.eye(rows.shape[1]) / RIDGE
    chosen: list[int] = []
    free = np.ones(len(rows), bool)
    for _ in range(n):
        gains = np.einsum("ni,ij,nj->n", rows, inverse, rows)
        best = int(np.where(free, gains, -1.0).argmax())
        chosen.append(best)
        free[best] = False
        step = inverse @ rows[best]
        inverse = inverse - np.outer(step, step) / (1.0 + rows[best] @ step)
    return chosen
