"""Inherited scores of a supernet against separate trainings: rank agreement, quality, seconds, the parts of its recipe.

    python benchmarks/supernet.py [--steps 1500] [--seeds 1] [--arms default ...]       resumable: each supernet is kept
    python benchmarks/supernet.py --space compound --alone 24 [--longer 500]            its judge, resumable
    python benchmarks/supernet.py --space compound --steps 700                          its supernets
    python benchmarks/supernet.py --render                                              the tables of results again

The judges are networks trained alone and scored on `select`. Of `nano` they are benchmarks/results/trust.json: 48
architectures, each trained twice for 750 steps. Of `compound`, the shipped study's space, --alone trains so many,
four members and others spread evenly over the latencies that the study allows, once for --longer steps.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from into_docs import EVIDENCE, grid, put

from ednas_nni.record.whole_file import write_whole

HERE = Path(__file__).resolve().parent
TRUTH, RESULTS = HERE / "results" / "trust.json", HERE / "results" / "supernet.json"
OF_COMPOUND = HERE / "results" / "supernet_compound.json"
"""Judge and supernets of the shipped study's space."""
FIRST_SEED_ALONE, LIMIT = 7000, "latency_ms <= 25"
MEMBERS = ("mobilenet_v2_035", "mobilenet_v2_050", "mobilenet_v2_075", "mobilenet_v2_100")
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
    "learning rate 0.02": {"learning_rate": 0.02},
    "two paths": {"paths": 2},
}


def assembled(space: str, seed: int, **evaluator: Any) -> Any:
    """The study that a supernet, or a training alone, belongs to."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    options = {"threads": 1, "reports": 5, **evaluator}
    plain = {"space": space, "tasks": ["segmentation", "depth", "normals"], "data": "rooms", "device": "edge_tpu"}
    return Assembled(parse({**plain, "evaluator": options, "seed": seed, "constraints": [LIMIT]}))


def measure(space: str, arm: str, seed: int, steps: int, samples: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Make one supernet and score all architectures of the judge with it."""
    study = assembled(space, seed, name="inherited", supernet={"steps": steps, "seed": seed, **ARMS[arm]})
    supernet = study.evaluator.supernet(study.space)
    started = time.perf_counter()
    made = supernet.make()
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    scores = {name: study.trained(sample)[1]["default"] for name, sample in samples.items()}
    each = (time.perf_counter() - started) / len(samples)
    return {"quality": scores, "seconds": seconds if made else None, "seconds_a_score": each}


def train_alone(number: int, steps: int) -> None:
    """Train the judge of `compound`, one network after the other; those that are there are not trained again."""
    from ednas_nni.cost.stratified import stratified

    study = assembled("compound", FIRST_SEED_ALONE, name="jared", steps=steps, scored_on="select")
    table = study.table
    samples = stratified(table, "latency_ms", study.problem.constraints, number - len(MEMBERS), seed=0)
    samples += [study.space.member(name) for name in MEMBERS]
    results = json.loads(OF_COMPOUND.read_text()) if OF_COMPOUND.exists() else {"architectures": {}, "alone": {}}
    # From both ends to the middle and back, so that a judge that is cut short is still spread over latency.
    for i in sorted(range(number), key=lambda i: f"{i:06b}"[::-1]):
        name = table.domains.architecture_id(samples[i])
        costs = {c: float(f"{x:.6g}") for c, x in zip(table.names, table([samples[i]])[0], strict=True)}
        runs = results["alone"].setdefault(str(steps), {})
        if name not in runs:
            runs[name] = study.trained(samples[i])[1]["default"]
            results["architectures"][name] = {"sample": samples[i], "costs": costs}
            write_whole(OF_COMPOUND, json.dumps(results, indent=1) + "\n")


def ranks(scores: np.ndarray, truth: np.ndarray, latency: np.ndarray) -> dict[str, str]:
    """Kendall's tau over all pairs, over pairs of one third by latency, and of the best third, with intervals."""
    from evidence.trust.ranks import agreement, estimate, resampled, same_group, tau

    parts, n = agreement(scores, truth), len(truth)
    thirds = np.argsort(np.argsort(latency)) * 3 // n
    best = np.where(np.argsort(np.argsort(-truth)) < n // 3, 0, -1)
    groups = {"all pairs": np.zeros(n, int), "same cost": thirds, "best third": best}
    return {name: str(estimate(tau(parts, same_group(g), resampled(g)))) for name, g in groups.items()}


def render() -> str:
    """The tables of results/README.md, one a judge."""
    truth, results = json.loads(TRUTH.read_text()), json.loads(RESULTS.read_text())
    judge = {
        a: float(np.mean([run["quality"] for run in runs.values()])) for a, runs in truth["runs"]["longer"].items()
    }
    first = {r: {a: next(iter(v.values()))["quality"] for a, v in of.items()} for r, of in truth["runs"].items()}
    shorter = {
        "one training each, 250 steps": (250, first["study"]),
        "one training each, 500 steps": (500, first["double"]),
    }
    text = [
        "`nano`, judged by 48 architectures trained alone, twice for 750 steps:",
        table(results, shorter, judge, truth),
    ]
    if OF_COMPOUND.exists():
        results = json.loads(OF_COMPOUND.read_text())
        (steps, judge), *_ = results["alone"].items()
        text += [
            f"`compound`, judged by {len(judge)} architectures trained alone, once for {steps} steps:",
            table(results, {}, judge, results),
        ]
    return "\n\n".join(text)


def table(
    results: dict[str, Any],
    shorter: dict[str, tuple[int, dict[str, float]]],
    judge: dict[str, float],
    truth: dict[str, Any],
) -> str:
    """Rank agreement with one judge: of separate trainings, and of every supernet."""
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
    parser.add_argument("--space", default="nano", choices=["nano", "compound"])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS), metavar="ARM")
    parser.add_argument(
        "--render", action="store_true", help="only make the tables of the tables of results/README.md again"
    )
    parser.add_argument("--alone", type=int, metavar="NETWORKS", help="only train the judge of compound")
    parser.add_argument("--longer", type=int, default=500, metavar="STEPS", help="of each of them")
    given = parser.parse_args()
    if given.alone:
        return train_alone(given.alone, given.longer)
    if not given.render:
        path = OF_COMPOUND if given.space == "compound" else RESULTS
        judged = json.loads((OF_COMPOUND if given.space == "compound" else TRUTH).read_text())["architectures"]
        samples = {name: entry["sample"] for name, entry in judged.items()}
        for seed in range(given.seeds):
            for arm in given.arms:
                key = f"{arm}, seed {seed}, {given.steps} steps"
                results = {"runs": {}, **(json.loads(path.read_text()) if path.exists() else {})}
                if key not in results["runs"]:
                    results["runs"][key] = measure(given.space, arm, seed, given.steps, samples)
                    write_whole(path, json.dumps(results, indent=1) + "\n")
    text = render()
    print(text)
    put(EVIDENCE, "ranks", text)


if __name__ == "__main__":
    main()
