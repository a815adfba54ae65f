"""The table of S3 from the rows of prior_networks.py: what earlier networks need for the delta_T of found ones.

Every seed of `searched` is a search of its own, whose finished networks give a front of delta_T over MACs: the best
delta_T that so many MACs buy, straight between its points. For the delta_T of an earlier network the front says how
many MACs would have done; that over the network's own is its ratio. Example: a front through (10 M, -4 %) and (30 M,
+2 %) needs 20 M for -1 %; a network of 200 M with -1 % has the ratio 0.1. A network that is worse than the front's
cheapest is given that one; one that no network of the front reaches has no ratio, and is counted.

delta_T is against `separate_networks` at its middle width, a network for each task. Seeds are drawn anew, of searches
and of earlier networks, for the interval of the geometric mean over networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from claims.estimates import Estimate
from into_docs import grid

from ednas_nni.tasks.delta_t import delta_t

DIRECTIONS = {
    "segmentation": {"miou": "max"},
    "depth": {"abs_error_m": "min", "rel_error": "min"},
    "normals": {"mean_deg": "min"},
}
SEARCHED, SINGLE, DRAWS = "searched", "separate_networks", 2000
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


def front(points: Sequence[tuple[float, float]]) -> Front:
    """Those of (MACs, delta_T) that none with fewer MACs reaches."""
    best: list[tuple[float, float]] = []
    for cost, gain in sorted(points):
        if not best or gain > best[-1][1]:
            best.append((cost, gain))
    costs, gains = zip(*best, strict=True)
    return np.array(costs), np.array(gains)


def needed(of: Front, gain: float) -> float:
    """MACs at which a front has a delta_T; infinite where it never has."""
    costs, gains = of
    return float("inf") if gain > gains[-1] else float(np.interp(gain, gains, costs))


def gains(rows: Sequence[Row]) -> list[tuple[Row, float]]:
    """Each row that did not diverge with its delta_T; [] of no rows."""
    scored = [row for row in rows if "failed" not in row]
    wanted = directions(scored)
    single = [metrics(row, wanted) for row in scored if row["network"] == SINGLE and row["width"] == middle_width(rows)]
    base = {
        task: {name: float(np.mean([one[task][name] for one in single])) for name in of} for task, of in wanted.items()
    }
    return [(row, delta_t(metrics(row, wanted), base, wanted)) for row in scored]


def ratios(rows: Sequence[Row], cost: str = "macs", seed: int = 0) -> tuple[Estimate, dict[tuple[str, float], float]]:
    """Geometric mean of the networks' ratios with its interval, and each network's (infinite where not reached)."""
    searches: dict[int, list[tuple[float, float]]] = {}
    networks: dict[tuple[str, float], list[tuple[float, float]]] = {}
    for row, gain in gains(rows):
        point = (row["costs"][cost], gain)
        if row["network"] == SEARCHED:
            searches.setdefault(row["seed"], []).append(point)
        else:
            networks.setdefault((row["network"], row["width"]), []).append(point)
    fronts = [front(points) for points in searches.values()]
    rng = np.random.default_rng(seed)

    def once(drawn: bool) -> dict[tuple[str, float], float]:
        used = rng.integers(len(fronts), size=len(fronts)) if drawn else range(len(fronts))
        result = {}
        for name, points in networks.items():
            of = rng.integers(len(points), size=len(points)) if drawn else range(len(points))
            gain = float(np.mean([points[i][1] for i in of]))
            with np.errstate(divide="ignore"):
                result[name] = float(np.exp(np.mean([np.log(needed(fronts[i], gain) / points[0][0]) for i in used])))
        return result

    each = once(drawn=False)
    reached = [name for name, ratio in each.items() if np.isfinite(ratio)]
    draws = [[many[name] for name in reached if np.isfinite(many[name])] for many in (once(True) for _ in range(DRAWS))]
    means = [np.exp(np.mean(np.log(finite))) for finite in draws if finite]
    middle = float(np.exp(np.mean([np.log(each[name]) for name in reached]))) if reached else float("nan")
    low, high = np.percentile(means, (2.5, 97.5)) if means else (float("nan"), float("nan"))
    return Estimate(middle, float(low), float(high)), each


def complete(rows: Sequence[Row], world: str, stops: bool = False) -> list[Row]:
    """Rows of `test` of a world, of one of the two budgets; [] without searches, or single tasks to compare with."""
    here = [row for row in rows if row["world"] == world and row["split"] == "test"]
    here = [row for row in here if ("rungs" in row) == stops]
    return here if {SEARCHED, SINGLE} <= {row["network"] for row in here} else []


def tables(rows: Sequence[Row]) -> str:
    """A table a world and budget: networks, their costs, and the ratio of what the front needs to what they need."""
    text = []
    for world in dict.fromkeys(row["world"] for row in rows):
        if not complete(rows, world):
            text.append(f"{world}: searches or single-task networks are missing.")
        for stops in (False, True):
            if here := complete(rows, world, stops):
                budget = "each until it stops improving" if stops else "equal images"
                text.append(f"**{world}, {budget}**\n\n{_table(here)}")
    return "\n\n".join(text)


def _table(here: Sequence[Row]) -> str:
    whole, each = ratios(here)
    encoder, of_encoder = ratios(here, "encoder_macs")
    lines = []
    for (network, width), ratio in each.items():
        of = [row for row in here if row["network"] == network and row["width"] == width]
        quality, images = np.mean([row["scores"]["quality"] for row in of]), np.mean([row["images"] for row in of])
        cells = [f"{of[0]['costs']['macs'] / 1e6:.0f}", f"{of[0]['costs']['params'] / 1e6:.2f}", f"{quality:.3f}"]
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
    said = f"Geometric mean {interval(whole)}; of the encoder's MACs alone {interval(encoder)}."
    return f"{grid(heads, lines)}\n\n{said}"


def interval(of: Estimate) -> str:
    return f"{of.value:.2f} [{of.low:.2f}, {of.high:.2f}]"
