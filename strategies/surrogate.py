"""Which of many candidates to train: the one from which a model of all results expects the largest growth of the front.

**The idea.** A candidate's cost is known before it is trained; only its quality is not. A Gaussian process predicts the
quality with a spread, from which follows how much the area under the front (the hypervolume of quality against cost) is
expected to grow if the candidate is trained. The largest expected growth wins.

**Why this way.** Expected improvement of the best quality alone would ask for large networks only; the front's growth
asks for a better network at *every* cost. As the cost carries no noise, the expectation over the quality is exact and
a sum over the steps of the front: no sampling, and equal on every machine.

**A tiny example**: trained are A 0.30 at 5 ms and B 0.50 at 20 ms; the area ends at 30 ms.

    candidate C, 0.45 +- 0.001 at 10 ms: lifts the front from 0.30 to 0.45 between 10 and 20 ms   gain 0.15 x 10 = 1.5
    candidate D, 0.52 +- 0.001 at 25 ms: lifts it from 0.50 to 0.52 between 25 and 30 ms          gain 0.02 x 5  = 0.1
    candidate E, 0.28 +- 0.001 at 4 ms:  cheaper than A but worse; A's quality is the floor there    gain 0

C is trained. With more spread, even E would have some: the mean improvement over a height is never zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from ednas_nni.search.problem import Problem, Sample
from ednas_nni.study import pareto

Floats = NDArray[np.float64]

# Candidates for the kernel; the marginal likelihood chooses. Few, since a search has tens of trials.
LENGTHS = (0.25, 0.6, 1.5)
SHARES = (0.15, 0.4, 0.7)
NOISES = (0.05, 0.15, 0.4)
KERNELS = tuple(itertools.product(LENGTHS, SHARES, NOISES))
# So many results choose the kernel, taken evenly from all: the choice costs the same in a long search.
CHOOSING = 80
# Beyond so many results the model is made from the front and the newest ones, so that asking stays fast.
MOST = 200
# The reference point of the hypervolume lies this share of the range of costs beyond the dearest one.
BEYOND = 0.5
# Fixed directions and quantiles of `sampled_gain`.
DIRECTIONS, DRAWS = 512, 16
# So much of the front's range beyond its worst point, where several objectives are measured.
ENDS = 0.1


class Surrogate:
    """Predicts a measured objective from the active choices and the logarithms of the costs.

    Kernel: share * exp(-|log costs|^2 / 2) + (1 - share) * exp(-(1 - overlap) / length), overlap being the cosine
    between the one-hot codes of the active labels; plus noise. Inputs and outputs are standardised.

    `fit` depends on its arguments alone and keeps nothing from the call before, so a search that continues from a saved
    state predicts what the uninterrupted one would have predicted.

    Args:
        problem: For domains and costs. Costs that are no finite number count as 1 (NaN) or as very large.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._labels = problem.domains.labels
        self._codes = {
            (d.label, value): position
            for position, (d, value) in enumerate((d, v) for d in problem.domains.dimensions for v in d.values)
        }
        self._seen: dict[tuple[object, ...], Floats] = {}

    def fit(self, samples: Sequence[Sample], values: Sequence[float] | Floats) -> None:
        """Take in all results: n >= 1 canonical samples and n finite values, larger is better."""
        self._one_hot, raw = self._inputs(samples, remember=True)
        self._centre, self._scale = raw.mean(0), _scale(raw.std(0), raw)
        self._costs = (raw - self._centre) / self._scale
        targets = np.asarray(values, dtype=np.float64)
        self._mean, self._spread = float(targets.mean()), float(_scale(targets.std(), targets))
        self._targets = (targets - self._mean) / self._spread
        self._length, self._share, self._noise = self._choose_kernel()
        self._solve()

    def believe(self, samples: Sequence[Sample]) -> None:
        """Take open trials as if they had given what is expected of them: predictions stay, their spread shrinks."""
        expected = (self.predict(samples)[0] - self._mean) / self._spread
        one_hot, raw = self._inputs(samples, remember=True)
        self._one_hot = np.concatenate([self._one_hot, one_hot])
        self._costs = np.concatenate([self._costs, (raw - self._centre) / self._scale])
        self._targets = np.concatenate([self._targets, expected])
        self._solve()

    def predict(self, samples: Sequence[Sample]) -> tuple[Floats, Floats]:
        """Mean and standard deviation (m,), (m,) of the noise-free objective, in its own unit."""
        one_hot, raw = self._inputs(samples)
        by_cost, apart = self._apart(one_hot, (raw - self._centre) / self._scale, self._one_hot, self._costs)
        cross = self._share * by_cost + (1.0 - self._share) * np.exp(-apart / self._length)
        variance = 1.0 - ((cross @ self._inverse) * cross).sum(1)
        return self._mean + self._spread * (cross @ self._weights), self._spread * np.sqrt(np.maximum(variance, 1e-9))

    def _solve(self) -> None:
        by_cost, apart = self._apart(self._one_hot, self._costs, self._one_hot, self._costs)
        gram = self._share * by_cost + (1.0 - self._share) * np.exp(-apart / self._length)
        # Never singular: the kernel is positive semidefinite, the noise at least 0.05.
        self._inverse = np.linalg.inv(gram + self._noise * np.eye(len(gram)))
        self._weights = self._inverse @ self._targets

    def _choose_kernel(self) -> tuple[float, float, float]:
        few = np.unique(np.linspace(0, len(self._targets) - 1, CHOOSING).round().astype(int))
        one_hot, costs, targets = self._one_hot[few], self._costs[few], self._targets[few]
        by_cost, apart = self._apart(one_hot, costs, one_hot, costs)
        by_choice = {length: np.exp(-apart / length) for length in LENGTHS}
        eye = np.eye(len(few))
        grams = [share * by_cost + (1.0 - share) * by_choice[length] + noise * eye for length, share, noise in KERNELS]
        factors = np.linalg.cholesky(np.stack(grams))
        solved = np.linalg.solve(factors, np.broadcast_to(targets[:, None], (len(grams), len(few), 1)))[..., 0]
        likelihood = -0.5 * (solved**2).sum(-1) - np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(-1)
        return KERNELS[int(likelihood.round(6).argmax())]  # rounded: the last bits differ between machines

    def _inputs(self, samples: Sequence[Sample], remember: bool = False) -> tuple[Floats, Floats]:
        """Unit one-hot codes of the active labels (m, codes) and log costs (m, k)."""
        keys = [tuple(map(sample.__getitem__, self._labels)) for sample in samples]
        fresh = [i for i, key in enumerate(keys) if key not in self._seen]
        encoded = dict(zip(fresh, self._encode([samples[i] for i in fresh]), strict=True)) if fresh else {}
        if remember:
            self._seen |= {keys[i]: row for i, row in encoded.items()}
        rows = np.array([encoded[i] if i in encoded else self._seen[key] for i, key in enumerate(keys)])
        return rows[:, : len(self._codes)], rows[:, len(self._codes) :]

    def _encode(self, samples: Sequence[Sample]) -> Floats:
        costs = np.nan_to_num(self._problem.canonical_costs(samples), nan=1.0, posinf=1e18)
        codes = np.zeros((len(samples), len(self._codes)))
        for row, sample in zip(codes, samples, strict=True):
            row[[self._codes[item] for item in self._problem.domains.active(sample).items()]] = 1.0
        return np.hstack([codes / np.linalg.norm(codes, axis=1, keepdims=True), np.log(np.maximum(costs, 1e-12))])

    @staticmethod
    def _apart(one_hot: Floats, costs: Floats, others: Floats, other_costs: Floats) -> tuple[Floats, Floats]:
        """The kernel's cost part and 1 - overlap, (m, n) each."""
        squared = ((costs[:, None, :] - other_costs[None, :, :]) ** 2).sum(-1)
        return np.exp(-squared / (2.0 * max(1, costs.shape[1]))), 1.0 - one_hot @ others.T


