"""The tables of S4 from the trainings of depth_losses.py: scatter within a run and between seeds, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from claims.estimates import Estimate, detrended_variance, holm, mean_of, paired_change
from into_docs import grid
from scipy import stats

LAST = 10
"""Scores at the end of a run, of those at every thirtieth step, whose scatter counts."""
NOISY = ("depth_rel_error", "depth_abs_error_m", "segmentation_miou", "normals_mean_deg")
SHORT = {
    "depth_rel_error": "RelE", "depth_abs_error_m": "AbsE", "segmentation_miou": "mIoU", "normals_mean_deg": "angle",
    "delta_t": "delta_T", "default": "quality",
}  # fmt: skip
Curves = dict[str, np.ndarray]
"""Metric -> (seeds, scores in the order of training)."""


def scatter(curves: np.ndarray) -> np.ndarray:
    """(seeds,): standard deviation of a run's last scores about their line, exactly 0 where they are equal."""
    lasting = [run[-LAST:] for run in curves]
    return np.array([np.ptp(run) and np.sqrt(detrended_variance(run)) for run in lasting])


def ratio(control: np.ndarray, treated: np.ndarray) -> tuple[Estimate, float]:
    """Geometric mean over seeds of treated / control with Student's t interval of the logarithm, and the p value.

    A training that diverged has no scatter (0), and its pair is left out.
    """
    defined = (control > 0) & (treated > 0)
    logs, p = mean_of(np.log(treated[defined] / control[defined]))
    return Estimate(*(float(np.exp(end)) for end in (logs.value, logs.low, logs.high))), p


def between(control: np.ndarray, treated: np.ndarray, draws: int = 10_000) -> tuple[Estimate, float]:
    """Ratio of the standard deviations of last scores between seeds, bootstrapped over seeds; p by Brown-Forsythe."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(control), size=(draws, len(control)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = treated[drawn].std(1, ddof=1) / control[drawn].std(1, ddof=1)
    ends = np.percentile(ratios[np.isfinite(ratios)], (2.5, 97.5))
    value = treated.std(ddof=1) / control.std(ddof=1)
    return Estimate(float(value), *map(float, ends)), float(stats.levene(control, treated, center="median").pvalue)


def detectable(control: np.ndarray, treated: np.ndarray, power: float = 0.8) -> float:
    """The ratio of scatter nearest to 1 that a paired t test of these seeds would have shown with that power."""
    defined = (control > 0) & (treated > 0)
    logs = np.log(treated[defined] / control[defined])
    n = len(logs)
    reach = (stats.t.ppf(0.975, n - 1) + stats.t.ppf(power, n - 1)) * logs.std(ddof=1) / np.sqrt(n)
    return float(np.exp(-reach))


def delta_t(curves: Curves, control: Curves) -> np.ndarray:
    """(seeds, scores): percent against the means of the control's last scores; tasks weigh equally."""
    sign = {name: 1 if name == "segmentation_miou" else -1 for name in NOISY if name in curves}
    gain = {name: way * (curves[name] / control[name][:, -1].mean() - 1) for name, way in sign.items()}
    depth = (gain.pop("depth_rel_error") + gain.pop("depth_abs_error_m")) / 2
    return 100 * np.mean([depth, *gain.values()], axis=0)


def paired(rows: Sequence[Mapping[str, Any]], arm: str, control: str = "l1") -> tuple[Curves, Curves, int]:
    """Curves of two arms over the seeds that both have, delta_T included, and the number of seeds."""
    of = {name: {row["seed"]: row["curves"] for row in rows if row["arm"] == name} for name in (control, arm)}
    seeds = sorted(of[control].keys() & of[arm].keys())
    names = next(iter(of[control].values()), {})
    two = [{name: np.array([of[a][s][name] for s in seeds]) for name in names} for a in (control, arm)]
    if seeds:
        two = [{**curves, "delta_t": delta_t(curves, two[0])} for curves in two]
    return two[0], two[1], len(seeds)


def tables(rows: Sequence[Mapping[str, Any]]) -> str:
    """Everything as Markdown, a world after the other."""
    text = []
    for world in dict.fromkeys(row["world"] for row in rows):
        here = [row for row in rows if row["world"] == world]
        text += [f"**{world}**", primary(here), noise(here), accuracy(here)]
        diverged = [f"{row['arm']} ({row['part']}, seed {row['seed']})" for row in here if row.get("failed")]
        if diverged:
            text.append(f"Diverged, and scored as the position prior: {', '.join(diverged)}.")
    return "\n\n".join(text)


def parts_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, list[Mapping[str, Any]]]]:
    """(part, arm, rows of the part with its control) of every arm but l1; lambda's parts have the primary's l1."""
    listed = []
    for part in dict.fromkeys(row["part"] for row in rows):
        of = [row for row in rows if row["part"] == part]
        if part.startswith("lambda"):
            of += [row for row in rows if row["part"] == "primary" and row["arm"] == "l1"]
        listed += [(part, arm, of) for arm in dict.fromkeys(row["arm"] for row in of) if arm != "l1"]
    return [entry for entry in listed if paired(entry[2], entry[1])[2] >= 3]


def primary(rows: Sequence[Mapping[str, Any]]) -> str:
    """The two tests of the claim in words."""
    l1, jared, n = paired([row for row in rows if row["part"] == "primary"], "jared")
    if n < 3:
        return f"{n} seeds: too few."
    name = "depth_rel_error"
    within, p_within = ratio(scatter(l1[name]), scatter(jared[name]))
    seeds, p_seeds = between(l1[name][:, -1], jared[name][:, -1])
    p = holm([p_within, p_seeds])
    least = (
        f" A ratio below {detectable(scatter(l1[name]), scatter(jared[name])):.2f} would have been shown with power .8."
    )
    return (
        f"RelE, jared / l1, {n} seeds: scatter within a run {_times(within)}, p = {p[0]:.2g}; standard deviation "
        f"between seeds {_times(seeds)}, p = {p[1]:.2g} (Holm).{least if p[0] > 0.05 else ''}"
    )


