"""The factor between whole networks and the sums of their blocks, and how far a sum may be off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def spread_out(sums: np.ndarray, n: int) -> np.ndarray:
    """Positions of n of these values, in the middles of n equal parts of their order; all where there are fewer."""
    order = np.argsort(sums, kind="stable")
    if len(order) <= n:
        return order
    return order[((np.arange(n) + 0.5) * len(order) / n).astype(int)]


def factor(sums: Sequence[float], whole: Sequence[float]) -> float:
    """Factor of sums with the smallest squared relative error: sum r / sum r^2 with r = sum / measured."""
    ratios = np.asarray(sums, float) / np.asarray(whole, float)
    return float(ratios.sum() / (ratios**2).sum())


def held_out_errors(sums: Sequence[float], whole: Sequence[float]) -> np.ndarray:
    """Relative errors of networks, each with the factor of all others; float64 (n,), n >= 2."""
    sums, whole = np.asarray(sums, float), np.asarray(whole, float)
    others = ~np.eye(len(sums), dtype=bool)
    return np.array([factor(sums[rest], whole[rest]) for rest in others]) * sums / whole - 1
