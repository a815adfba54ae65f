"""How much each choice decides, of the score and of each cost, among the networks that were trained.

For one label the networks fall into groups by its value (absent, where the choice is of a part that they lack). Its
importance is the share of the variance that lies between these groups, corrected for what chance alone puts there:
epsilon squared = (S_between - (k - 1) M_within) / S_total (Kelley, 1935). 0 = tells nothing, 1 = tells all. Example:
qualities 1, 1, 3, 3 with values a, a, b, b have 1; with a, b, a, b they have less than 0, which is written as 0.
The interval (95 %) is that of the noncentral F distribution (Steiger, 2004, eq. 10 and 20): the shares under which an F
as large and one as small would not be rare. A strategy does not draw evenly, and choices go together, so this says what
went with what, not what caused it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ednas_nni.report.data import SearchView

LEAST = 8  # networks; below, intervals would span everything
MOST = 16  # labels that are listed


@dataclass(frozen=True)
class Importance:
    """The share of each quantity's variance that one label tells: (share, lower end, upper end), each in [0, 1]."""

    label: str
    shares: dict[str, tuple[float, float, float]]


def importance(view: SearchView) -> list[Importance]:
    """Of every label that varies, the most important for the score first; [] for too few networks."""
    trials = [t for t in view.results if t.choices]
    if len(trials) < LEAST:
        return []
    keys = [view.score.key, *(q.key for q in view.costs)]
    columns = {key: np.array([np.nan if (v := t.value(key)) is None else v for t in trials]) for key in keys}
    columns = {key: values for key, values in columns.items() if np.isfinite(values).all() and np.ptp(values) > 0}
    rows = []
    for label in dict.fromkeys(label for trial in trials for label in trial.choices):
        texts = [str(trial.choices.get(label, "absent")) for trial in trials]
        groups = np.unique(texts, return_inverse=True)[1]
        if 1 < groups.max() + 1 < len(trials):
            rows.append(Importance(label, {key: share(groups, values) for key, values in columns.items()}))
    rows.sort(key=lambda row: -row.shares.get(view.score.key, (0.0,))[0])
    return rows[:MOST]


def share(groups: NDArray[np.intp], values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Epsilon squared with its interval, of values (n,), not all equal, in groups 0 to k - 1 (n,), 1 < k < n."""
    from scipy.optimize import brentq  # a third of a second, for reports only
    from scipy.special import ncfdtr

    counts = np.bincount(groups)
    n, within = len(values), len(values) - len(counts)
    between = float((counts * (np.bincount(groups, values) / counts - values.mean()) ** 2).sum())
    total = float(((values - values.mean()) ** 2).sum())
    noise = max(total - between, 0.0) / within  # of one network
    if noise < 1e-7 * total:
        return 1.0, 1.0, 1.0
    ratio = between / (len(counts) - 1) / noise

    def above(share: float, p: float) -> float:
        # NaN: next to nothing.
        return float(np.nan_to_num(ncfdtr(len(counts) - 1, within, n * share / (1 - share), ratio))) - p

    low, high = (brentq(above, 0.0, 1 - 1e-9, (p,)) if above(0.0, p) > 0 else 0.0 for p in (0.975, 0.025))

    value = (between - (len(counts) - 1) * noise) / total
    return max(value, 0.0), float(low), float(high)
