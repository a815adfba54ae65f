"""The table of S3 from the rows of prior_networks.py: what earlier networks need for the delta_T of found ones.

Every seed of `searched` is a search of its own, whose finished networks give a front of delta_T over MACs: those that
no cheaper one of the search reaches on `select`, with what they have on `test`; where that falls from one to the next,
both have their mean (isotonic regression). Between its points it is straight. For the delta_T of an earlier network
the front says how many MACs would have done; that over the network's own is its ratio. Example: a front through (10 M,
-4 %) and (30 M, +2 %) needs 20 M for -1 %; a network of 200 M with -1 % has the ratio 0.1. A network that is worse than
the front's cheapest is given that one; one that no network of the front reaches has no ratio, and is counted.

delta_T is against `separate_networks` at its middle width, a network for each task. Seeds are drawn anew, of searches
and of earlier networks, for the interval of the geometric mean over the networks that are reached; a draw in which one
of them is not is infinite. A network whose seeds differ in cost (AdaShare's policies) has the geometric mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from claims.estimates import Estimate
from claims.prior_latency import COST, LATENCIES, beside
from claims.prior_networks import STOPS
from into_docs import grid
from rows import rows_of
from scipy import stats
from scipy.optimize import isotonic_regression

from ednas_nni.tasks.delta_t import delta_t

DIRECTIONS = {
    "segmentation": {"miou": "max"},
    "depth": {"abs_error_m": "min", "rel_error": "min"},
    "normals": {"mean_deg": "min"},
}
SEARCHED, SINGLE, DRAWS = "searched", "separate_networks", 10_000
PLANNED = {"searches": 5, "networks": 9 * 3, "trainings": 2}
"""Of the first budget: searches, earlier networks (nine at three widths), and trainings of each of these."""
Row = Mapping[str, Any]
Front = tuple[np.ndarray, np.ndarray]
"""MACs and delta_T, both rising."""


def directions(rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    """Of the tasks that the rows' world has."""
    tasks = {name.split("_")[0] for row in rows for name in row["scores"]}
    return {task: of for task, of in DIRECTIONS.items() if task in tasks}


def metrics(row: Row, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, float]]:
    """Task -> metric -> value."""
    return {task: {name: row["scores"][f"{task}_{name}"] for name in of} for task, of in wanted.items()}


