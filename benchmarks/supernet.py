"""Inherited scores of a supernet against separate trainings: rank agreement, quality, seconds, the parts of its recipe.

    python benchmarks/supernet.py [--steps 1500] [--seeds 1] [--arms default ...]       resumable: each supernet is kept
    python benchmarks/supernet.py --alone 2250                                          the long judge, resumable
    python benchmarks/supernet.py --render                                              docs/supernet.md again

There are two judges, both scored on `select`. The short one is benchmarks/results/trust.json: 48 architectures of
`nano`, each trained alone, twice for 750 steps. The long one trains 32 of them, evenly spread over latency, alone for
`--alone` steps with one seed: a ranking that a supernet is to predict must come from networks at least as good as its.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

# This file is called like a module of the package it measures: its own folder comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

HERE = Path(__file__).resolve().parent
TRUTH, RESULTS = HERE / "results" / "trust.json", HERE / "results" / "supernet.json"
ALONE, JUDGED, FIRST_SEED_ALONE = HERE / "results" / "supernet_alone.json", 32, 7000
ARMS: dict[str, dict[str, Any]] = {
    "default": {},
    "choices dealt": {"sampling": "dealt"},
    "own weights per operation": {"sharing": "own"},
    "spread over MACs": {"sampling": "macs"},
    "sandwich rule": {"sandwich": True},
    "sandwich rule, spread over MACs": {"sandwich": True, "sampling": "macs"},
    "sandwich rule, spread over MACs, half distilled": {"sandwich": True, "sampling": "macs", "distillation": 0.5},
    "sandwich rule, spread over MACs, own weights": {"sandwich": True, "sampling": "macs", "sharing": "own"},
    "largest first": {"warm_up": 0.1},
}


def assembled(seed: int, supernet: dict[str, Any]) -> Any:
    """The study that a supernet belongs to."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    evaluator = {"name": "inherited", "supernet": supernet, "threads": 1, "reports": 5, "accelerator": "cpu"}
    plain = {"space": "nano", "tasks": ["segmentation", "depth", "normals"], "data": "rooms", "device": "edge_tpu"}
    return Assembled(parse({**plain, "evaluator": evaluator, "seed": seed}))