def _scale(deviation: Floats | np.float64, values: Floats) -> Floats:
    """The deviation, or 1 where the values are equal but for rounding."""
    return np.where(deviation > 1e-9 * (1e-3 + np.abs(values).max(0)), deviation, 1.0)


def expected_gain(
    mean: Floats, spread: Floats, cost: Floats, trained: Floats, trained_cost: Floats, limit: float
) -> Floats:
    """Expected growth, quality times cost (m,), of the hypervolume of quality (maximised) against one cost (minimised).

    The cost of a candidate is known before it is trained, so the expectation is over quality alone and exact: the best
    quality so far is a step function of the cost, and each step to the right of the candidate contributes its width
    times the expected improvement over its height. Left of the cheapest trained network its quality is the floor: a
    cheaper one must be at least as good to count there, else a search would spend itself on ever smaller networks.
    Costs beyond `limit` count nothing.

    Of m candidates are given the predicted quality (mean, spread) and the cost; of n trained networks quality and cost.
    """
    order = np.argsort(trained_cost, kind="stable")
    edges = np.minimum(trained_cost[order], limit)
    heights = np.maximum.accumulate(trained[order])
    rises = np.concatenate([[True], np.diff(heights) > 0.0])  # the other steps have no width of their own
    edges, heights = edges[rises], heights[rises]
    heights = np.concatenate([heights[:1], heights])
    left, right = np.concatenate([[-np.inf], edges]), np.concatenate([edges, [limit]])
    width = np.maximum(0.0, right[None, :] - np.maximum(left[None, :], cost[:, None]))
    lead = (mean[:, None] - heights[None, :]) / spread[:, None]
    density = np.exp(-0.5 * lead**2) / math.sqrt(2.0 * math.pi)
    return (width * spread[:, None] * (lead * ndtr(lead) + density)).sum(1)


