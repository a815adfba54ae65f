"""Each claim of PROTOCOL.md as held, not shown or refuted, from the rows that its scripts have written.

python benchmarks/results_page.py puts it into docs/results.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from claims import depth_loss_tables, found_tables, prior_tables, transfer_replay, transfer_winners
from claims.depth_losses import SEEDS, fresh
from claims.estimates import Estimate, paired_change
from into_docs import grid
from rows import rows_of

RESULTS = Path(__file__).resolve().parents[1] / "results"
CONFIRMING = ("streets", "nyuv2")
GUARD = 2.0
"""By how many percent of its value a guard may be worse."""
LIGHTER = {
    part: {world: len(fresh(part, SEEDS[world])) for world in CONFIRMING}
    for part in ("jared x 0.5 again", "jared x 0.5 repeated")
}
"""Parts of S4 that try JAReD at half the weight, and how many seeds each world has."""
Row = Mapping[str, Any]


def word(
    intervals: Mapping[str, Sequence[Estimate]], bar: float, against: Mapping[str, Sequence[Estimate]] | None = None
) -> str:
    """The protocol's word of a claim that its figures lie below a bar.

    Args:
        intervals: World -> an interval of each figure; worlds that were not measured, or not to their end, are absent.
        bar: What the claim says they lie below.
        against: Those that can refute it, in every world; all by default. Where they all lie below the bar in one
            world, nothing is refuted.
    """
    here = {world: intervals[world] for world in CONFIRMING if world in intervals}
    if not here:
        return "not measured"
    if len(here) == len(CONFIRMING) and all(e.high < bar for of in here.values() for e in of):
        return "**held**"
    if missing := sorted(set(CONFIRMING) - set(here)):
        return f"not shown; {', '.join(missing)} not measured"
    refuting = [(against or intervals)[world] for world in CONFIRMING]
    on_the_claimed_side = any(all(e.high < bar for e in of) for of in refuting)
    return "**refuted**" if any(e.low > bar for of in refuting for e in of) and not on_the_claimed_side else "not shown"


def depth_loss(rows: Sequence[Row]) -> list[list[str]]:
    """S4: less noise, and no less accuracy."""
    noise: dict[str, list[Estimate]] = {}
    guards: dict[str, list[Estimate]] = {}
    texts: list[str] = []
    costs: list[str] = []
    for world in CONFIRMING:
        l1, jared, n = depth_loss_tables.paired(
            [row for row in rows if row["world"] == world and row["part"] == "primary"], "jared"
        )
        if n < 3:
            continue
        name = "depth_rel_error"
        within, p_within = depth_loss_tables.ratio(
            depth_loss_tables.scatter(l1[name]), depth_loss_tables.scatter(jared[name])
        )
        seeds, p_seeds = depth_loss_tables.between(l1[name][:, -1], jared[name][:, -1])
        noise[world] = decided([within, seeds], [p_within, p_seeds], 1.0)
        texts.append(f"{world}, {n} seeds: in a run {interval(within)}, between seeds {interval(seeds)}")
        worse = []
        for metric in depth_loss_tables.NOISY:
            change = paired_change(l1[metric][:, -1], jared[metric][:, -1])
            sign = -1 if metric == "segmentation_miou" else 1
            ends = sorted(sign * end for end in (change.low, change.high))
            worse.append(Estimate(sign * change.value, *ends))
        guards[world] = worse
        named = [
            f"{depth_loss_tables.SHORT[m]} {w.value:+.1f}" for m, w in zip(depth_loss_tables.NOISY, worse, strict=True)
        ]
        costs.append(f"{world}: {', '.join(named)} % worse")
    return [
        ["S4: JAReD is less noisy than l1 (RelE, ratio of scatter below 1)", word(noise, 1), "; ".join(texts)],
        [f"S4: at no price (no metric worse by {GUARD:g} %)", word(guards, GUARD), "; ".join(costs)],
        *(lighter(rows, part) for part in LIGHTER),
    ]


def lighter(rows: Sequence[Row], part: str) -> list[str]:
    """S4: what JAReD with half its weight does, which other losses had suggested."""
    named = f"S4: JAReD at half the weight is less noisy and more accurate than l1 (`{part}`)"
    of = depth_loss_tables.tried_again(rows, part, LIGHTER[part])
    if of is None:
        return [named, "not measured", ""]
    tests, _ = of
    figures = [e if name == "noise" else Estimate(-e.value, -e.high, -e.low) for name, (e, _) in tests.items()]
    noise, p = tests["noise"][0], [p for _, p in tests.values()]
    times = Estimate(*(float(np.exp(end)) for end in (noise.value, noise.low, noise.high)))
    texts = [f"RelE, scatter in a run, both worlds: {interval(times)}"]
    texts += [f"{w}, {n} seeds: delta_T {interval(tests[w][0], '+.1f')} points" for w, n in LIGHTER[part].items()]
    others, errors = depth_loss_tables.tried_again(rows, part, LIGHTER[part], "jared") or ({}, {})
    gains = [f"{world} {interval(others[world][0], '+.1f')}" for world in CONFIRMING if others]
    worse = [f"{depth_loss_tables.SHORT[m]} {interval(e, '+.1f')} %" for m, e in errors.items()]
    texts += [f"against jared: delta_T {', '.join(gains)}; both worlds {', '.join(worse)}"] if others else []
    return [named, word(dict.fromkeys(CONFIRMING, decided(figures, p, 0.0)), 0), "; ".join(texts)]


def transfer(rows: Sequence[Row]) -> list[str]:
    """S2, step 2: quality of transferred searches' winners minus that of searches on all tasks."""
    intervals, texts = {}, []
    for world in CONFIRMING:
        of = transfer_winners.worth(rows, world)
        n = len(of.get(transfer_winners.ALL, ()))
        if n < transfer_winners.PLANNED:
            texts += [f"{world}: {n} of {transfer_winners.PLANNED} searches complete"] if n else []
            continue
        tests = [transfer_winners.difference(-values) for values in transfer_winners.primary(of).values()]
        intervals[world] = decided([gained for gained, *_ in tests], [p for _, p, _ in tests], 0.0)
        best, middle = (interval(gained, "+.3f") for gained, *_ in tests)
        texts.append(f"{world}, {n} searches: best of the transferred {best}, their mean {middle}")
    return [
        "S2: one search on all tasks beats transferred searches (difference of quality below 0)",
        word(intervals, 0, {world: [middle] for world, (_, middle) in intervals.items()}),
        "; ".join(texts),
    ]


