"""What a table of trainings says about searching on one task: replayed searches, and the rank agreement behind them.

A search draws `TRIALS` architectures of a third of the table by latency and chooses the best by the quality that one
seed reached on `search`: on all tasks (M), or on one task alone (T). The chosen one is worth what its training on all
tasks *with another seed* reached on `select`, so nobody is rewarded for a lucky training. A difference is M's worth
minus T's, the mean over thirds and seeds, and over *all* draws: the network of rank k among n is the best of m drawn
ones in a share of C(k-1, m-1) / C(n, m) of them, k counted from the worst.

Intervals resample architectures, the unit that limits the table. The ceiling of rank agreement is the tau of two seeds
of the training on all tasks: where that of one task with all tasks is as high, choosing by one task cannot lose. A
third spans a factor of two in latency, so that tau is also given of what is left when a line over log latency is taken
off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from into_docs import grid
from scipy.special import comb

ALL, BANDS, TRIALS, DRAWS = "all", 3, 12, 10_000
PLANNED = 96
"""Architectures of a whole table."""


class Table:
    """The complete architectures of a world, fastest first.

    Attributes:
        tasks: The tasks that were trained alone.
        latency: (n,) in ms.
        searched: Tasks, or `ALL` -> (n, seeds) quality on `search`.
        judged: (n, seeds), quality of all tasks on `select`.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], world: str) -> None:
        here = [row for row in rows if row["world"] == world]
        drawn = {row["architecture"]: row["costs"]["latency_ms"] for row in here if "sample" in row}
        runs = {(row["architecture"], row["tasks"], row["seed"]): row for row in here if "tasks" in row}
        seeds = sorted({seed for *_, seed in runs})
        self.tasks = sorted({tasks for _, tasks, _ in runs} - {ALL})
        every = [(t, s) for t in (ALL, *self.tasks) for s in seeds]
        complete = [a for a in drawn if every and all((a, *one) in runs for one in every)]
        names = sorted(complete, key=drawn.__getitem__)
        self.latency = np.array([drawn[a] for a in names])
        self.searched = {
            t: np.array([[runs[a, t, s]["search"]["quality"] for s in seeds] for a in names]).reshape(
                len(names), len(seeds)
            )
            for t in (ALL, *self.tasks)
        }
        judged = [[runs[a, ALL, s]["select"]["quality"] for s in seeds] for a in names]
        self.judged = np.array(judged).reshape(len(names), len(seeds))

    def __len__(self) -> int:
        return len(self.latency)


def resampled(n: int, bands: int, draws: int) -> list[np.ndarray]:
    """(1 + draws, architectures of the band) for each band: what is there, then drawn anew."""
    rng = np.random.default_rng(0)
    parts = np.array_split(np.arange(n), bands)
    return [np.vstack([part, rng.choice(part, (draws, len(part)))]) for part in parts]


def lost(table: Table, task: str, draws: int = DRAWS) -> np.ndarray:
    """(1 + draws,): M's worth minus T's of the table, then of tables whose architectures are drawn anew."""
    seeds = table.judged.shape[1]
    outcomes = []
    for at in resampled(len(table), BANDS, draws):
        n = at.shape[1]
        shares = comb(np.arange(n), min(TRIALS, n) - 1) / comb(n, min(TRIALS, n))  # of the worst first
        for seed in range(seeds):
            judged = table.judged[at, (seed + 1) % seeds]
            of_all, of_one = (np.argsort(table.searched[by][at, seed], axis=1) for by in (ALL, task))
            gained = np.take_along_axis(judged, of_all, 1) - np.take_along_axis(judged, of_one, 1)
            outcomes.append(gained @ shares)
    return np.asarray(np.mean(outcomes, axis=0))


def agreement(table: Table, task: str, draws: int = DRAWS, line: bool = False) -> np.ndarray:
    """(1 + draws,): Kendall's tau between quality of one seed on `task` and of another on all tasks, as `lost`.

    The mean over thirds; with `line` of the whole table, each quality less its line over log latency. A pair of one
    architecture with itself, which a resampled table has, does not count.
    """
    seeds, n = table.judged.shape[1], len(table)
    one, other = table.searched[task], table.searched[ALL]
    if line:
        one, other = (_residuals(values, np.log(table.latency)) for values in (one, other))
    taus = []
    for at in resampled(n, 1 if line else BANDS, draws):
        counts = np.apply_along_axis(np.bincount, 1, at, minlength=n).astype(float)
        pairs = counts.sum(1) ** 2 - (counts**2).sum(1)
        for seed in range(seeds):
            x, y = one[:, seed], other[:, (seed + 1) % seeds]
            agree = np.sign(np.subtract.outer(x, x)) * np.sign(np.subtract.outer(y, y))
            taus.append(((counts @ agree) * counts).sum(1) / pairs)
    return np.asarray(np.mean(taus, axis=0))


def _residuals(values: np.ndarray, over: np.ndarray) -> np.ndarray:
    slope, middle = np.polyfit(over, values, 1)
    return values - np.outer(over, slope) - middle


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table a world."""
    text = []
    for world in dict.fromkeys(row["world"] for row in rows):
        table = Table(rows, world)
        if len(table) < 4 * BANDS or table.judged.shape[1] < 2:
            text.append(f"{world}: {len(table)} architectures are complete, too few to say anything.")
            continue
        lines, all_lost = [], {}
        for task in table.tasks:
            all_lost[task] = lost(table, task)
            taus = [_interval(agreement(table, task, line=line), ".2f", bold=False) for line in (False, True)]
            lines.append([task, *taus, _interval(all_lost[task])])
        lines.append(["mean of the tasks", "", "", _interval(np.mean(list(all_lost.values()), axis=0))])
        taus = [_interval(agreement(table, ALL, line=line), ".2f", bold=False) for line in (False, True)]
        lines.append(["all tasks, another seed (ceiling)", *taus, ""])
        heads = ["searched on", "tau with all tasks, in thirds", "log latency taken off", "quality lost"]
        text.append(f"**{world}**, {len(table)} architectures:\n\n" + grid(heads, lines))
    return "\n\n".join(text)


def _interval(values: np.ndarray, digits: str = ".3f", bold: bool = True) -> str:
    low, high = np.percentile(values[1:], (2.5, 97.5))
    text = f"{values[0]:+{digits}} [{low:+{digits}}, {high:+{digits}}]"
    return f"**{text}**" if bold and (low > 0 or high < 0) else text