AGAIN = (" again", " repeated")
"""End the name of a part that tries an arm once more on fresh seeds."""


def again(rows: Sequence[Mapping[str, Any]], part: str) -> str:
    """In words what an arm does on the fresh seeds that it was tried on once more."""
    arm = part.rsplit(" ", 1)[0]
    control, treated, n = paired([row for row in rows if row["part"] == part], arm)
    if n < 3:
        return ""
    gained = _points(control["delta_t"][:, -1], treated["delta_t"][:, -1])
    changes = [f"{SHORT[m]} {_percent(paired_change(control[m][:, -1], treated[m][:, -1]))} %" for m in NOISY]
    name = "depth_rel_error"
    within, _ = ratio(scatter(control[name]), scatter(treated[name]))
    seeds, _ = between(control[name][:, -1], treated[name][:, -1])
    return (
        f"`{arm}` on {n} fresh seeds, against l1: delta_T {gained} points, {', '.join(changes)}; scatter of RelE in "
        f"a run {_times(within)}, between seeds {_times(seeds)}."
    )


def tried_again(
    rows: Sequence[Mapping[str, Any]], part: str, planned: Mapping[str, int], control: str = "l1"
) -> tuple[dict[str, tuple[Estimate, float]], dict[str, Estimate]] | None:
    """A part that tries an arm on fresh seeds, in its worlds together; None before all planned seeds are there.

    Returns:
        The tests, each with its p value: "noise", the logarithm of the ratio of RelE's scatter within a run, over the
        seeds of all worlds, and for each world what delta_T, always against l1's means, rises by. And RelE and AbsE in
        percent of the control's.
    """
    tests: dict[str, tuple[Estimate, float]] = {}
    logs, errors = [], {name: [] for name in NOISY[:2]}
    for world, seeds in planned.items():
        here, arm = [row for row in rows if row["world"] == world and row["part"] == part], part.rsplit(" ", 1)[0]
        before, after, n = paired(here, arm, control)
        if min(n, paired(here, control)[2]) < seeds:
            return None
        gains = [delta_t(curves, paired(here, control)[0])[:, -1] for curves in (before, after)]
        inside = [scatter(curves[NOISY[0]]) for curves in (before, after)]
        logs.append(np.log(inside[1] / inside[0])[np.min(inside, axis=0) > 0])
        tests[world] = mean_of(gains[1] - gains[0])
        for name, changes in errors.items():
            changes.append(100 * (after[name][:, -1] - before[name][:, -1]) / before[name][:, -1].mean())
    tests["noise"] = mean_of(np.concatenate(logs))
    return tests, {name: mean_of(np.concatenate(changes))[0] for name, changes in errors.items()}


def in_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """The claim, world by world, with all seeds there are, and what became of arms that looked better than JAReD."""
    said = []
    for world in dict.fromkeys(row["world"] for row in rows):
        here = [row for row in rows if row["world"] == world]
        parts = dict.fromkeys(row["part"] for row in here if row["part"].endswith(AGAIN))
        every = [{**row, "part": "primary"} for row in here if row["part"] in ("primary", *parts)]
        said.append(f"* {world}{', more seeds than were planned' if parts else ''}: {primary(every)}")
        further = [again(here, part) for part in parts]
        said += [f"* {world}: {text}" for text in further if text]
    return "\n".join(said)


def noise(rows: Sequence[Mapping[str, Any]]) -> str:
    """Scatter within a run and between seeds of every arm over l1's."""
    lines = []
    for part, arm, of in parts_of(rows):
        control, treated, n = paired(of, arm)
        inside = [_times(ratio(scatter(control[m]), scatter(treated[m]))[0]) for m in (*NOISY[:2], "delta_t")]
        beside = [_times(between(control[m][:, -1], treated[m][:, -1])[0]) for m in (*NOISY[:2], "delta_t")]
        lines.append([part, arm, str(n), *inside, *beside])
    heads = [f"{SHORT[m]}, {where}" for where in ("in a run", "between seeds") for m in (*NOISY[:2], "delta_t")]
    return "Scatter over that of l1 (below 1 = less noise):\n\n" + grid(["part", "loss", "seeds", *heads], lines)


def accuracy(rows: Sequence[Mapping[str, Any]]) -> str:
    """Last scores of every arm against l1's, paired by seed."""
    lines = []
    for part, arm, of in parts_of(rows):
        control, treated, n = paired(of, arm)
        cells = [_percent(paired_change(control[m][:, -1], treated[m][:, -1])) if m in control else "" for m in NOISY]
        gained = _points(control["delta_t"][:, -1], treated["delta_t"][:, -1])
        lines.append([part, arm, str(n), *cells, gained])
    heads = [f"{SHORT[m]}, %" for m in NOISY] + ["delta_T, points"]
    return "Last scores against l1's, paired by seed:\n\n" + grid(["part", "loss", "seeds", *heads], lines)


def _points(control: np.ndarray, treated: np.ndarray) -> str:
    return _percent(mean_of(treated - control)[0])


def _times(found: Estimate) -> str:
    text = f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
    return f"**{text}**" if found.low > 1 or found.high < 1 else text


def _percent(found: Estimate) -> str:
    text = f"{found.value:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"
    return f"**{text}**" if found.excludes_zero else text
