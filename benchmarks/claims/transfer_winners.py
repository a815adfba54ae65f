"""What the winners of S2's searches reach on `test`: a search on all tasks minus searches on one, paired by search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from claims.estimates import Estimate, holm, mean_of
from into_docs import grid
from scipy import stats

ALL, OTHERS, FRESH = "all", {"random": "random search", "hand": "MobileNetV2 by hand"}, 2
PLANNED = 8
"""Searches an arm; no table is shown, and nothing decided, before all are there."""
Row = Mapping[str, Any]


def runs(rows: Sequence[Row], world: str) -> dict[str, np.ndarray]:
    """Arm -> (searches, 2): quality on `test` of its winner's trainings, of searches with all arms.

    A search that diverged has no winner, and counts with the quality of the prior, 0.
    """
    here = [row for row in rows if row["world"] == world]
    tested = {(row["architecture"], row["seed"]): row["test"]["quality"] for row in here if "test" in row}
    searched: dict[int, dict[str, list[float]]] = {}
    for row in (row for row in here if "arm" in row):
        seeds = range(row["seed"] + 1, row["seed"] + 1 + FRESH)
        if "failed" in row:
            searched.setdefault(row["seed"], {})[row["arm"]] = [0.0] * FRESH
        elif all((row["architecture"], seed) in tested for seed in seeds):
            qualities = [tested[row["architecture"], seed] for seed in seeds]
            searched.setdefault(row["seed"], {})[row["arm"]] = qualities
    arms = sorted({arm for one in searched.values() for arm in one})
    complete = [one for _, one in sorted(searched.items()) if len(one) == len(arms)]
    return {arm: np.array([one[arm] for one in complete]).reshape(-1, FRESH) for arm in arms}


def worth(rows: Sequence[Row], world: str) -> dict[str, np.ndarray]:
    """Arm -> (searches,): quality on `test`, the mean of its winner's trainings; of searches with all arms."""
    return {arm: values.mean(axis=1) for arm, values in runs(rows, world).items()}


def difference(values: np.ndarray) -> tuple[Estimate, float, float]:
    """Mean with Student's t interval, p value, and the smallest mean that power .8 would have shown."""
    freedom = len(values) - 1
    detectable = float((stats.t.ppf(0.975, freedom) + stats.t.ppf(0.8, freedom)) * stats.sem(values))
    return *mean_of(values), detectable


def primary(of: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The two primary differences, (searches,): to the best transfer of each search, and to the mean of all."""
    transferred = np.array([values for arm, values in of.items() if arm != ALL and arm not in OTHERS])
    return {
        "the best of the transferred, an oracle": of[ALL] - transferred.max(axis=0),
        "the mean of the transferred": of[ALL] - transferred.mean(axis=0),
    }


def crossed(of: Mapping[str, np.ndarray]) -> np.ndarray:
    """(searches,): M minus the transfer that is best by one training, both by the other training; of `runs`.

    The luck of a training is then no part of the best, but it is still the best of three searches.
    """
    transferred = np.array([values for arm, values in of.items() if arm != ALL and arm not in OTHERS])
    ways = []
    for judge in range(FRESH):
        chosen = transferred[:, :, (judge + 1) % FRESH].argmax(axis=0)
        ways.append(of[ALL][:, judge] - transferred[chosen, np.arange(len(chosen)), judge])
    return np.asarray(np.mean(ways, axis=0))


def report(rows: Sequence[Row]) -> str:
    """A table a world."""
    text = []
    for world in dict.fromkeys(row["world"] for row in rows):
        of = worth(rows, world)
        n = len(of.get(ALL, ()))
        if n < PLANNED:
            text.append(f"{world}: {n} of {PLANNED} searches are complete in all arms, too few to say anything.")
            continue
        tests = primary(of)
        adjusted = dict(zip(tests, holm([difference(values)[1] for values in tests.values()]), strict=True))
        every = {
            **tests, "the same, chosen by one training and judged by the other": crossed(runs(rows, world)),
            **{f"`{arm}`": of[ALL] - of[arm] for arm in of if arm != ALL and arm not in OTHERS},
            **{OTHERS[arm]: of[ALL] - of[arm] for arm in OTHERS if arm in of},
        }  # fmt: skip
        lines = []
        for name, values in every.items():
            gained, _, detectable = difference(values)
            shown = f"{gained.value:+.3f} [{gained.low:+.3f}, {gained.high:+.3f}]"
            cell = f"{adjusted[name]:.3f}" if name in adjusted else ""
            lines.append([name, f"**{shown}**" if gained.excludes_zero else shown, cell, f"{detectable:.3f}"])
        heads = ["quality of one search on all tasks minus", "mean", "p, Holm", "would have been shown"]
        levels = ", ".join(f"{arm} {values.mean():.3f}" for arm, values in of.items())
        text.append(f"**{world}**, {n} searches an arm ({levels}):\n\n{grid(heads, lines)}")
    return "\n\n".join(text)