def middle_width(rows: Sequence[Row]) -> float:
    widths = sorted({row["width"] for row in rows if row["network"] == SINGLE})
    return widths[len(widths) // 2]


def front(points: Sequence[tuple[float, float, float]]) -> Front:
    """Of (MACs, quality on `select`, delta_T on `test`): those that nothing cheaper reaches on `select`."""
    kept: list[tuple[float, float, float]] = []
    for point in sorted(points):
        if not kept or point[1] > kept[-1][1]:
            kept.append(point)
    rising = isotonic_regression([gain for *_, gain in kept]).x
    first = np.unique(rising, return_index=True)[1]  # of those with one mean the cheapest
    return np.array([macs for macs, *_ in kept])[first], rising[first]


def needed(of: Front, gain: float | np.ndarray) -> np.ndarray:
    """MACs at which a front has a delta_T; infinite where it never has."""
    costs, gained = of
    return np.where(np.asarray(gain) > gained[-1], np.inf, np.interp(gain, gained, costs))


def gains(rows: Sequence[Row]) -> list[tuple[Row, float]]:
    """Each row with its delta_T; [] of no rows. One that diverged has the metrics of the position prior."""
    wanted = directions(rows)
    single = [metrics(row, wanted) for row in rows if row["network"] == SINGLE and row["width"] == middle_width(rows)]
    base = {
        task: {name: float(np.mean([one[task][name] for one in single])) for name in of} for task, of in wanted.items()
    }
    return [(row, delta_t(metrics(row, wanted), base, wanted)) for row in rows]


def wider(drawn: np.ndarray) -> np.ndarray:
    """Means of (1 + draws, n), the first of all n: as far from it as means of n spread, which draws from n do not."""
    means, n = drawn.mean(1), drawn.shape[1]
    return means[0] + (means - means[0]) * np.sqrt(n / max(n - 1, 1))


def ratios(rows: Sequence[Row], cost: str = "macs", seed: int = 0) -> tuple[Estimate, dict[tuple[str, float], float]]:
    """Geometric mean of the networks' ratios with its interval, and each network's (infinite where not reached).

    The interval is Student's over the searches' mean logarithms; the variance of the earlier networks' trainings, by
    resampling them, is added.
    """
    searches: dict[int, list[tuple[float, float, float]]] = {}
    networks: dict[tuple[str, float], list[tuple[float, float]]] = {}
    for row, gain in gains(rows):
        if row["network"] == SEARCHED:
            point = (row["costs"].get(cost, np.inf), row["select"]["quality"], gain)  # none: the search failed
            searches.setdefault(row["seed"], []).append(point)
        else:
            networks.setdefault((row["network"], row["width"]), []).append((row["costs"][cost], gain))
    fronts = [front(points) for points in searches.values()]
    rng = np.random.default_rng(seed)

    def drawn(n: int) -> np.ndarray:
        """(1 + draws, n): all of them, then drawn anew."""
        return np.vstack([np.arange(n), rng.integers(n, size=(DRAWS, n))])

    logs = {}
    for name, points in networks.items():
        of, (macs, gained) = drawn(len(points)), np.array(points).T
        logs[name] = np.log([needed(front, wider(gained[of])) for front in fronts]) - wider(np.log(macs)[of])
    each = {name: float(np.exp(of[:, 0].mean())) for name, of in logs.items()}
    reached = [name for name, ratio in each.items() if np.isfinite(ratio)]
    if not reached:
        return Estimate(*[float("nan")] * 3), each
    means = np.mean([logs[name] for name in reached], axis=0)  # (searches, 1 + draws)
    middle, n = means[:, 0].mean(), len(fronts)
    if n < 2:
        return Estimate(float(np.exp(middle)), 0.0, float("inf")), each
    again = means[:, 1:].mean(0)
    finite = again[np.isfinite(again)]
    spread = finite.var() if len(finite) > 0.975 * DRAWS else np.inf  # of fronts that hardly reach them
    half = stats.t.ppf(0.975, n - 1) * np.sqrt(means[:, 0].var(ddof=1) / n + spread)
    return Estimate(*np.exp([middle, middle - half, middle + half]).tolist()), each


def complete(rows: Sequence[Row], world: str, stops: bool = False) -> list[Row]:
    """Rows of `test` of a world, of one of the two budgets; [] without searches, or single tasks to compare with."""
    here = [row for row in rows if row["world"] == world and row["split"] == "test"]
    here = [row for row in here if (row["steps"] == STOPS) == stops]
    once = {(row["network"], row["width"], row["seed"]): row for row in here}  # whatever ran twice
    here = list(once.values())
    return here if {SEARCHED, SINGLE} <= {row["network"] for row in here} else []


def finished(here: Sequence[Row]) -> bool:
    """Whether all searches and all trainings of all earlier networks are there."""
    searches = {row["seed"] for row in here if row["network"] == SEARCHED}
    trained = Counter((row["network"], row["width"]) for row in here if row["network"] != SEARCHED)
    enough = sum(n >= PLANNED["trainings"] for n in trained.values())
    return len(searches) >= PLANNED["searches"] and enough >= PLANNED["networks"]


def tables(rows: Sequence[Row], latencies: Sequence[Row] | None = None) -> str:
    """A table a world and budget: networks, their costs, and the ratio of what the front needs to what they need.

    With the measured `latencies` (those of prior_latency.py by default) of all of them, also the ratio of milliseconds.
    """
    text, latencies = [], rows_of(LATENCIES) if latencies is None else latencies
    for world in dict.fromkeys(row["world"] for row in rows):
        if not complete(rows, world):
            text.append(f"{world}: searches or single-task networks are missing.")
        for stops in (False, True):
            if here := complete(rows, world, stops):
                budget = "each until it stops improving" if stops else "equal images"
                timed = beside(here, latencies)
                said = (
                    f" Of milliseconds on a processor (`litert_cpu`): {interval(ratios(timed, COST)[0])}."
                    if timed
                    else ""
                )
                text.append(f"**{world}, {budget}**\n\n{_table(here)}{said}")
    return "\n\n".join(text)


def _table(here: Sequence[Row]) -> str:
    whole, each = ratios(here)
    encoder, of_encoder = ratios(here, "encoder_macs")
    lines = []
    for (network, width), ratio in each.items():
        of = [row for row in here if row["network"] == network and row["width"] == width]
        quality, images = np.mean([row["scores"]["quality"] for row in of]), np.mean([row["images"] for row in of])
        macs, params = (np.mean([row["costs"][name] for row in of]) / 1e6 for name in ("macs", "params"))
        cells = [f"{macs:.0f}", f"{params:.2f}", f"{quality:.3f}"]
        of_both = [f"{r:.2f}" if np.isfinite(r) else "not reached" for r in (ratio, of_encoder[network, width])]
        lines.append([f"{network}, width {width:g}", str(len(of)), f"{images:,.0f}", *cells, *of_both])
    heads = [
        "network",
        "seeds",
        "images",
        "MMACs",
        "M parameters",
        "quality",
        "ratio of MACs",
        "of the encoder's alone",
    ]
    searches = [row for row in here if row["network"] == SEARCHED]
    cost = f"{sum(row['seconds'] for row in searches) / 3600:.1f} core hours for {len({r['seed'] for r in searches})}"
    cost += f" searches, {np.mean([row['images'] for row in searches]):,.0f} images each"
    said = f"Geometric mean {interval(whole)}; of the encoder's MACs alone {interval(encoder)}. {cost}."
    return f"{grid(heads, lines)}\n\n{said}"


def interval(of: Estimate) -> str:
    return f"{of.value:.2f} [{of.low:.2f}, {of.high:.2f}]"
