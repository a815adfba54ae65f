"""Whether a space's choices matter: trained quality of random architectures against the noise of a training.

    python benchmarks/quality_spread.py [--architectures 42] [--json benchmarks/results/quality_spread.json]
    python benchmarks/quality_spread.py --render benchmarks/results/quality_spread.json   text and picture, into docs

The study experiments/separate.yml: its space, data and recipe. Every architecture is drawn as strategies draw
and trained once; six of them, evenly spaced in cost, are trained with two more seeds, which tells the noise. What is in
the file already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

# This file is called like a module of the package it measures: its own folder comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

from worlds import FULL_WEIGHT  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
STUDY = "experiments/separate.yml"
FIRST_SEED, REPEATED, REPEATS = 4000, 6, 2


def study_of(steps: int) -> Any:
    """That study, with another number of steps."""
    from ednas_nni.bridge.manager.experiment_file import read

    study = read(ROOT / STUDY).study
    options = {**study.evaluator.options, **FULL_WEIGHT, "steps": steps}
    return study.model_copy(update={"evaluator": study.evaluator.model_copy(update={"options": options})})


def train_named(samples: dict[str, dict[str, Any]], steps: int, key: str, seed: int) -> float:
    """Quality of one training."""
    from one_training import trained

    return float(trained(study_of(steps).model_copy(update={"seed": seed}), samples[key])[1]["default"])


def measure(architectures: int, steps: int, workers: int, path: Path | None) -> dict[str, Any]:
    """All trainings."""

    from ednas_nni.search.assembled import Assembled

    study = study_of(steps)
    assembled = Assembled(study)
    assembled.source.prepare()
    table = assembled.table
    domains, rng = table.domains, random.Random(FIRST_SEED)
    samples: dict[str, dict[str, Any]] = {}
    while len(samples) < architectures:
        found = domains.canonical({d.label: rng.choice(d.values) for d in domains.dimensions})
        samples.setdefault(domains.architecture_id(found), found)
    costs = dict(zip(samples, table(list(samples.values())), strict=True))
    record: dict[str, Any] = {"study": STUDY, "steps": steps, "columns": list(table.names), "runs": {}}
    record["costs"] = {key: [float(f"{value:.6g}") for value in row] for key, row in costs.items()}
    if path and path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))
        if old["steps"] == steps:
            record["runs"] = {key: runs for key, runs in old["runs"].items() if key in samples}
    order = sorted(samples, key=lambda key: costs[key][table.names.index("latency_ms")])
    again = [order[round(i * (len(order) - 1) / (REPEATED - 1))] for i in range(REPEATED)]
    jobs = [(key, FIRST_SEED) for key in samples]
    jobs += [(key, FIRST_SEED + number + 1) for number in range(REPEATS) for key in again]
    jobs = [(key, seed) for key, seed in jobs if str(seed) not in record["runs"].get(key, {})]
    from one_training import each

    call = partial(train_named, {key: samples[key] for key, _ in jobs}, steps)
    for (key, seed), quality in each(call, jobs, workers):
        record["runs"].setdefault(key, {})[str(seed)] = float(f"{quality:.6g}")
        if path:
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def facts(record: dict[str, Any]) -> dict[str, Any]:
    """What the measurement says."""
    from scipy.stats import kendalltau

    from ednas_nni.study.pareto import front

    once = {key: runs[str(FIRST_SEED)] for key, runs in record["runs"].items() if str(FIRST_SEED) in runs}
    repeated = [list(runs.values()) for runs in record["runs"].values() if len(runs) > 1]
    freedom = sum(len(values) - 1 for values in repeated)
    noise = float(np.sqrt(sum((len(v) - 1) * np.var(v, ddof=1) for v in repeated) / freedom))
    quality = np.array(list(once.values()))
    latency = np.array([record["costs"][key][record["columns"].index("latency_ms")] for key in once])
    macs = np.array([record["costs"][key][record["columns"].index("macs")] for key in once])
    rng = np.random.default_rng(0)
    draws = rng.integers(len(quality), size=(2000, len(quality)))
    ratio = np.array([np.std(quality[d], ddof=1) / noise for d in draws])
    taus = {
        name: float(kendalltau(cost, quality).statistic) for name, cost in (("latency_ms", latency), ("macs", macs))
    }
    on_front = front(np.stack([quality, latency], axis=1), ["max", "min"])
    return {
        "once": once, "noise": noise, "freedom": freedom, "quality": quality, "latency": latency, "taus": taus,
        "ratio": (float(quality.std(ddof=1) / noise), *np.quantile(ratio, [0.025, 0.975]).tolist()),
        "front": np.asarray(on_front),
    }  # fmt: skip


def text(record: dict[str, Any], found: dict[str, Any]) -> str:
    """Markdown."""
    quality, ratio = found["quality"], found["ratio"]
    low, high = np.quantile(quality, [0.05, 0.95])
    taus, count = found["taus"], len(found["front"])
    return (
        f"{len(quality)} random architectures of experiments/separate.yml (`nano`), {record['steps']} steps each, one "
        f"training each: quality {quality.mean():.3f} ± {quality.std(ddof=1):.3f} (standard deviation), 5 to 95 %: "
        f"{low:.3f} to {high:.3f}. One architecture trained again differs by {found['noise']:.3f}, so the spread is "
        f"{ratio[0]:.1f} times the noise [{ratio[1]:.1f}, {ratio[2]:.1f}]. Kendall's tau of quality is "
        f"{taus['latency_ms']:+.2f} with latency_ms and {taus['macs']:+.2f} with MACs; {count} are on the front.\n\n"
        "![Quality of random architectures, its histogram beside the noise of one training, and the front]"
        "(../../docs/images/quality_spread.png)"
    )


def draw(found: dict[str, Any], path: Path) -> None:
    """Quality over latency with the front, and the histogram beside the noise."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    quality, latency, noise = found["quality"], found["latency"], found["noise"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=(3, 2), sharey=True, layout="constrained")
    chosen = found["front"][np.argsort(latency[found["front"]])]
    left.errorbar(
        latency, quality, yerr=noise, fmt="o", ms=4, color="#4477aa", ecolor="#bbccee", label="one training ± noise"
    )
    left.step(latency[chosen], quality[chosen], where="post", color="#cc3311", label="front")
    left.set(xlabel="latency_ms (modelled, Edge TPU, 512 x 1024)", ylabel="quality on search")
    left.legend(frameon=False, loc="lower right")
    right.hist(quality, bins=12, orientation="horizontal", color="#4477aa", alpha=0.8)
    middle = float(np.median(quality))
    right.axhspan(middle - noise, middle + noise, color="#cc3311", alpha=0.25, label="± noise of one training")
    right.set(xlabel="architectures")
    right.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure and print, or print again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", type=int, default=42)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--render", type=Path)
    options = parser.parse_args()
    if options.render:
        from into_docs import DOCS, EVIDENCE, put

        record = json.loads(options.render.read_text(encoding="utf-8"))
        found = facts(record)
        put(EVIDENCE, "quality-spread", text(record, found))
        draw(found, DOCS / "images" / "quality_spread.png")
    else:
        record = measure(options.architectures, options.steps, options.workers, options.json)
        found = facts(record)
    print(text(record, found))


if __name__ == "__main__":
    main()
