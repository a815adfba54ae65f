"""The search's question of S4 in PROTOCOL.md: do trainings with JAReD order networks more reliably than with l1?

    python benchmarks/claims/depth_loss_ranks.py --world nyuv2 --data FOLDER [--workers 2]
    python benchmarks/claims/depth_loss_ranks.py --render

24 architectures of `compound`, even in log latency, are trained with each loss and three seeds on all tasks. What one
seed says on `search` is held against what the other two say on `select`: Kendall's tau, and how much better than the
mean of all is the network that one seed puts first; the more noise, the less. Both losses have the same networks and
seeds, so the difference is paired; its interval resamples architectures. Every training is a line of
benchmarks/results/depth_loss_ranks.jsonl, written when it ends; what stands there is not trained again. `--smoke`
trains two steps in a temporary file.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:] = [*(p for p in sys.path if p != str(HERE)), str(HERE.parent), str(HERE)]

from claims.command import options  # noqa: E402
from into_docs import grid  # noqa: E402
from rows import append, rows_of  # noqa: E402

RESULTS = HERE.parent / "results" / "depth_loss_ranks.jsonl"
LOSSES, ARCHITECTURES, STEPS, DRAWS = ("l1", "jared"), 24, 300, 10_000
CONFIRMING = range(1040, 1043)
SEEDS = {"nyuv2": CONFIRMING, "streets": CONFIRMING, "cityscapes": CONFIRMING, "rooms": range(940, 943)}
METRICS = {"quality": 1, "depth_abs_error_m": -1, "depth_rel_error": -1}
"""Score that networks are ordered by -> whether larger is better."""
Qualities = dict[str, np.ndarray]
"""Split -> (architectures, seeds), larger is better."""


def run(world: str, folder: str, sample: str, loss: str, seed: int, steps: int, scale: float) -> dict[str, Any]:
    """Train once; scores on `search`, which choose, and on `select`, which judge. One that diverges has the prior's."""
    from one_training import prior_scores, scored_twice
    from transfer_table import ALL, plain_study, rounded

    from ednas_nni.errors import TrialError
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    study = plain_study(world, Path(folder) if folder else None, ALL, seed, steps)
    study["evaluator"] |= {"depth_loss": loss, "depth_relative_scale": scale}
    try:
        searched, judged, seconds = scored_twice(study, json.loads(sample))
        searched["quality"] = searched.pop("default")
    except TrialError:
        joined, seconds = Assembled(parse(study)), 0.0
        searched, judged = (prior_scores(joined, split) for split in ("search", "select"))
    scores = {
        name: {metric: rounded(of[metric]) for metric in METRICS}
        for name, of in (("search", searched), ("select", judged))
    }
    return {**scores, "seconds": round(seconds, 1)}


def measure(world: str, folder: Path | None, path: Path, steps: int, number: int, workers: int) -> None:
    """Train what is missing, both losses of an architecture together, seed by seed."""
    from depth_losses import recorded_lambda
    from one_training import each
    from transfer_table import ALL, architectures, plain_study

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    Assembled(parse(plain_study(world, folder, ALL, 0, steps))).source.prepare()  # before the runs need it
    scale = recorded_lambda(world, folder) if steps == STEPS else 3.0
    there = {(row["world"], row["architecture"], row["loss"], row["seed"], row["steps"]) for row in rows_of(path)}
    drawn = architectures(world, folder, number)
    jobs = {
        (world, str(folder or ""), json.dumps(entry["sample"]), loss, seed, steps, scale): name
        for seed in SEEDS[world]
        for name, entry in drawn.items()
        for loss in LOSSES
        if (world, name, loss, seed, steps) not in there
    }
    for job, outcome in each(run, list(jobs), workers):
        about = {"world": world, "architecture": jobs[job], "loss": job[3], "seed": job[4], "steps": steps}
        append(path, {**about, **outcome})


def complete(rows: Sequence[Mapping[str, Any]], world: str, metric: str) -> dict[str, Qualities]:
    """Loss -> qualities of the architectures that have all seeds with both losses."""
    here = {(r["loss"], r["architecture"], r["seed"]): r for r in rows if r["world"] == world}
    seeds = list(SEEDS.get(world, sorted({seed for *_, seed in here})))
    names = sorted({name for _, name, _ in here})
    names = [a for a in names if all((loss, a, seed) in here for loss in LOSSES for seed in seeds)]
    return {
        loss: {
            split: METRICS[metric] * np.array([[here[loss, a, s][split][metric] for s in seeds] for a in names])
            for split in ("search", "select")
        }
        for loss in LOSSES
    }


def agreement(of: Qualities, at: np.ndarray) -> float:
    """Mean over seeds of Kendall's tau between one seed's order on `search` and the mean of the others on `select`."""
    from scipy.stats import kendalltau

    taus = [kendalltau(of["search"][at, s], others(of, s)[at]).statistic for s in seeds_of(of)]
    return float(np.nanmean(taus))


def gained(of: Qualities, at: np.ndarray) -> float:
    """By how much the network that one seed puts first on `search` is above the mean of all on `select`, by the others.

    Taking it away from the best would flatter the noisier loss: the largest of noisy values is too large.
    """
    gains = [(judged := others(of, s)[at])[of["search"][at, s].argmax()] - judged.mean() for s in seeds_of(of)]
    return float(np.mean(gains))


def seeds_of(of: Qualities) -> range:
    return range(of["search"].shape[1])


def others(of: Qualities, seed: int) -> np.ndarray:
    """(architectures,): mean over the seeds but one."""
    return np.asarray(np.delete(of["select"], seed, axis=1).mean(axis=1))


def report(rows: Sequence[Mapping[str, Any]], draws: int = DRAWS) -> str:
    """A table a world."""
    text = []
    for world in dict.fromkeys(row["world"] for row in rows):
        lines: list[list[str]] = []
        for metric in METRICS:
            of = complete(rows, world, metric)
            n = len(of["l1"]["search"])
            if n < ARCHITECTURES:
                break
            rng = np.random.default_rng(0)
            drawn = [np.arange(n), *rng.integers(n, size=(draws, n))]
            for name, figure in (("tau", agreement), ("gained", gained)):
                values = {loss: np.array([figure(of[loss], at) for at in drawn]) for loss in LOSSES}
                change = values["jared"] - values["l1"]
                low, high = np.percentile(change[1:], (2.5, 97.5))
                shown = f"{change[0]:+.3f} [{low:+.3f}, {high:+.3f}]"
                shown = f"**{shown}**" if low > 0 or high < 0 else shown
                lines.append([f"{metric}, {name}", *(f"{values[loss][0]:.3f}" for loss in LOSSES), shown])
        if lines:
            text.append(f"**{world}**, {n} architectures:\n\n" + grid(["", *LOSSES, "jared - l1"], lines))
        else:
            text.append(f"{world}: {n} of {ARCHITECTURES} architectures are complete.")
    return "\n\n".join(text)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options(__doc__, SEEDS, "nyuv2")
    given = parser.parse_args(arguments)
    if given.smoke:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "rows.jsonl"
            measure(given.world, given.data, path, 2, 1, 1)
            assert len(rows_of(path)) == len(LOSSES) * len(SEEDS[given.world])
        return
    if not given.render:
        measure(given.world, given.data, RESULTS, STEPS, ARCHITECTURES, given.workers)
    print(report(rows_of(RESULTS)))


if __name__ == "__main__":
    main()
