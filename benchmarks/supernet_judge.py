"""What inherited scores are judged by: networks trained alone, and the order that they are found to have.

    python benchmarks/supernet_judge.py --world streets [--data FOLDER] [--networks 32] [--workers 2]

Of `nano` that is benchmarks/results/trust.json: 48 architectures, each trained twice for 750 steps. Of `compound`, the
shipped study's space, this trains networks on a world, four members and others spread evenly over the latencies that
the study allows: twice for 750 steps, scored on `select`, then once for so few steps that all of them together see as
many images as the supernet, scored on `search`. Every training is a line of benchmarks/results/supernet_judge.jsonl,
written when it ends; what stands there is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from one_training import each, scored_twice
from rows import append, rows_of
from worlds import FULL_WEIGHT, WORLDS, compound, part

RESULTS = Path(__file__).resolve().parent / "results"
TRUST, ROWS = RESULTS / "trust.json", RESULTS / "supernet_judge.jsonl"
LONG, SEEDS, BATCH, LIMIT = 750, (7000, 7001), 8, "latency_ms <= 25"
SUPERNET_STEPS, PATHS = 1500, 4
"""Of the supernet whose images the short trainings share out."""
MEMBERS = ("mobilenet_v2_035", "mobilenet_v2_050", "mobilenet_v2_075", "mobilenet_v2_100")


@dataclass(frozen=True)
class Judge:
    """Networks of a space that were trained alone in a world.

    Attributes:
        title: What they are.
        samples: Architecture -> sample.
        latency_ms: Architecture -> modelled latency.
        runs: Architecture -> qualities on `select` of its long trainings.
        shorter: Label of a shorter training -> images that all of them saw, and architecture -> quality on `search`.
    """

    title: str
    samples: dict[str, dict[str, Any]]
    latency_ms: dict[str, float]
    runs: dict[str, list[float]]
    shorter: dict[str, tuple[int, dict[str, float]]]


def plain_study(space: str, world: str, folder: Path | None, seed: int, evaluator: Mapping[str, Any]) -> dict[str, Any]:
    """The study that a supernet, or a training alone, belongs to."""
    options = {"threads": 1, "reports": 5, **FULL_WEIGHT, **evaluator}
    named = compound(world) if space == "compound" else space
    plain = {**part(world, folder), "space": named, "device": "edge_tpu", "constraints": [LIMIT]}
    return {**plain, "evaluator": options, "seed": seed}


def of_nano() -> Judge:
    """The trainings of `ednas trust`."""
    found = json.loads(TRUST.read_text(encoding="utf-8"))
    entries, runs = found["architectures"], found["runs"]

    def qualities(recipe: str) -> dict[str, list[float]]:
        return {a: [run["quality"] for run in trained.values()] for a, trained in runs[recipe].items()}

    labels = {"study": (250, "one training each, 250 steps"), "double": (500, "one training each, 500 steps")}
    return Judge(
        f"`nano`, rooms, judged by {len(entries)} architectures trained alone, twice for {LONG} steps",
        {a: entry["sample"] for a, entry in entries.items()},
        {a: entry["costs"]["latency_ms"] for a, entry in entries.items()},
        qualities("longer"),
        {
            label: (BATCH * steps * len(entries), {a: each[0] for a, each in qualities(recipe).items()})
            for recipe, (steps, label) in labels.items()
        },
    )


def of_compound(world: str, path: Path = ROWS) -> Judge | None:
    """The complete networks of a world; None where there are fewer than 12."""
    rows = [row for row in rows_of(path) if row["world"] == world]
    drawn = {row["architecture"]: row for row in rows if "sample" in row}
    long: dict[str, list[float]] = {}
    short: dict[int, dict[str, float]] = {}
    for row in rows:
        if row.get("steps") == LONG:
            long.setdefault(row["architecture"], []).append(row["select"])
        elif "steps" in row:
            short.setdefault(row["steps"], {})[row["architecture"]] = row["search"]
    runs = {a: qualities for a, qualities in long.items() if len(qualities) == len(SEEDS)}
    if len(runs) < 12:
        return None
    complete = {steps: scores for steps, scores in short.items() if runs.keys() <= scores.keys()}
    return Judge(
        f"`compound`, {world}, judged by {len(runs)} architectures trained alone, twice for {LONG} steps",
        {a: drawn[a]["sample"] for a in runs},
        {a: drawn[a]["costs"]["latency_ms"] for a in runs},
        runs,
        {f"one training each, {n} steps": (BATCH * n * len(runs), scores) for n, scores in complete.items()},
    )


def run(world: str, folder: str, sample: str, seed: int, steps: int) -> dict[str, Any]:
    """Train once; quality on `search` and on `select`."""
    evaluator = {"name": "jared", "steps": steps, "reports": 1}
    study = plain_study("compound", world, Path(folder) if folder else None, seed, evaluator)
    searched, judged, seconds = scored_twice(study, json.loads(sample))
    return {
        "search": round(searched["default"], 5), "select": round(judged["quality"], 5), "seconds": round(seconds, 1)
    }  # fmt: skip


def measure(world: str, folder: Path | None, number: int, workers: int, path: Path = ROWS) -> None:
    """Train what is missing, from both ends of latency to the middle, so that what is cut short is still spread."""
    from ednas_nni.cost.stratified import stratified
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    joined = Assembled(parse(plain_study("compound", world, folder, SEEDS[0], {"name": "jared", "steps": LONG})))
    joined.source.prepare()  # before the runs need it
    rows, table = [row for row in rows_of(path) if row["world"] == world], joined.table
    drawn = {row["architecture"]: row["sample"] for row in rows if "sample" in row}
    if not drawn:
        samples = stratified(table, "latency_ms", joined.problem.constraints, number - len(MEMBERS), seed=0)
        for sample in [*samples, *(joined.space.member(name) for name in MEMBERS)]:
            costs = {c: float(f"{x:.5g}") for c, x in zip(table.names, table([sample])[0], strict=True)}
            drawn[table.domains.architecture_id(sample)] = sample
            append(path, {"world": world, "architecture": list(drawn)[-1], "sample": sample, "costs": costs})
    there = {(row["architecture"], row["seed"], row["steps"]) for row in rows if "steps" in row}
    names, short = list(drawn), SUPERNET_STEPS * PATHS // len(drawn)
    order = sorted(range(len(names)), key=lambda i: f"{i:08b}"[::-1])
    jobs = {
        (world, str(folder or ""), json.dumps(drawn[names[i]]), seed, steps): names[i]
        for seed, steps in ((SEEDS[0], LONG), (SEEDS[1], LONG), (SEEDS[0], short))
        for i in order
        if (names[i], seed, steps) not in there
    }
    for job, outcome in each(run, list(jobs), workers):
        append(path, {"world": world, "architecture": jobs[job], "seed": job[3], "steps": job[4], **outcome})


def ranks(scores: np.ndarray, truth: np.ndarray, latency: np.ndarray) -> list[str]:
    """Kendall's tau over all pairs, over pairs of one third by latency, and of the best third, with intervals."""
    from evidence.trust.ranks import agreement, estimate, resampled, same_group, tau

    parts, n = agreement(scores, truth), len(truth)
    thirds = np.argsort(np.argsort(latency)) * 3 // n
    best = np.where(np.argsort(np.argsort(-truth)) < n // 3, 0, -1)
    return [str(estimate(tau(parts, same_group(g), resampled(g)))) for g in (np.zeros(n, int), thirds, best)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=WORLDS, required=True)
    parser.add_argument("--data", type=Path, help="folder of real images")
    parser.add_argument("--networks", type=int, default=32)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    measure(given.world, given.data, given.networks, given.workers)


if __name__ == "__main__":
    main()