@cache
def _quantiles(count: int, axes: int) -> Floats:
    """(count, axes) points of a standard normal distribution, spread evenly."""
    return ndtri(np.clip(qmc.Sobol(axes, seed=0).random(count), 1e-6, 1 - 1e-6))


def sampled_gain(mean: Floats, spread: Floats, costs: Floats, trained: Floats) -> Floats:
    """Expected growth (m,), up to a factor, of the hypervolume above the origin; larger is better on every axis.

    A hypervolume is a mean over directions: seen from the anchor point, each meets the front at some distance, and the
    volume is the mean of these to the power k (Zhang and Golovin, ICML 2020, lemma 5). So is its growth, and fixed
    directions take milliseconds where exact volumes take a tenth of one for each candidate and each value of its
    quality. Along most directions no quality would lift a candidate over the front: only the others are computed.
    Example, trained (4, 1): along the diagonal the front is at distance 1, a candidate (2, 3) at 2: it adds 4 - 1.

    Of m candidates are given predictions (m, a) of the measured axes, their standard deviations, and the known axes
    (m, b), b >= 0; of n >= 1 trained networks all of these axes (n, a + b).
    """
    a, k = mean.shape[1], trained.shape[1]
    ways = np.abs(_quantiles(DIRECTIONS, k))
    ways = ways / np.linalg.norm(ways, axis=1, keepdims=True)
    reached = np.maximum((trained[:, None, :] / ways).min(-1).max(0), 0.0)
    room = (costs[:, None, :] / ways[:, a:]).min(-1, initial=np.inf)
    candidate, way = np.nonzero(room > reached)
    values = np.repeat(room[candidate, way][:, None], DRAWS, axis=1)
    for axis in range(a):
        drawn = mean[:, axis, None] + spread[:, axis, None] * _quantiles(DRAWS, a)[:, axis]
        values = np.minimum(values, drawn[candidate] / ways[way, axis, None])
    floor = reached[way, None]
    gain = (np.maximum(values, floor) ** k - floor**k).mean(-1)
    return np.bincount(candidate, gain, minlength=len(mean)) / DIRECTIONS


