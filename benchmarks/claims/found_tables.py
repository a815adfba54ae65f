"""S5's statistics: what networks on a front have in common, what a flipped choice costs, and regret on other devices.

A choice is compared at equal latency. Every winner is set beside the random networks whose latency lies within 3 % of
its own; the winners' mean of a statistic is compared with that of 10,000 draws of one network from each winner's
neighbours. So fast networks are not called narrow only because they are fast. Example: three winners of 4, 5 and 8 ms
have half the image; of their neighbours 60, 50 and 10 % have it. Draws agree in 3 % of all cases: that is the p value.

The winners must be as independent as random ones would be: the front of a table in which every network has its score,
or one network a search, because networks of one search descend from each other. Statistics that put all networks in
the same order are one choice, and one test. A stage that is not there has depth 0 and no kernel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from claims.estimates import Estimate, holm
from into_docs import grid
from scipy import stats

from ednas_nni.nn.blocks.base import operation
from ednas_nni.study import pareto

EQUAL, DRAWS, FEWEST = 0.03, 10_000, 10
"""Share of the latency that is equal; draws; neighbours without which a winner is not compared."""
Columns = dict[str, np.ndarray]
"""Statistic -> (networks,), NaN where a network has none."""


def statistics(active: Mapping[str, Any]) -> dict[str, float]:
    """What one network chose, as numbers: means over a stage's blocks, and over the heads."""
    listed: dict[str, list[float]] = {}
    for label, chosen in active.items():
        if found := re.fullmatch(r"(stage\d+)_block\d+_op", label):
            block: Any = operation(chosen)
            of = {"Fused-IBN": block.fused, "kernel": block.kernel, "expansion": block.expansion}
            named = {f"{found[1]} {name}": value for name, value in of.items()}
        elif label.endswith("_sharing"):
            stage = int(chosen[-1]) if chosen.startswith("own_stage") else {"own_fusion": 10, "shared": 11}[chosen]
            named = {f"{label.split('_')[0]} leaves the trunk at": stage}
        elif label.endswith(("_head", "_head_width")):
            named = {"heads width": chosen} if label.endswith("width") else {"heads conv": chosen == "conv"}
        elif re.match(r".+_stage\d+_", label):  # of a task's own branch
            continue
        else:
            named = {"fusion aspp": chosen == "aspp"} if label == "fusion" else {label.replace("_", " "): float(chosen)}
        for name, value in named.items():
            listed.setdefault(name, []).append(value)
    return {name: float(np.mean(of)) for name, of in listed.items()}


def columns(samples: Sequence[Mapping[str, Any]]) -> Columns:
    """Statistics of all networks in which they differ, named after all that they stand for."""
    rows = [statistics(sample) for sample in samples]
    alike: dict[bytes, tuple[list[str], np.ndarray]] = {}
    for name in sorted({name for row in rows for name in row}):
        values = np.array([row.get(name, 0.0 if name.endswith("depth") else np.nan) for row in rows])
        order = np.unique(values, return_inverse=True)[1]
        if order.any():
            alike.setdefault(order.tobytes(), ([], values))[0].append(name)
    return {" = ".join(names): values for names, values in alike.values()}


def against_random(
    every: Columns, latency: np.ndarray, winners: np.ndarray, pool: np.ndarray, draws: int = DRAWS, equal: float = EQUAL
) -> tuple[dict[str, tuple[float, float, float]], int]:
    """Compare winners with random networks of equal latency, which winners may be among.

    Returns:
        Statistic -> mean of the winners, of random networks, p (two-sided, not corrected); winners with neighbours.
    """
    near = {i: pool[np.abs(latency[pool] / latency[i] - 1) <= equal] for i in winners}
    near = {i: of for i, of in near.items() if len(of) >= FEWEST}
    if not near:
        return {}, 0
    rng, kept = np.random.default_rng(0), np.array(list(near))
    drawn = np.stack([rng.choice(of, size=draws) for of in near.values()], axis=1)
    compared = {}
    for name, values in every.items():
        if np.isnan(values[kept]).all():
            continue
        own = float(np.nanmean(values[kept]))

        def mean(of: np.ndarray, axis: int, own: float = own) -> np.ndarray:  # a draw without any says nothing
            there = ~np.isnan(of)
            return np.where(there.any(axis), np.nansum(of, axis) / np.maximum(there.sum(axis), 1), own)

        null = values[drawn]
        tested = stats.monte_carlo_test(
            values[kept], lambda size, null=null: null, mean, vectorized=True, n_resamples=draws
        )
        compared[name] = (own, float(np.nanmean(null)), float(min(1, tested.pvalue)))
    return compared, len(kept)


def front(quality: np.ndarray, latency: np.ndarray) -> np.ndarray:
    """Indices of the networks that no other one beats, fastest first."""
    best = pareto.front(np.column_stack([quality, latency]), ("max", "min"))
    return best[np.argsort(latency[best])]