def measure(arm: str, seed: int, steps: int, samples: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Make one supernet and score all architectures of the judge with it."""
    study = assembled(seed, {"steps": steps, **ARMS[arm]})
    supernet = study.evaluator.supernet(study.space)
    started = time.perf_counter()
    made = supernet.make()
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    scores = {name: study.trained(sample)[1]["default"] for name, sample in samples.items()}
    each = (time.perf_counter() - started) / len(samples)
    return {"quality": scores, "seconds": seconds if made else None, "seconds_a_score": each}


def train_alone(steps: int, truth: dict[str, Any]) -> None:
    """Train the long judge's architectures, one after the other; those that are there are not trained again."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    recipe = {"name": "jared", "steps": steps, "scored_on": "select", "threads": 1, "reports": 5, "accelerator": "cpu"}
    plain = {"space": "nano", "tasks": ["segmentation", "depth", "normals"], "data": "rooms", "device": "edge_tpu"}
    study = Assembled(parse({**plain, "evaluator": recipe, "seed": FIRST_SEED_ALONE}))
    by_latency = sorted(truth["architectures"], key=lambda name: truth["architectures"][name]["costs"]["latency_ms"])
    chosen = [by_latency[i] for i in np.linspace(0, len(by_latency) - 1, JUDGED).round().astype(int)]
    results = json.loads(ALONE.read_text()) if ALONE.exists() else {"steps": steps, "runs": {}}
    # From both ends to the middle and back, so that a judge that is cut short is still spread over latency.
    for name in [chosen[i] for i in sorted(range(JUDGED), key=lambda i: f"{i:05b}"[::-1])]:
        if name not in results["runs"]:
            results["runs"][name] = study.trained(truth["architectures"][name]["sample"])[1]
            ALONE.write_text(json.dumps(results, indent=1) + "\n")


def ranks(scores: np.ndarray, truth: np.ndarray, latency: np.ndarray) -> dict[str, str]:
    """Kendall's tau over all pairs, over pairs of one third by latency, and of the best third, with intervals."""
    from ednas_nni.trust.ranks import agreement, estimate, resampled, same_group, tau

    parts, n = agreement(scores, truth), len(truth)
    thirds = np.argsort(np.argsort(latency)) * 3 // n
    best = np.where(np.argsort(np.argsort(-truth)) < n // 3, 0, -1)
    groups = {"all pairs": np.zeros(n, int), "same cost": thirds, "best third": best}
    return {name: str(estimate(tau(parts, same_group(g), resampled(g)))) for name, g in groups.items()}


def render(results: dict[str, Any], truth: dict[str, Any]) -> str:
    """The tables of docs/supernet.md, one a judge."""
    mean = {
        r: {a: float(np.mean([run["quality"] for run in v.values()])) for a, v in of.items()}
        for r, of in truth["runs"].items()
    }
    first = {r: {a: next(iter(v.values()))["quality"] for a, v in of.items()} for r, of in truth["runs"].items()}
    shorter = {
        "one training each, 250 steps": (250, first["study"]),
        "one training each, 500 steps": (500, first["double"]),
    }
    text = [
        "Judged by 48 architectures trained alone, twice for 750 steps:",
        table(results, shorter, mean["longer"], truth),
    ]
    if ALONE.exists():
        alone = json.loads(ALONE.read_text())
        judge = {name: run["default"] for name, run in alone["runs"].items()}
        shorter["one training each, 750 steps"] = 750, first["longer"]
        text += [
            f"Judged by {len(judge)} of them, trained alone for {alone['steps']} steps:",
            table(results, shorter, judge, truth),
        ]
    return "\n\n".join(text)


def table(
    results: dict[str, Any],
    shorter: dict[str, tuple[int, dict[str, float]]],
    judge: dict[str, float],
    truth: dict[str, Any],
) -> str:
    """Rank agreement with one judge: of separate trainings, and of every supernet."""
    from into_docs import grid

    names = list(judge)
    judged = np.array([judge[a] for a in names])
    latency = np.array([truth["architectures"][a]["costs"]["latency_ms"] for a in names])
    rows = []
    for name, (steps, scores) in shorter.items():
        one = np.array([scores[a] for a in names])
        rows.append([name, f"{8 * steps * len(names):,}", *ranks(one, judged, latency).values(), f"{one.mean():.3f}"])
    for key, result in sorted(results["runs"].items(), key=lambda run: list(ARMS).index(run[0].rsplit(", seed", 1)[0])):
        one = np.array([result["quality"][a] for a in names])
        images = f"{8 * 4 * int(key.split(', ')[-1].split()[0]):,}"
        rows.append([f"supernet, {key}", images, *ranks(one, judged, latency).values(), f"{one.mean():.3f}"])
    rows.append(["the judge", "", "", "", "", f"{judged.mean():.3f}"])
    return grid(["scores", "images seen", "tau, all pairs", "tau, same cost", "tau, best third", "mean quality"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS), metavar="ARM")
    parser.add_argument("--render", action="store_true", help="only make the table of docs/supernet.md again")
    parser.add_argument("--alone", type=int, metavar="STEPS", help="only train the long judge's networks")
    given = parser.parse_args()
    truth = json.loads(TRUTH.read_text())
    if given.alone:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        return train_alone(given.alone, truth)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"runs": {}}
    if not given.render:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        samples = {name: entry["sample"] for name, entry in truth["architectures"].items()}
        for seed in range(given.seeds):
            for arm in given.arms:
                key = f"{arm}, seed {seed}, {given.steps} steps"
                if key not in results["runs"]:
                    results["runs"][key] = measure(arm, seed, given.steps, samples)
                    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    text = render(results, truth)
    print(text)
    if (document := HERE.parent / "docs" / "supernet.md").exists():
        from into_docs import DOCS, put

        put(DOCS / document.name, "ranks", text)


if __name__ == "__main__":
    main()