class GrowthOfFront:
    """Chooses among candidates by expected growth of the hypervolume: what is measured is predicted, costs known."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        priced = [o.name in problem.cost_names for o in problem.objectives]
        self._measured, self._priced = ([i for i, cost in enumerate(priced) if cost is kind] for kind in (False, True))
        self._columns = [problem.cost_names.index(problem.objectives[i].name) for i in self._priced]
        self._models = [Surrogate(problem) for _ in self._measured]
        self._signs = np.array([1.0 if o.maximise else -1.0 for o in problem.objectives])
        # One against one to be kept small is exact; everything else is a mean over directions.
        self._exact = len(self._measured) == len(self._priced) == 1 and self._signs[self._priced[0]] < 0

    @staticmethod
    def applies(problem: Problem) -> bool:
        """Whether anything is to be predicted."""
        return any(o.name not in problem.cost_names for o in problem.objectives)

    def best(
        self,
        candidates: Sequence[Sample],
        costs: Floats,
        trained: Sequence[Sample],
        points: Floats,
        open_now: Sequence[Sample],
    ) -> int:
        """Position of the candidate, of m >= 1 with costs (m, k), with the largest expected growth.

        Of n >= 1 trained samples the objectives (n, axes) are finite. Open trials are believed to give what is
        expected, so that workers do not flock.
        """
        chosen = self._front_and_newest(points)
        trained, points = [trained[i] for i in chosen], points[chosen]
        paid = points[:, self._priced]
        if open_now:
            paid = np.concatenate([paid, self._problem.canonical_costs(open_now)[:, self._columns]])
        means, spreads, smooths = [], [], []
        for model, axis in zip(self._models, self._measured, strict=True):
            model.fit(trained, self._signs[axis] * points[:, axis])
            if open_now:
                model.believe(open_now)
            mean, spread = model.predict(candidates)
            means.append(mean)
            spreads.append(spread)
            smooths.append(model.predict([*trained, *open_now])[0])  # a lucky trial must not hide what is better
        cost = costs[:, self._columns]
        if self._exact:
            # The anchor lies well beyond the dearest point, else the best quality at the limit would be worth nothing.
            dearest = max(float(paid.max()), float(cost.max()))
            limit = dearest + BEYOND * (dearest - min(float(paid.min()), float(cost.min())))
            gain = expected_gain(means[0], spreads[0], cost[:, 0], smooths[0], paid[:, 0], limit)
        else:
            signs = self._signs[self._priced]
            gain = _many(np.stack(means, 1), np.stack(spreads, 1), np.stack(smooths, 1), signs * cost, signs * paid)
        # Rounded: the last bits differ between machines, and the same seed must give the same search on all.
        return int((gain / max(float(gain.max()), 1e-300)).round(9).argmax())

    def _front_and_newest(self, points: Floats) -> list[int]:
        if len(points) <= MOST:
            return list(range(len(points)))
        front = pareto.front(points, [o.direction for o in self._problem.objectives])
        newest = range(len(points) - 1, -1, -1)
        return sorted(list(dict.fromkeys([*front, *newest]))[:MOST])


def _many(mean: Floats, spread: Floats, smooth: Floats, cost: Floats, paid: Floats) -> Floats:
    """Growth (m,) by `sampled_gain`, with the anchor of `expected_gain`; larger is better everywhere.

    Of measured axes the anchor is the worst on the front, the quality of the cheapest network: cheaper ones must be as
    good. With several of them it lies a little beyond, as a network may be the worst in one and the best in another.
    """
    trained = np.hstack([smooth, paid])
    front = smooth[pareto.front(trained, ["max"] * trained.shape[1])]
    low = front.min(0) - (ENDS * np.ptp(front, axis=0) if front.shape[1] > 1 else 0.0)
    every = np.concatenate([cost, paid])
    anchor = np.concatenate([low, every.min(0) - BEYOND * np.ptp(every, axis=0)])
    scale = np.maximum(trained.max(0), np.concatenate([mean.max(0), cost.max(0)])) - anchor
    scale = np.where(scale > 0, scale, 1.0)
    a = mean.shape[1]
    return sampled_gain(
        (mean - low) / scale[:a], spread / scale[:a], (cost - anchor[a:]) / scale[a:], (trained - anchor) / scale
    )
