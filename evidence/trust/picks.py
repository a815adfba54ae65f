"""What a search would take at equal cost: short trainings order worse, and there can be more of them.

Rank agreement has no price. This has: `m` networks are drawn, each is trained once, the best by that training is
taken, and the longer training says how good it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evidence.trust import ranks

SEARCHES = (12, 24, 48)
"""Trainings of searches by the study's own recipe, which set the images that all recipes get."""
LOT = "by lot"
"""A network of each third that is taken without any training: where the scale begins."""


@dataclass(frozen=True)
class ExpectedPick:
    """What is taken when a recipe decides, one network in each third by cost.

    Attributes:
        recipe: Name, or `LOT`.
        searched: Trainings by the study's own recipe that see as many images.
        trainings: How many that makes by this recipe; not a whole number.
        quality: Expected quality, by the longer training, of what is taken; a mean over the thirds.
        gain: That minus the same of the study's own recipe for as many images.
    """

    recipe: str
    searched: int
    trainings: float
    quality: ranks.RankEstimate
    gain: ranks.RankEstimate


def picks(
    proxies: Mapping[str, np.ndarray],
    images: Mapping[str, int],
    own: str,
    truth: np.ndarray,
    groups: np.ndarray,
    searched: int,
) -> tuple[ExpectedPick, ...]:
    """Of `LOT` and every recipe, for the images of so many trainings by the study's own, over all groups.

    Args:
        proxies: Recipe -> quality of single trainings, (seeds, n).
        images: Recipe -> images that one training sees, above 0.
        own: Name of the study's own recipe.
        truth: Quality by the longer training, (n,).
        groups: int (n,): third by cost.
        searched: How many trainings.
    """
    weights = ranks.resampled(groups)
    counts = {name: searched * images[own] / images[name] for name in proxies}
    split = len(np.unique(groups))
    expected = {LOT: taken(np.zeros((1, len(truth))), truth, groups, 1, weights)}
    expected |= {name: taken(proxy, truth, groups, counts[name] / split, weights) for name, proxy in proxies.items()}
    return tuple(
        ExpectedPick(
            name, searched, counts.get(name, 0.0), ranks.estimate(values), ranks.estimate(values - expected[own])
        )
        for name, values in expected.items()
    )


def taken(proxy: np.ndarray, truth: np.ndarray, groups: np.ndarray, count: float, weights: np.ndarray) -> np.ndarray:
    """Expected truth of the best by proxy among `count` independent draws from each group, a mean over the groups.

    The best of m draws is among the worst share F of the group with probability F^m, so each member is taken with the
    difference of two such powers; m need not be whole, and below 1 it counts as 1: something is always taken. Proxy
    (seeds, n), truth (n,), groups int (n,), and weights (resamples, n), how often each member was resampled, give
    (resamples,), a mean over seeds.
    """
    power, total = max(count, 1.0), np.zeros(len(weights))
    names = np.unique(groups)
    for group in names:
        members = np.flatnonzero(groups == group)
        for row in np.atleast_2d(proxy)[:, members]:
            order = members[np.argsort(row, kind="stable")]
            share = np.cumsum(weights[:, order], axis=1) / weights[:, order].sum(axis=1, keepdims=True)
            chance = np.diff(share**power, axis=1, prepend=0.0)
            total += chance @ truth[order]
    return total / (len(names) * len(np.atleast_2d(proxy)))
