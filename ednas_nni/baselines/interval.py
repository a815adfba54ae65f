"""How far chance may have moved a Delta_T: its confidence interval over the seeds of both sides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ednas_nni.errors import BaselineError
from ednas_nni.tasks.delta_t import Directions, Metrics, means_above_0, signs


@dataclass(frozen=True)
class DeltaTEstimate:
    """Delta_T of a candidate, the mean over tasks, in percent, with its 95 % confidence interval.

    Attributes:
        low: Lower end, `high` the upper one; None where a baseline was trained only once: its spread is unknown.
        degrees_of_freedom: Of the interval's t distribution (Welch, Satterthwaite), None without an interval.
        seeds: Trainings of the candidate; of a single one, the spread of a single baseline run stands in for its own.
    """

    value: float
    low: float | None
    high: float | None
    tasks: dict[str, float]
    degrees_of_freedom: float | None
    seeds: int


@dataclass(frozen=True)
class MeanInterval:
    """The mean of n values, and half of the width of its interval (95 %, Student's t); None for a single value."""

    mean: float
    half: float | None
    n: int


def mean_interval(values: Sequence[float]) -> MeanInterval:
    """The mean of at least one value, with its confidence interval."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return MeanInterval(float(array.mean()), None, len(array))
    half, _ = _half_width([(float(array.var(ddof=1)) / len(array), len(array) - 1)])
    return MeanInterval(float(array.mean()), half, len(array))


def estimate(
    candidate: Sequence[Mapping[str, Metrics]], baselines: Mapping[str, Sequence[Metrics]], directions: Directions
) -> DeltaTEstimate:
    """Delta_T of the candidate's mean against the baselines' means, and how far chance may have moved it.

    Both sides are noisy: Delta_T is linearised around the means, so every training becomes one number, its share in
    Delta_T. Metrics and tasks of one training are correlated, so the training (the seed) is the unit: the variance is
    that of these numbers, for the candidate and for each task's baseline apart, and the interval is Student's with
    the degrees of freedom of Welch and Satterthwaite. (The bias of 1 / mean is of second order: 0.01 points for a
    spread of 2 % over three seeds.)

    A candidate trained once has no spread of its own. Then a single run of the candidate is taken to scatter, task by
    task, like a single run of that task's baseline, independently between tasks.

    Raises:
        BaselineError: A metric is not finite, a baseline's mean is not above 0, or one side has no training.
    """
    if not candidate or not directions:
        raise BaselineError("delta_t: there is no training of the candidate, or no task to compare.")
    tasks: dict[str, float] = {}
    scores = np.zeros(len(candidate))  # each training's own Delta_T against the baselines' means
    spreads: dict[str, tuple[float, int]] = {}  # task -> variance of a single baseline run's share, number of runs
    for task, metrics in directions.items():
        ours = _matrix([run[task] for run in candidate], metrics, f"the candidate's {task}")
        theirs = _matrix(baselines[task], metrics, f"the baseline of {task}")
        mean = means_above_0(dict(zip(metrics, theirs.mean(0), strict=True)), metrics)
        weights = 100 * signs(metrics) / len(metrics)
        deltas = (ours / mean - 1) @ weights
        tasks[task] = float(deltas.mean())
        scores += deltas / len(directions)
        sensitivity = -weights / len(directions) * ours.mean(0) / mean**2  # of Delta_T to the baseline's mean
        shares = (theirs - mean) @ sensitivity
        spreads[task] = (float(shares.var(ddof=1)) if len(shares) > 1 else math.nan, len(shares))
    value = float(np.mean(list(tasks.values())))
    parts = _variances(scores, spreads)
    low = high = freedom = None
    if parts is not None:
        half, freedom = _half_width(parts)
        low, high = value - half, value + half
    return DeltaTEstimate(
        value=value, low=low, high=high, tasks=tasks, degrees_of_freedom=freedom, seeds=len(candidate)
    )


def _variances(scores: NDArray[np.float64], spreads: Mapping[str, tuple[float, int]]) -> list[tuple[float, int]] | None:
    """Independent parts of the variance of Delta_T with their degrees of freedom; None where one is unknown."""
    if any(count < 2 for _, count in spreads.values()):
        return None
    if len(scores) == 1:  # one estimated variance serves twice: for the baseline's mean and for the candidate's run
        return [(variance * (1 + 1 / count), count - 1) for variance, count in spreads.values()]
    ours = (float(scores.var(ddof=1)) / len(scores), len(scores) - 1)
    return [ours, *((variance / count, count - 1) for variance, count in spreads.values())]


def _half_width(parts: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Half the width of a 95 % interval and the degrees of freedom (Satterthwaite 1946; Welch 1947)."""
    from scipy.special import stdtrit  # a third of a second, which a trial need not spend

    total = sum(variance for variance, _ in parts)
    if total == 0:  # runs that repeat each other exactly
        return 0.0, float(sum(freedom for _, freedom in parts))
    freedom = total**2 / sum(variance**2 / part_freedom for variance, part_freedom in parts)
    return float(stdtrit(freedom, 0.975)) * math.sqrt(total), freedom


def _matrix(runs: Sequence[Metrics], names: Mapping[str, str], whose: str) -> NDArray[np.float64]:
    """(trainings, metrics), finite."""
    if not runs:
        raise BaselineError(f"delta_t: {whose} has no training.")
    matrix = np.array([[run[name] for name in names] for run in runs], dtype=np.float64)
    if not np.isfinite(matrix).all():
        bad = [name for name, column in zip(names, matrix.T, strict=True) if not np.isfinite(column).all()]
        raise BaselineError(f"delta_t: {', '.join(bad)} of {whose} is not a finite number.")
    return matrix
