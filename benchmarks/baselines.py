"""The reference network of the shipped studies against knowing nothing: rooms and streets, one table each.

    python benchmarks/baselines.py [--seeds 3] [--json benchmarks/results/baselines.json]
    python benchmarks/baselines.py --render benchmarks/results/baselines.json    the tables again, printed

Columns: the constant predictor (most frequent class, median depth, mean normal), the position prior (the most frequent
class or the median at each pixel), one network for each task alone (the recorded references), and one network for all
tasks. All are scored on `search`, which neither of them was fitted to or chosen on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

# This file is called like a module of the package it measures: its own folder comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

STUDIES = ("experiments/separate.yml", "experiments/streets.yml")
ROOT = Path(__file__).resolve().parents[1]
FIRST_SEED = 3000  # neither a reference's nor a search's


def study_of(file: str) -> Any:
    """The parsed study of an experiment."""
    from ednas_nni.bridge.manager.experiment_file import read

    return read(ROOT / file).study


def train(file: str, seed: int) -> dict[str, float]:
    """Final metrics of the study's reference network, trained on all tasks."""
    from one_training import trained

    study = study_of(file).model_copy(update={"seed": seed})
    return trained(study, study.reference)[1]


def untrained(file: str) -> dict[str, dict[str, dict[str, float]]]:
    """Metrics of the constant predictor and of the position prior: name -> task -> metric -> value."""
    import torch

    from ednas_nni.data.batches import loader
    from ednas_nni.search.assembled import Assembled

    study = study_of(file)
    source = Assembled(study).source
    source.prepare()
    train, scored = source.split("train"), source.split("search")
    found: dict[str, dict[str, dict[str, float]]] = {"constant": {}, "position prior": {}}
    for name, task in Assembled(study).tasks.items():
        known = task.statistics(train)
        bound = task.with_constants(task.constants(known))
        # What a silent head predicts is the training split's typical value.
        silent = task.head_bias(known).reshape(1, -1, 1, 1).expand(1, -1, *source.info.size)
        predictions = {"constant": bound.predict(silent), "position prior": torch.from_numpy(task.prior(known).copy())}
        for kind, prediction in predictions.items():
            meter = task.meter()
            for batch in loader(scored, {name: task}, 25):
                targets = batch[name]
                meter.update(prediction.expand(len(targets), *prediction.shape[1:]), targets)
            found[kind][name] = meter.compute()
    return found


def measure(seeds: int, workers: int) -> dict[str, Any]:
    """All that the tables show."""

    from ednas_nni.search.assembled import Assembled

    record: dict[str, Any] = {"seeds": [FIRST_SEED + number for number in range(seeds)], "studies": {}}
    for file in STUDIES:
        study = study_of(file)
        comparison, why = Assembled(study, file).baselines
        if comparison is None:
            sys.exit(why)
        record["studies"][file] = {
            "data": study.data.name,
            "member": study.reference,
            "untrained": untrained(file),
            "alone": {task: [dict(run) for run in found.runs] for task, found in comparison.records.items()},
        }
    from one_training import each

    jobs = [(file, seed) for seed in record["seeds"] for file in STUDIES]
    done = dict(each(train, jobs, workers))
    for file, seed in jobs:  # in the order of the seeds, whichever ended first
        record["studies"][file].setdefault("together", []).append(done[file, seed])
    for file in STUDIES:
        entry = record["studies"][file]
        study = study_of(file)
        comparison, _ = Assembled(study, file).baselines
        found = comparison.estimate(entry["together"])
        entry["delta_t"] = {"value": found.value, "low": found.low, "high": found.high}
        entry["units"] = {
            task: {spec.name: [spec.unit, spec.direction] for spec in bound.metrics}
            for task, bound in Assembled(study).tasks.items()
        }
    return record


def tables(record: dict[str, Any]) -> str:
    """One table for each data set, as Markdown."""
    parts = []
    for file, entry in record["studies"].items():
        runs, alone = len(entry["together"]), min(map(len, entry["alone"].values()))
        parts += [
            f"`{entry['data']}` ({file}), scored on `search`, mean ± standard deviation of n = {alone} trainings for "
            f"each task alone and n = {runs} for all tasks; {entry['member']} throughout:",
            "",
            "| | constant | position prior | each task alone | all tasks |",
            "|---|---|---|---|---|",
        ]
        for task, units in entry["units"].items():
            for metric, (unit, direction) in units.items():
                cells = [digits(entry["untrained"][kind][task][metric]) for kind in ("constant", "position prior")]
                cells.append(spread([run[metric] for run in entry["alone"][task]]))
                cells.append(spread([run[f"{task}_{metric}"] for run in entry["together"]]))
                arrow = "higher" if direction == "max" else "lower"
                label = f"{task} {metric}" + (f", {unit}" if unit and unit != "1" else "")
                parts.append(f"| {label} ({arrow} is better) | " + " | ".join(cells) + " |")
        quality = spread([run["default"] for run in entry["together"]])
        found = entry["delta_t"]
        interval = f"[{found['low']:+.1f}, {found['high']:+.1f}]"
        parts += [
            f"| quality | | 0 | | {quality} |",
            f"| delta_t, % (95 % interval) | | | 0 | {found['value']:+.1f} {interval} |",
            "",
        ]
    return "\n".join(parts)


def digits(value: float) -> str:
    """Three significant digits."""
    return f"{value:.3g}"


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.3g} ± {deviation:.2g}"


def main() -> None:
    """Measure and print, or print again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write what was measured here")
    parser.add_argument("--render", type=Path, help="print an earlier measurement")
    options = parser.parse_args()
    if options.render:
        text = tables(json.loads(options.render.read_text(encoding="utf-8")))
    else:
        record = measure(options.seeds, options.workers)
        if options.json:
            options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        text = tables(record)
    print(text)


if __name__ == "__main__":
    main()