def replayed(rows: Sequence[Row]) -> list[str]:
    """S2, step 1: the same from searches replayed on a table of trainings, mean over the tasks."""
    intervals, texts = {}, []
    for world in CONFIRMING:
        table = transfer_replay.Table(rows, world)
        if len(table) < transfer_replay.PLANNED or table.judged.shape[1] < 2:
            texts += [f"{world}: {len(table)} of {transfer_replay.PLANNED} architectures"] if len(table) else []
            continue
        lost = np.mean([transfer_replay.lost(table, task) for task in table.tasks], axis=0)
        low, high = np.percentile(-lost[1:], (2.5, 97.5))
        intervals[world] = [Estimate(float(-lost[0]), float(low), float(high))]
        texts.append(f"{world}, {len(table)} architectures: {interval(intervals[world][0], '+.3f')}")
    return ["S2: the same, replayed on a table of trainings", word(intervals, 0), "; ".join(texts)]


def decided(estimates: Sequence[Estimate], p: Sequence[float], bar: float) -> list[Estimate]:
    """The protocol's tests decide: an interval whose test does not pass, by Holm, is stretched to the bar."""
    return [
        e if sure < 0.05 else Estimate(e.value, min(e.low, bar), max(e.high, bar))
        for e, sure in zip(estimates, depth_loss_tables.holm(p), strict=True)
    ]


def prior(rows: Sequence[Row]) -> list[str]:
    """S3: MACs of the front of found networks over those of earlier ones, at equal delta_T."""
    intervals, texts = {}, []
    for world in CONFIRMING:
        here = prior_tables.complete(rows, world)
        if prior_tables.finished(here):
            whole, each = prior_tables.ratios(here)
            intervals[world] = [whole]
            texts.append(f"{world}: {interval(whole)}, {sum(map(np.isfinite, each.values()))} of {len(each)} reached")
        elif trained := sum(row["world"] == world for row in rows):
            texts.append(f"{world}: {trained} trainings, too few")
    return ["S3: earlier networks at a tenth of the MACs (ratio below 0.1)", word(intervals, 0.1), "; ".join(texts)]


def looks(figures: Path) -> list[str]:
    """S5: what the fronts by inherited scores share."""
    named = "S5: what the networks look like"
    if not figures.exists():
        return [named, "no claim to be held; not measured", ""]
    sources = json.loads(figures.read_text(encoding="utf-8"))["sources"]
    return [named, "no claim to be held; exploratory", found_tables.in_words(sources)]


def core_hours(rows: Sequence[Row]) -> str:
    """What the rows took on one core, or on the graphics card that a row says it was trained on."""
    seconds = sum(row.get("seconds", 0.0) for row in rows)
    return f"{seconds / 3600:.1f}" if seconds else ""


def table(results: Path = RESULTS) -> str:
    """Claim, word, figures, script, core hours."""
    lines = []
    for script, claims in CLAIMS.items():
        rows = rows_of(results / f"{script}.jsonl")
        lines += [[*line, f"`{script}.py`", core_hours(rows)] for line in claims(rows)]
    looked = rows_of(results / "found_networks.jsonl")
    lines.append([*looks(results / "found_networks.json"), "`found_networks.py`", core_hours(looked)])
    return grid(["claim", "outcome", "figures, 95 %", "script", "core hours"], lines)


def beside_the_paper(rows: Sequence[Row]) -> str:
    """The paper's four public figures, the nearest ones here, and why they say nothing of each other."""
    jared = [row for row in rows if (row["world"], row["part"], row["arm"]) == ("nyuv2", "primary", "jared")]
    here = {
        name: np.mean([row["curves"][name][-1] for row in jared]) for name in ("segmentation_miou", "normals_mean_deg")
    }
    small = f"`mobilenet_v2_small` after 600 steps on 600 frames of 96 x 128, 13 classes, n = {len(jared)}"
    lines = [
        ["CityScapes, mIoU, %", "46.52", "not at hand", "its images may not be passed on"],
        ["CityScapes, absolute error", "0.0143", "not at hand", "as above; its unit is not public"],
        ["NYUv2, mIoU, %", "22.1", f"{100 * here['segmentation_miou']:.1f}", f"{small}; theirs probably 40 classes"],
        ["NYUv2, mean angle, degrees", "12.6", f"{here['normals_mean_deg']:.1f}", "as above; normals from depth"],
    ]
    return grid(["figure", "paper", "here", "why they cannot be compared"], lines)


def interval(of: Estimate, digits: str = ".2f") -> str:
    return f"{of.value:{digits}} [{of.low:{digits}}, {of.high:{digits}}]"


CLAIMS: dict[str, Callable[[Sequence[Row]], list[list[str]]]] = {
    "transfer_searches": lambda rows: [transfer(rows)],
    "transfer_table": lambda rows: [replayed(rows)],
    "prior_networks": lambda rows: [prior(rows)],
    "depth_losses": depth_loss,
}
"""Script, whose rows have its name -> what is claimed of them."""
