"""Does the search beat the reference? The winner and the study's MobileNetV2-like reference, trained again with fresh
seeds.

    python benchmarks/main_job.py [EXPERIMENT_ID] [--seeds 3] [--json FILE]

Reads a finished search's journal (default: the latest), takes its best networks among those that are at most as slow
as the study's reference (`start`; `--any-latency`: its best of all), trains both by the study's own recipe with seeds
that the search never used, and scores them on the `select` split, which no candidate has seen. Prints both with mean
and standard deviation, the position prior, and what journal and NNI's record disagree on.
"""

from __future__ import annotations

import argparse
import json
import statistics
from functools import partial
from pathlib import Path
from typing import Any

from ednas_nni.bridge.verify import disagreements, nni_records
from ednas_nni.errors import JournalError
from ednas_nni.record.journal import load
from ednas_nni.record.locate import LATEST, journal_of
from ednas_nni.study import parse

SHOWN = (
    "default",
    "segmentation_miou",
    "segmentation_pixel_accuracy",
    "depth_abs_error_m",
    "depth_rel_error",
    "normals_mean_deg",
    "normals_median_deg",
)


def train(
    study: dict[str, Any], samples: dict[str, dict[str, Any]], steps: int | None, key: str, seed: int
) -> dict[str, float]:
    """One training with a fresh seed, scored on `select`."""
    from one_training import trained

    options = dict(study["evaluator"]) if isinstance(study["evaluator"], dict) else {"name": study["evaluator"]}
    options |= {"scored_on": "select", "reports": 1}
    if steps:
        options["steps"] = steps
    return trained({**study, "seed": seed, "evaluator": options}, samples[key])[1]


def prior(study: dict[str, Any]) -> dict[str, float]:
    """Metrics of the position prior on `select`."""
    from ednas_nni.data.cache import cache_root
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.tasks.quality import prior_for

    parsed = parse(study)
    source = Assembled(parsed).source
    source.prepare()
    tasks = tuple(Assembled(parsed).tasks.values())
    prior = prior_for(source, tasks, cache_root(None) / "priors", "select")
    return {f"{task}_{name}": value for task, entry in prior.tasks.items() for name, value in entry.metrics.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", nargs="?", default=LATEST, help="an experiment's id (the latest)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="instead of the study's own number, for all networks alike")
    parser.add_argument("--top", type=int, default=1, help="how many of the search's networks")
    parser.add_argument("--any-latency", action="store_true", help="networks slower than the reference as well")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    try:
        history = load(journal_of(options.experiment))
    except JournalError as error:
        parser.error(str(error))
    home = history.path.parents[1]
    name = home.name
    study = history.head.study
    if not study["start"]:
        parser.error(f"the study of {name} names no reference; write `start: [mobilenet_v2_small]` into it")
    member = study["start"][0]
    reference = history.head.members[member]
    known = {trial.architecture: trial for trial in history.trials}
    if reference not in known:
        parser.error(f"{name} did not train {member}; is it outside the study's constraints?")
    limit = float("inf") if options.any_latency else known[reference].costs["latency_ms"]
    rivals = [t for t in history.results.values() if t.costs["latency_ms"] <= limit and t.architecture != reference]
    best = sorted(rivals, key=lambda trial: -trial.quality)[: options.top]
    seeds = [1000 + number for number in range(options.seeds)]
    keys = [*(trial.architecture for trial in best), reference]
    jobs = [(key, seed) for seed in seeds for key in keys]
    from one_training import each

    call = partial(train, study, {key: known[key].sample for key in keys}, options.steps)
    done = dict(each(call, jobs, None))
    runs = [(key, done[key, seed]) for key, seed in jobs]
    rows: dict[str, Any] = {"position prior": prior(study)}
    labels = [f"{key}" for key in keys[:-1]] + [member]
    for label, key in zip(labels, keys, strict=True):
        values = [metrics for found, metrics in runs if found == key]
        rows[label] = {
            "architecture": key,
            **known[key].costs,
            "quality in the search": known[key].quality,
            **{m: [v[m] for v in values] for m in SHOWN},
        }
    wrong = disagreements(history, nni_records(home))
    steps = options.steps or dict(study["evaluator"]).get("steps", "the default") if study["evaluator"] else "?"
    report(name, history, rows, labels, f"{options.seeds} fresh seeds, {steps} steps", wrong)
    if options.json:
        data = {"experiment": name, "seeds": seeds, "steps": steps, "split": "select", "rows": rows}
        data["disagreements"] = wrong
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def report(name: str, history: Any, rows: dict[str, Any], labels: list[str], how: str, wrong: list[str]) -> None:
    trained = [t for t in history.trials if t.status == "trained"]
    seconds = max(t.ended_at or 0 for t in history.trials) - history.head.time
    print(f"experiment {name}: {len(trained)} of {len(history.trials)} trials trained in {seconds / 60:.1f} min")
    print(f"scored on select (100 images), mean ± standard deviation of {how}\n")
    print("| | position prior | " + " | ".join(labels) + " |")
    print("|---|---|" + "---|" * len(labels))
    for cost, unit in (("latency_ms", 1.0), ("macs", 1e9), ("params", 1e6)):
        title = {"latency_ms": "latency, ms (modelled)", "macs": "GMACs", "params": "parameters, M"}[cost]
        print(f"| {title} | | " + " | ".join(f"{rows[label][cost] / unit:.2f}" for label in labels) + " |")
    for metric in SHOWN:
        cells = []
        for label in labels:
            values = rows[label][metric]
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            cells.append(f"{statistics.mean(values):.4f} ± {spread:.4f}")
        before = "0" if metric == "default" else f"{rows['position prior'][metric]:.4f}"
        print(f"| {'quality' if metric == 'default' else metric} | {before} | " + " | ".join(cells) + " |")
    print(f"\ntrials that ran another trial's architecture (journal against NNI's record): {len(wrong)}")
    for line in wrong:
        print(f"  {line}")


if __name__ == "__main__":
    main()
