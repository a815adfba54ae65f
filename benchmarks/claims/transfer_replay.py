"""What a table of trainings says about searching on one task: replayed searches, and the rank agreement behind them.

A search is replayed by drawing some architectures of a band of latency and choosing the best by the quality that one
seed reached on `search`: on all tasks (M), or on one task alone (T). The chosen one is worth what its training on all
tasks *with another seed* reached on `select`, so nobody is rewarded for a lucky training. Both draw the same
architectures, and a difference is M's worth minus T's.

The interval resamples architectures, the unit that limits the table; a replay within a resampled band is averaged, not
counted. The ceiling of rank agreement is the tau of two seeds of the training on all tasks: where that of one task with
all tasks is as high, choosing by one task cannot lose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from into_docs import grid
from scipy.stats import kendalltau

ALL, BANDS, TRIALS, DRAWS = "all", 3, 12, 1000


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


def lost(table: Table, task: str, rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """(draws,): M's worth minus T's, each the mean over bands of a table whose architectures are drawn anew."""
    n, seeds = table.judged.shape
    outcomes = []
    for _ in range(draws):
        per_band = []
        for band in np.array_split(np.arange(n), BANDS):
            drawn = rng.choice(band, size=len(band))
            tried = rng.permuted(np.tile(drawn, (seeds, 1)), axis=1)[:, : min(TRIALS, len(band))]
            for seed in range(seeds):
                at, other = tried[seed], (seed + 1) % seeds
                chosen = [at[table.searched[by][at, seed].argmax()] for by in (ALL, task)]
                per_band.append(table.judged[chosen[0], other] - table.judged[chosen[1], other])
        outcomes.append(np.mean(per_band))
    return np.array(outcomes)


def agreement(table: Table, task: str) -> float:
    """Mean over bands and seeds of Kendall's tau: quality of one seed on `task` with that of another on all tasks."""
    seeds = table.judged.shape[1]
    taus = [
        kendalltau(table.searched[task][band, seed], table.searched[ALL][band, (seed + 1) % seeds]).statistic
        for band in np.array_split(np.arange(len(table)), BANDS)
        for seed in range(seeds)
    ]
    return float(np.nanmean(taus))


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table a world."""
    text = []
    for world in dict.fromkeys(row["world"] for row in rows):
        table = Table(rows, world)
        if len(table) < 4 * BANDS or table.judged.shape[1] < 2:
            text.append(f"{world}: {len(table)} architectures are complete, too few to say anything.")
            continue
        rng = np.random.default_rng(0)
        lines, all_lost = [], {}
        for task in table.tasks:
            all_lost[task] = lost(table, task, rng)
            lines.append([task, f"{agreement(table, task):.2f}", _interval(all_lost[task])])
        lines.append(["mean of the tasks", "", _interval(np.mean(list(all_lost.values()), axis=0))])
        lines.append(["all tasks, another seed (ceiling)", f"{agreement(table, ALL):.2f}", ""])
        heads = ["searched on", "tau with all tasks, same latency", "quality lost against a search on all tasks"]
        text.append(f"**{world}**, {len(table)} architectures:\n\n" + grid(heads, lines))
    return "\n\n".join(text)


def _interval(values: np.ndarray) -> str:
    low, high = np.percentile(values, (2.5, 97.5))
    text = f"{values.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"**{text}**" if low > 0 or high < 0 else text
