"""A few whole networks of a space, and the factor by which sums of parts become theirs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from devices.parts.block_table import BlockTable
from ednas_nni.cost.features import sums
from ednas_nni.nn.sizes import settled
from ednas_nni.space.domains import Sample

WHOLE = 8
"""Whole networks that the factor comes from."""
DRAWS = 256
"""Random architectures, among which the whole networks are spread evenly by their MACs."""
SEED = 5


def whole_networks(blocks: BlockTable) -> list[Sample]:
    """Architectures that the factor comes from: of random ones of the settled sizes, some spread evenly over MACs."""
    macs = blocks.features({signature: {"macs": graph.macs} for signature, graph in blocks.graphs.items()})
    rng, sizes = np.random.default_rng(SEED), settled.current() or {}
    drawn = (blocks.domains.canonical({**blocks.domains.random(rng), **sizes}) for _ in range(DRAWS))
    samples = list({blocks.domains.architecture_id(sample): sample for sample in drawn}.values())
    return [samples[i] for i in spread_out(sums(macs, samples)[:, 0], WHOLE)]


def spread_out(sums: np.ndarray, n: int) -> np.ndarray:
    """Positions of n of these values, in the middles of n equal parts of their order; all where there are fewer."""
    order = np.argsort(sums, kind="stable")
    if len(order) <= n:
        return order
    return order[((np.arange(n) + 0.5) * len(order) / n).astype(int)]


def factor(sums: ArrayLike, whole: ArrayLike) -> float:
    """Factor of sums with the smallest squared relative error: sum r / sum r^2 with r = sum / whole."""
    ratios = np.asarray(sums, float) / np.asarray(whole, float)
    return float(ratios.sum() / (ratios**2).sum())


def held_out_errors(sums: ArrayLike, whole: ArrayLike) -> np.ndarray:
    """Relative errors of networks, each with the factor of all others; float64 (n,), n >= 2."""
    added, wholes = np.asarray(sums, float), np.asarray(whole, float)
    others = ~np.eye(len(added), dtype=bool)
    return np.array([factor(added[rest], wholes[rest]) for rest in others]) * added / wholes - 1
