"""Delta_T: how much better a multi-task network is than one single-task network per task, in percent.

For a task t with the metrics M_t, of which the single-task baseline reaches S_tj and the candidate M_tj:

    Delta_t = 100 / |M_t| * sum_j (-1)^l_j (M_tj - S_tj) / S_tj,      l_j = 1 where smaller is better, else 0
    Delta_T = mean of Delta_t over the tasks

0 = as good as one network per task, positive = better. Form: Maninis et al., "Attentive Single-Tasking of Multiple
Tasks", CVPR 2019, with one metric a task; with several as Sun et al., "AdaShare", NeurIPS 2020, section 4.

The same candidate moves by tens of points with another baseline: a Delta_T says nothing without naming it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ednas_nni.errors import BaselineError

Metrics = Mapping[str, float]
"""Metric -> value, of one task."""

Directions = Mapping[str, Mapping[str, str]]
"""Task -> metric -> "max" or "min". Its metrics are M_t: what else was measured does not enter."""


def delta_task(values: Metrics, baseline: Metrics, directions: Mapping[str, str]) -> float:
    """Delta_t of one task in percent, over the metrics in `directions`; NaN where the candidate's value is NaN."""
    ways, means = signs(directions), means_above_0(baseline, directions)
    candidate = np.array([values[name] for name in directions], dtype=np.float64)
    return float(100 * np.mean(ways * (candidate - means) / means))


def delta_t(values: Mapping[str, Metrics], baselines: Mapping[str, Metrics], directions: Directions) -> float:
    """Delta_T in percent: the mean of `delta_task` over the tasks of `directions`."""
    if not directions:
        raise BaselineError("delta_t: no task is compared.")
    return float(np.mean([delta_task(values[task], baselines[task], directions[task]) for task in directions]))


def signs(directions: Mapping[str, str]) -> NDArray[np.float64]:
    """(metrics,): 1 where larger is better, else -1."""
    wrong = {name: way for name, way in directions.items() if way not in ("max", "min")}
    if wrong or not directions:
        raise BaselineError(f"delta_t: directions are {dict(directions)!r}; each must be 'max' or 'min'.")
    return np.array([1.0 if way == "max" else -1.0 for way in directions.values()])


def means_above_0(baseline: Metrics, names: Mapping[str, str]) -> NDArray[np.float64]:
    """(metrics,): the baseline's, finite and above 0; see `delta_task`."""
    values = np.array([baseline[name] for name in names], dtype=np.float64)
    bad = [f"{name} {value:g}" for name, value in zip(names, values, strict=True) if not 0 < value < math.inf]
    if bad:
        raise BaselineError(
            f"delta_t: the single-task baseline has {', '.join(bad)}; a relative change needs a finite value above 0. "
            "Train the baseline longer, or choose another one."
        )
    return values
