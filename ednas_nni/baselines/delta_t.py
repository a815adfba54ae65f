"""Delta_T: how much better a multi-task network is than one single-task network per task, in percent.

For a task t with the metrics M_t, of which the single-task reference reaches S_tj and the candidate M_tj:

    Delta_t = 100 / |M_t| * sum_j (-1)^l_j (M_tj - S_tj) / S_tj,      l_j = 1 where smaller is better, else 0
    Delta_T = mean of Delta_t over the tasks

0 = as good as one network per task, positive = better. Form: Maninis et al., "Attentive Single-Tasking of Multiple
Tasks", CVPR 2019, with one metric a task; with several as Sun et al., "AdaShare", NeurIPS 2020, section 4.

The same candidate moves by tens of points with another reference: a Delta_T says nothing without naming it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ednas_nni.errors import ReferenceRecordError

Metrics = Mapping[str, float]
"""Metric -> value, of one task."""

Directions = Mapping[str, Mapping[str, str]]
"""Task -> metric -> "max" or "min". Its metrics are M_t: what else was measured does not enter."""


@dataclass(frozen=True)
class Estimate:
    """Delta_T of a candidate with its confidence interval.

    Attributes:
        value: Delta_T in percent.
        low: Lower end of the interval in percent; None where a reference was trained only once, so that nothing is
            known of the spread.
        high: Upper end.
        tasks: Task -> Delta_t in percent; `value` is their mean.
        confidence: Level of the interval, e.g. 0.95.
        degrees_of_freedom: Of the interval's t distribution (Welch, Satterthwaite), None without an interval.
        seeds: Trainings of the candidate.
        reference_seeds: Task -> trainings of its reference.
        stand_in: True where the candidate was trained once, so that the spread of a single reference run stands in for
            its own.
    """

    value: float
    low: float | None
    high: float | None
    tasks: dict[str, float]
    confidence: float
    degrees_of_freedom: float | None
    seeds: int
    reference_seeds: dict[str, int]
    stand_in: bool


def delta_task(values: Metrics, reference: Metrics, directions: Mapping[str, str]) -> float:
    """Delta_t of one task in percent.

    Args:
        values: The candidate's metrics; NaN makes the result NaN.
        reference: The single-task reference's metrics, finite and above 0.
        directions: The metrics that enter, with their directions.

    Raises:
        ReferenceRecordError: A reference is not above 0 (the relative change is undefined), or no metric is given.
    """
    signs, references = _signs(directions), _references(reference, directions)
    own = np.array([values[name] for name in directions], dtype=np.float64)
    return float(100 * np.mean(signs * (own - references) / references))


def delta_t(values: Mapping[str, Metrics], references: Mapping[str, Metrics], directions: Directions) -> float:
    """Delta_T in percent: the mean of `delta_task` over the tasks of `directions`.

    Raises:
        ReferenceRecordError: As `delta_task`.
    """
    if not directions:
        raise ReferenceRecordError("delta_t: no task is compared.")
    return float(np.mean([delta_task(values[task], references[task], directions[task]) for task in directions]))


def estimate(
    candidate: Sequence[Mapping[str, Metrics]],
    references: Mapping[str, Sequence[Metrics]],
    directions: Directions,
    confidence: float = 0.95,
) -> Estimate:
    """Delta_T of the candidate's mean against the references' means, and how far chance may have moved it.

    Both sides are noisy: Delta_T is linearised around the means, so every training becomes one number, its share in
    Delta_T. Metrics and tasks of one training are correlated, so the training (the seed) is the unit: the variance is
    that of these numbers, for the candidate and for each task's reference apart, and the interval is Student's with
    the degrees of freedom of Welch and Satterthwaite. (The bias of 1 / mean is of second order: 0.01 points for a
    spread of 2 % over three seeds.)

    A candidate trained once has no spread of its own. Then a single run of the candidate is taken to scatter, task by
    task, like a single run of that task's reference, independently between tasks.

    Args:
        candidate: One mapping task -> metrics a training.
        references: Task -> one mapping of metrics a training.
        directions: The tasks and metrics that enter.
        confidence: Level, in (0, 1).

    Raises:
        ReferenceRecordError: A metric is not finite, a reference's mean is not above 0, or one side has no training.
    """
    if not candidate or not directions:
        raise ReferenceRecordError("delta_t: there is no training of the candidate, or no task to compare.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence!r}; it must lie between 0 and 1.")
    tasks: dict[str, float] = {}
    scores = np.zeros(len(candidate))  # each training's own Delta_T against the references' means
    spreads: dict[str, tuple[float, int]] = {}  # task -> variance of a single reference run's share, number of runs
    for task, metrics in directions.items():
        own = _matrix([run[task] for run in candidate], metrics, f"the candidate's {task}")
        theirs = _matrix(references[task], metrics, f"the reference of {task}")
        mean = _references(dict(zip(metrics, theirs.mean(0), strict=True)), metrics)
        weights = 100 * _signs(metrics) / len(metrics)
        deltas = (own / mean - 1) @ weights
        tasks[task] = float(deltas.mean())
        scores += deltas / len(directions)
        sensitivity = -weights / len(directions) * own.mean(0) / mean**2  # of Delta_T to the reference's mean
        shares = (theirs - mean) @ sensitivity
        spreads[task] = (float(shares.var(ddof=1)) if len(shares) > 1 else math.nan, len(shares))
    value = float(np.mean(list(tasks.values())))
    parts = _variances(scores, spreads)
    low = high = freedom = None
    if parts is not None:
        half, freedom = _half_width(parts, confidence)
        low, high = value - half, value + half
    return Estimate(
        value=value,
        low=low,
        high=high,
        tasks=tasks,
        confidence=confidence,
        degrees_of_freedom=freedom,
        seeds=len(candidate),
        reference_seeds={task: count for task, (_, count) in spreads.items()},
        stand_in=len(candidate) == 1,
    )


def _variances(scores: np.ndarray, spreads: Mapping[str, tuple[float, int]]) -> list[tuple[float, int]] | None:
    """Independent parts of the variance of Delta_T with their degrees of freedom; None where one is unknown."""
    if any(count < 2 for _, count in spreads.values()):
        return None
    if len(scores) == 1:  # one estimated variance serves twice: for the reference's mean and for the candidate's run
        return [(variance * (1 + 1 / count), count - 1) for variance, count in spreads.values()]
    own = (float(scores.var(ddof=1)) / len(scores), len(scores) - 1)
    return [own, *((variance / count, count - 1) for variance, count in spreads.values())]


def _half_width(parts: Sequence[tuple[float, int]], confidence: float) -> tuple[float, float]:
    """Half the interval's width and the degrees of freedom (Satterthwaite 1946; Welch 1947)."""
    from scipy.special import stdtrit  # a third of a second, which a trial need not spend

    total = sum(variance for variance, _ in parts)
    if total == 0:  # runs that repeat each other exactly
        return 0.0, float(sum(freedom for _, freedom in parts))
    freedom = total**2 / sum(variance**2 / own for variance, own in parts)
    return float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(total), freedom


