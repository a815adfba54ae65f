"""What the winners of S2's searches reach on `test`: a search on all tasks minus searches on one, paired by search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from claims.estimates import Estimate, holm
from into_docs import grid
from scipy import stats

ALL, OTHERS, FRESH, FEWEST = "all", {"random": "random search", "hand": "MobileNetV2 by hand"}, 2, 3
Row = Mapping[str, Any]


def worth(rows: Sequence[Row], world: str) -> dict[str, np.ndarray]:
    """Arm -> (searches,): quality on `test`, the mean of its winner's trainings; of searches with all arms."""
    here = [row for row in rows if row["world"] == world]
    tested = {(row["architecture"], row["seed"]): row["test"]["quality"] for row in here if "test" in row}
    found: dict[int, dict[str, float]] = {}
    for row in here:
        seeds = range(row["seed"] + 1, row["seed"] + 1 + FRESH)
        if "arm" in row and all((row["architecture"], seed) in tested for seed in seeds):
            runs = [tested[row["architecture"], seed] for seed in seeds]
            found.setdefault(row["seed"], {})[row["arm"]] = float(np.mean(runs))
    arms = sorted({arm for one in found.values() for arm in one})
    complete = [one for _, one in sorted(found.items()) if len(one) == len(arms)]
    return {arm: np.array([one[arm] for one in complete]) for arm in arms}


def difference(values: np.ndarray) -> tuple[Estimate, float, float]:
    """Mean with Student's t interval, p value, and the smallest mean that power .8 would have shown."""
    n = len(values)
    error = stats.sem(values)
    reach = stats.t.ppf(0.975, n - 1) * error
    p = float(stats.ttest_1samp(values, 0).pvalue) if error > 0 else float(values.mean() == 0)
    middle = float(values.mean())
    detectable = float((stats.t.ppf(0.975, n - 1) + stats.t.ppf(0.8, n - 1)) * error)
    return Estimate(middle, middle - float(reach), middle + float(reach)), p, detectable


def primary(of: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The two primary differences, (searches,): to the best transfer of each search, and to the mean of all."""
    transferred = np.array([values for arm, values in of.items() if arm != ALL and arm not in OTHERS])
    return {
        "the best of the transferred, an oracle": of[ALL] - transferred.max(axis=0),
        "the mean of the transferred": of[ALL] - transferred.mean(axis=0),
    }


def report(rows: Sequence[Row]) -> str:
    """A table a world."""
    text = []
    for world in dict.fromkeys(row["world"] for row in rows):
        of = worth(rows, world)
        n = len(of.get(ALL, ()))
        if n < FEWEST:
            text.append(f"{world}: {n} searches are complete in all arms, too few to say anything.")
            continue
        tests = primary(of)
        adjusted = dict(zip(tests, holm([difference(values)[1] for values in tests.values()]), strict=True))
        every = {
            **tests, **{f"`{arm}`": of[ALL] - of[arm] for arm in of if arm != ALL and arm not in OTHERS},
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
