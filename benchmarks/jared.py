"""The JAReD loss against L1 on rendered streets: accuracy (protocol A) and noise (protocol B), with intervals.

    python benchmarks/jared.py [--seeds 8] [--json benchmarks/results/jared.json]
    python benchmarks/jared.py --render benchmarks/results/jared.json      the tables again, and into docs/losses.md

Fixed before the first run: arms, metrics, seeds, statistics.

Protocol A, accuracy: metric depth, 300 steps of which the last 75 cool the learning rate down, scored once at the end.
Printed is the change against L1, paired by seed (same initial weights, same batches), with Student's t interval.
Protocol B, noise: inverse depth, once with a few tiny labels beside depth edges and once clean; constant learning rate,
300 steps, scored every 10 steps from 160 on. Printed is how much less the checkpoints of a run scatter about their own
straight line than with L1, with a bootstrap interval over seeds.

Arms: l1; l1_double, twice the weight, the control for the weight of depth against the others; jared, normalised,
the default; jared_sum, not normalised, which doubles depth's weight. All train the same network on all three tasks.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

# This file is called like a module of the package it measures: its own folder comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

ARMS = ("l1", "l1_double", "jared", "jared_sum")
STEPS, WARMUP_STEPS, COOLDOWN_STEPS, EVERY, FROM_STEP = 300, 32, 75, 10, 160
PROTOCOLS: dict[str, dict[str, Any]] = {
    "A": {"data": {"name": "streets", "depth": "metric"}, "cooldown": COOLDOWN_STEPS, "reports": 1},
    "B, a few tiny labels": {
        "data": {"name": "streets", "depth": "inverse", "tiny": 0.15}, "cooldown": 0, "reports": STEPS // EVERY,
    },
    "B, clean labels": {
        "data": {"name": "streets", "depth": "inverse"}, "cooldown": 0, "reports": STEPS // EVERY,
    },
}  # fmt: skip
METRICS = (
    "depth_abs_error", "depth_rel_error", "depth_rmse", "depth_delta1", "depth_delta2", "depth_delta3",
    "segmentation_miou", "segmentation_pixel_accuracy", "normals_mean_deg", "normals_median_deg",
)  # fmt: skip
SHORT = ("depth_abs_error", "depth_rel_error", "depth_rmse", "segmentation_miou", "normals_mean_deg")
MEMBER = "mobilenet_v2_small"
SIZE = (64, 128)


def study(protocol: str, arm: str, seed: int) -> dict[str, Any]:
    """The study of one run as plain data."""
    settings = PROTOCOLS[protocol]
    evaluator = {
        "name": "jared", "steps": STEPS, "warmup": WARMUP_STEPS / STEPS, "cooldown": settings["cooldown"] / STEPS,
        "reports": settings["reports"], "depth_loss": arm,
    }  # fmt: skip
    return {"data": settings["data"], "train_size": SIZE, "evaluator": evaluator, "seed": seed}


def run(protocol: str, arm: str, seed: int) -> dict[str, list[float]]:
    """Train once; every score of each metric in the order of training."""
    from one_training import trained

    evaluator, _ = trained(study(protocol, arm, seed), MEMBER)
    found = [shorten(scores) for scores in evaluator.history]
    return {metric: [scores[metric] for scores in found] for metric in METRICS}


def shorten(scores: dict[str, float]) -> dict[str, float]:
    """The metrics of METRICS; depth errors lose their unit, which the protocol tells."""
    found = {}
    for key, value in scores.items():
        for suffix in ("_per_m", "_m", ""):
            if suffix and key.startswith("depth_") and key.endswith(suffix):
                key = key.removesuffix(suffix)
                break
        if key in METRICS:
            found[key] = float(f"{value:.5g}")
    return found


def measure(seeds: list[int], workers: int, path: Path | None) -> dict[str, Any]:
    """All runs of all protocols; what the file holds of the same settings is not trained again."""

    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    for protocol in PROTOCOLS:  # rendered once, before the runs need it
        Assembled(parse(study(protocol, "l1", 0))).source.prepare()
    runs: dict[str, Any] = {protocol: {arm: {} for arm in ARMS} for protocol in PROTOCOLS}
    record = {"steps": STEPS, "seeds": seeds, "arms": list(ARMS), "member": MEMBER, "size": list(SIZE), "runs": runs}
    if path and path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))
        if any(old[key] != record[key] for key in ("steps", "arms", "member", "size")):
            sys.exit(f"{path} holds runs of other settings; move it away")
        runs.update(old["runs"])
    from one_training import each

    jobs = [
        (protocol, arm, seed)
        for seed in seeds for protocol in PROTOCOLS for arm in ARMS if str(seed) not in runs[protocol][arm]
    ]  # fmt: skip
    for (protocol, arm, seed), found in each(run, jobs, workers):
        runs[protocol][arm][str(seed)] = found
        if path:
            done = [s for s in seeds if all(str(s) in runs[p][a] for p in PROTOCOLS for a in ARMS)]
            path.write_text(json.dumps({**record, "seeds": done}, separators=(",", ":")) + "\n", encoding="utf-8")
    return record


def curves(record: dict[str, Any], protocol: str, arm: str, metric: str) -> np.ndarray:
    """(seeds, checkpoints) of one metric."""
    found = record["runs"][protocol][arm]
    return np.array([found[str(seed)][metric] for seed in record["seeds"]])


def tables(record: dict[str, Any], short: bool = False) -> str:
    """Both protocols as Markdown; `short`, for docs/losses.md, is the accuracy by each task's first metrics."""
    from jared_statistics import Estimate, noise_reduction, paired_change

    def cell(found: Estimate) -> str:
        text = f"{found.value:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"
        return f"**{text}**" if found.excludes_zero else text

    def rows(head: str, value: Any) -> list[str]:
        others = [arm for arm in ARMS if arm != "l1"]
        lines = [f"| {head} | l1 | " + " | ".join(others) + " |", "|---|---|" + "---|" * len(others)]
        for metric in SHORT if short else METRICS:
            base, cells = value(metric)
            lines.append(f"| {metric} | {base} | " + " | ".join(map(cell, cells)) + " |")
        return lines

    size, count = "x".join(map(str, record["size"])), len(record["seeds"])
    text = [
        f"Streets at {size}, {record['member']}, {record['steps']} steps, {count} seeds per arm, scored on `search` "
        "(100 images). Intervals are 95 %, each for its cell alone; bold excludes zero.",
        "",
        "Protocol A, accuracy: change against `l1` in percent, paired by seed (metric depth).",
        "",
    ]

    def accuracy(metric: str) -> tuple[str, list[Estimate]]:
        base = curves(record, "A", "l1", metric)[:, -1]
        others = [paired_change(base, curves(record, "A", arm, metric)[:, -1]) for arm in ARMS if arm != "l1"]
        return f"{base.mean():.4g} ± {base.std(ddof=1):.2g}", others

    text += rows("metric", accuracy)
    for protocol in () if short else (name for name in PROTOCOLS if name.startswith("B")):
        first = FROM_STEP // EVERY - 1

        def noise(metric: str, protocol: str = protocol, first: int = first) -> tuple[str, list[Estimate]]:
            base = curves(record, protocol, "l1", metric)[:, first:]
            others = [
                noise_reduction(base, curves(record, protocol, arm, metric)[:, first:]) for arm in ARMS if arm != "l1"
            ]
            return f"{base.mean():.4g}", others

        text += [
            "",
            f"Protocol {protocol}: reduction of the scatter between checkpoints against `l1` in percent (inverse "
            "depth, constant learning rate; the column `l1` is its mean value).",
            "",
            *rows("metric", noise),
        ]
    return "\n".join(text)


def main() -> None:
    """Measure and print, or print again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="every score of every run; what it holds is not run again")
    parser.add_argument("--render", type=Path, help="print the tables of an earlier run and put them into the docs")
    options = parser.parse_args()
    if options.render:
        from into_docs import EVIDENCE, put

        record = json.loads(options.render.read_text(encoding="utf-8"))
        text = tables(record)
        put(EVIDENCE, "jared", tables(record, short=True))
    else:
        record = measure([2000 + number for number in range(options.seeds)], options.workers, options.json)
        text = tables(record)
    print(text)


if __name__ == "__main__":
    main()
