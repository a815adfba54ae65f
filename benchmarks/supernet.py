"""Inherited scores of a supernet against separate trainings: rank agreement, quality, seconds, the parts of its recipe.

    python benchmarks/supernet.py [--steps 1500] [--seeds 1] [--arms default own ...]   resumable: each supernet is kept
    python benchmarks/supernet.py --render                                              docs/supernet.md again

The judge is benchmarks/results/trust.json: 48 architectures of `nano`, each trained alone, twice for 750 steps, scored
on `select`. That is itself a short training: agreement with it is a lower bound of what a longer judge would see.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

# This file is called like a module of the package it measures: its own folder comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

HERE = Path(__file__).resolve().parent
TRUTH, RESULTS = HERE / "results" / "trust.json", HERE / "results" / "supernet.json"
ARMS: dict[str, dict[str, Any]] = {
    "default": {},
    "own weights per operation": {"sharing": "own"},
    "without the sandwich rule": {"sandwich": False},
    "half distilled": {"distillation": 0.5},
    "labels drawn evenly": {"sampling": "labels"},
    "largest first": {"warm_up": 0.1},
    "prototype: own weights, no sandwich, labels": {"sharing": "own", "sandwich": False, "sampling": "labels"},
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
    study = assembled(seed, {"steps": steps, "seed": seed, **ARMS[arm]})
    supernet = study.evaluator.supernet(study.space)
    started = time.perf_counter()
    made = supernet.make()
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    scores = {name: study.trained(sample)[1]["default"] for name, sample in samples.items()}
    each = (time.perf_counter() - started) / len(samples)
    return {"quality": scores, "seconds": seconds if made else None, "seconds_a_score": each}


def pace(steps: int = 12) -> float:
    """Seconds of a supernet's step over those of its paths as ordinary networks, side by side; the median ratio."""
    import torch

    from ednas_nni.nn.elastic import SharedWeights
    from ednas_nni.nn.tree import build
    from ednas_nni.training.schedule import adamw, parameter_groups
    from ednas_nni.training.supernet.paths import Paths

    torch.set_num_threads(1)
    study = assembled(0, {})
    macs = study.table.names.index("macs")
    paths = Paths(study.domains, lambda codes: study.table.encoded(codes)[:, macs], 0)
    shared = SharedWeights(study.space)
    image = torch.rand(8, 3, 64, 128).contiguous(memory_format=torch.channels_last)
    optimizer = adamw(parameter_groups([shared], 1e-4), 0.01)
    ratios = []
    for _ in range(steps):
        samples = paths.step(4, sandwich=True)
        networks = [build(study.space, sample) for sample in samples]
        alone = [adamw(parameter_groups([network], 1e-4), 0.01) for network in networks]
        started = time.perf_counter()
        for network, own in zip(networks, alone, strict=True):
            sum(output.square().mean() for output in network(image).values()).backward()
            own.step()
        bare = time.perf_counter() - started
        started = time.perf_counter()
        losses = [sum(output.square().mean() for output in shared.run(s, image).values()) for s in samples]
        (sum(losses) / len(losses)).backward()
        optimizer.step()
        optimizer.zero_grad()
        ratios.append((time.perf_counter() - started) / bare)
    return statistics.median(ratios[2:])


def ranks(scores: np.ndarray, truth: np.ndarray, latency: np.ndarray) -> dict[str, str]:
    """Kendall's tau over all pairs, over pairs of one third by latency, and of the best third, with intervals."""
    from ednas_nni.trust.ranks import agreement, estimate, resampled, same_group, tau

    parts, n = agreement(scores, truth), len(truth)
    thirds = np.argsort(np.argsort(latency)) * 3 // n
    best = np.where(np.argsort(np.argsort(-truth)) < n // 3, 0, -1)
    groups = {"all pairs": np.zeros(n, int), "same cost": thirds, "best third": best}
    return {name: str(estimate(tau(parts, same_group(g), resampled(g)))) for name, g in groups.items()}


def render(results: dict[str, Any], truth: dict[str, Any]) -> str:
    """The table of docs/supernet.md."""
    from into_docs import grid

    names = list(truth["architectures"])
    latency = np.array([truth["architectures"][a]["costs"]["latency_ms"] for a in names])

    def trained(recipe: str, seed: int | None = None) -> np.ndarray:
        runs = [[run["quality"] for run in truth["runs"][recipe][a].values()] for a in names]
        return np.array([np.mean(r) if seed is None else r[seed] for r in runs])

    judge, rows = trained("longer"), []
    for recipe, steps in (("study", 250), ("double", 500)):
        one = trained(recipe, 0)
        agreed = ranks(one, judge, latency).values()
        rows.append([f"one training each, {steps} steps", f"{8 * steps * len(names):,}", *agreed, f"{one.mean():.3f}"])
    for key, result in results["runs"].items():
        one = np.array([result["quality"][a] for a in names])
        steps = int(key.split(", ")[-1].split()[0])
        images = f"{8 * 4 * steps:,}"
        rows.append([f"supernet, {key}", images, *ranks(one, judge, latency).values(), f"{one.mean():.3f}"])
    head = ["scores", "images seen", "tau, all pairs", "tau, same cost", "tau, best third", "mean quality"]
    return grid(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS), metavar="ARM")
    parser.add_argument("--render", action="store_true", help="only make the table of docs/supernet.md again")
    given = parser.parse_args()
    truth = json.loads(TRUTH.read_text())
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
        results["pace"] = pace()
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    table = render(results, truth)
    print(table)
    if (document := HERE.parent / "docs" / "supernet.md").exists():
        from into_docs import DOCS, put

        put(DOCS / document.name, "ranks", table)


if __name__ == "__main__":
    main()