def _signs(directions: Mapping[str, str]) -> np.ndarray:
    wrong = {name: way for name, way in directions.items() if way not in ("max", "min")}
    if wrong or not directions:
        raise ReferenceRecordError(f"delta_t: directions are {dict(directions)!r}; each must be 'max' or 'min'.")
    return np.array([1.0 if way == "max" else -1.0 for way in directions.values()])


def _references(reference: Metrics, names: Mapping[str, str]) -> np.ndarray:
    values = np.array([reference[name] for name in names], dtype=np.float64)
    bad = [f"{name} {value:g}" for name, value in zip(names, values, strict=True) if not 0 < value < math.inf]
    if bad:
        raise ReferenceRecordError(
            f"delta_t: the single-task reference has {', '.join(bad)}; a relative change needs a finite value above 0. "
            "Train the reference longer, or choose another one."
        )
    return values


def _matrix(runs: Sequence[Metrics], names: Mapping[str, str], whose: str) -> np.ndarray:
    """(trainings, metrics), finite."""
    if not runs:
        raise ReferenceRecordError(f"delta_t: {whose} has no training.")
    found = np.array([[run[name] for name in names] for run in runs], dtype=np.float64)
    if not np.isfinite(found).all():
        bad = [name for name, column in zip(names, found.T, strict=True) if not np.isfinite(column).all()]
        raise ReferenceRecordError(f"delta_t: {', '.join(bad)} of {whose} is not a finite number.")
    return found