def regret(
    of: Sequence[int], on: np.ndarray, chosen: np.ndarray, judged: np.ndarray, latency: np.ndarray
) -> tuple[float, float]:
    """What networks lose on a device that has the front `on`, chosen by one quality and judged by another.

    Returns:
        Mean quality below that of the front's best network of no more latency; geometric mean of how many times the
        latency of the front's fastest network of no less quality.
    """
    lost, slower = [], []
    for network in of:
        affordable = on[latency[on] <= latency[network]]
        lost.append(judged[affordable[chosen[affordable].argmax()]] - judged[network])
        slower.append(np.log(latency[network] / latency[on[chosen[on] >= chosen[network]]].min()))
    return float(np.mean(lost)), float(np.exp(np.mean(slower)))


def losses(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Estimate, float]]:
    """Flip -> quality of the winner minus that of the flipped network, on `select`, with interval and corrected p.

    The noise of a training is pooled over all networks: two seeds of one say little. Losses share the winner's own.
    """
    scores: dict[str, list[float]] = {}
    for row in rows:
        if row["seed"] is not None:
            scores.setdefault(row["flip"], []).append(row["select"]["quality"])
    scores = {flip: of for flip, of in scores.items() if len(of) > 1}
    if len(scores) < 2 or "" not in scores:
        return {}
    freedom = sum(len(of) - 1 for of in scores.values())
    noise = sum(np.var(of) * len(of) for of in scores.values()) / freedom
    own, result, p = scores.pop(""), {}, []
    for flip, of in scores.items():
        loss, error = float(np.mean(own) - np.mean(of)), float(np.sqrt(noise * (1 / len(own) + 1 / len(of))))
        reach = float(stats.t.ppf(0.975, freedom)) * error
        result[flip] = Estimate(loss, loss - reach, loss + reach)
        p.append(2 * float(stats.t.sf(abs(loss) / error, freedom)))
    return {flip: (loss, one) for (flip, loss), one in zip(result.items(), holm(p), strict=True)}


def significant(choices: Mapping[str, Sequence[float]]) -> list[str]:
    """Statistics that differ, of what `against_random` says."""
    return [name for name, p in zip(choices, holm([p for *_, p in choices.values()]), strict=True) if p < 0.05]


def in_words(sources: Sequence[Mapping[str, Any]]) -> str:
    """What docs/results.md says of the inherited scores."""
    choices, lost = sources[0]["choices"], sources[0]["regret"]
    every = [{name: of[name][0] > of[name][1] for name in significant(of)} for of in choices.values()]
    shared = [name for name, more in every[0].items() if all(of.get(name) == more for of in every)]
    listed = ", ".join(f"{'more' if every[0][name] else 'less'} {name}" for name in sorted(shared))
    slowest = max(factor for device in choices for _, factor in lost[device])
    text = f"inherited scores, {len(choices)} devices: all fronts have {listed} than random networks of "
    return text + f"equal latency; another device's front takes up to {slowest:.2f} times the latency"


def report(sources: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> str:
    """Tables of all sources, then of the flips."""
    text = []
    for of in sources:
        cells: dict[str, list[str]] = {}
        for place, choices in enumerate(of["choices"].values()):
            for name, (own, random, _) in choices.items():
                shown = bold(f"{own:.2f} / {random:.2f}", name in significant(choices))
                cells.setdefault(name, [""] * len(of["choices"]))[place] = shown
        heads = [f"{device}, {of['compared'][device]} of {of['winners'][device]}" for device in of["choices"]]
        text.append(f"**{of['title']}**, and random ones of equal latency; bold where p < .05 (Holm):")
        text.append(grid(["mean", *heads], [[name, *row] for name, row in sorted(cells.items())]))
        if of["regret"]:
            lines = [[by, *(f"{lost:.4f}, {factor:.2f}x" for lost, factor in to)] for by, to in of["regret"].items()]
            text.append("Quality lost at equal latency, and latency at equal quality, against the device's front:")
            text.append(grid(["networks of the front of", *(f"on {device}" for device in of["choices"])], lines))
    for world in dict.fromkeys(row["world"] for row in rows):
        here = [row for row in rows if row["world"] == world]
        lines = [
            [flip, bold(f"{loss.value:+.3f} [{loss.low:+.3f}, {loss.high:+.3f}]", p < 0.05)]
            for flip, (loss, p) in losses(here).items()
        ]
        lines += [[row["flip"], "no widths give it this latency"] for row in here if row["seed"] is None]
        text.append(f"**{world}**, choices of {here[0]['winner']} flipped alone, latency matched again by widths:")
        text.append(grid(["flip", "loss of quality; bold where p < .05 (Holm)"], lines))
    return "\n\n".join(text)


def bold(text: str, sure: bool) -> str:
    return f"**{text}**" if sure else text
