"""Figures of the presets: how many architectures, how large, how fast one is drawn, named, built and trained a step.

Run with `python benchmarks/space.py [PRESET ...] [--samples 40]`; everything runs on one thread. `drawn` is what a
strategy does for each candidate: sampling, canonical form and id together. NNI's own `random()` freezes the space for
it, its `SimplifiedModelSpace.random()` gives a sample alone, without canonical form or id. `--write` runs all presets,
keeps the figures in benchmarks/results/space.json and puts the tables into docs/search_space.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from into_docs import DOCS, put

from ednas_nni.compat.nas import SimplifiedModelSpace
from ednas_nni.nn.tree import build, domains_of
from search_spaces import EdnasSpace, presets

RESULTS = Path(__file__).with_name("results") / "space.json"
ORDER = ("nano", "compound", "mobile", "edge_tpu", "single_task", "pretrained", "efficientnet_lite")
TASKS = {"segmentation": 13, "depth": 1, "normals": 3}
SHAPE = (8, 3, 64, 128)


def step_seconds(network: torch.nn.Module, repeats: int = 3) -> float:
    """Processor seconds of the fastest of a few training steps (forward, a loss for each task, backward, AdamW)."""
    network.train()
    image = torch.rand(SHAPE)
    labels = torch.randint(0, 13, (SHAPE[0], *SHAPE[2:]))
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        out = network(image)
        losses = [F.cross_entropy(y, labels) if task == "segmentation" else y.abs().mean() for task, y in out.items()]
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
        times.append(time.process_time() - start)
    return min(times)


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Median processor time, so that neighbours on the machine do not count."""
    times = []
    for _ in range(repeats):
        start = time.process_time_ns()
        call()
        times.append(time.process_time_ns() - start)
    return float(np.median(times)) / 1e6


def figures(preset: str, samples: int) -> dict[str, float | int | list[float]]:
    """All figures of one preset."""
    rng = np.random.default_rng(0)
    tasks = dict(list(TASKS.items())[: presets.load(preset).max_tasks])
    start = time.process_time()
    space = EdnasSpace(tasks, preset)
    construct_s = time.process_time() - start
    domains = domains_of(space)
    start = time.process_time()
    size = domains.size()
    size_ms = 1000 * (time.process_time() - start)

    def drawn() -> str:
        sample = domains.random(rng)
        return domains.architecture_id(domains.canonical(sample))

    sample, other = domains.random(rng), domains.random(rng)
    simplified = SimplifiedModelSpace.from_model(space, None)
    networks = [build(space, domains.random(rng)) for _ in range(samples)]
    found = {
        "labels": len(domains),
        "architectures": size,
        "construct_s": construct_s,
        "domains_ms": median_ms(lambda: domains_of(space), 5),
        "size_ms": size_ms,
        "drawn_ms": median_ms(drawn, 1000),
        "random_ms": median_ms(lambda: domains.random(rng), 1000),
        "canonical_ms": median_ms(lambda: domains.canonical(sample), 1000),
        "architecture_id_ms": median_ms(lambda: domains.architecture_id(sample), 1000),
        "encode_ms": median_ms(lambda: domains.encode(sample), 1000),
        "mutate_ms": median_ms(lambda: domains.mutate(sample, rng), 1000),
        "crossover_ms": median_ms(lambda: domains.crossover(sample, other, rng), 1000),
        "nni_random_ms": median_ms(lambda: space.random(), 3),
        "nni_simplified_random_ms": median_ms(lambda: simplified.random(), 100),
        "build_ms": median_ms(lambda: build(space, sample), 10),
        "parameters": quantiles([sum(p.numel() for p in network.parameters()) for network in networks]),
        "step_cpu_s": quantiles([step_seconds(network) for network in networks]),
    }
    return found


def quantiles(values: list[float]) -> list[float]:
    """0, 10, 50, 90 and 100 %."""
    return [round(float(v), 4) for v in np.percentile(values, (0, 10, 50, 90, 100))]


def presets_table(everything: dict[str, dict]) -> str:
    """What each preset searches and how large it is, in Markdown."""
    rows = ["| preset | what it is | choices | architectures | parameters (10 to 90 %) |", "|---|---|---|---|---|"]
    for preset, found in everything.items():
        size = found["architectures"]
        count = f"{size:,}" if size < 10**12 else f"{size:.1e}".replace("e+", " x 10^")
        text = presets.load(preset).description
        low, high = (found["parameters"][i] / 1e6 for i in (1, 3))
        rows.append(f"| `{preset}` | {text} | {found['labels']} | {count} | {low:.1f} to {high:.1f} M |")
    return "\n".join(rows)


def times_table(everything: dict[str, dict]) -> str:
    """Milliseconds of one thread, in Markdown."""
    columns = {
        "drawn_ms": "sample, canonical form, id",
        "encode_ms": "code",
        "mutate_ms": "mutation",
        "nni_simplified_random_ms": "NNI's sample alone",
        "nni_random_ms": "NNI's `random()`",
        "build_ms": "network built",
    }
    rows = [f"| preset | {' | '.join(columns.values())} |", "|---" * (len(columns) + 1) + "|"]
    for preset, found in everything.items():
        rows.append(
            f"| `{preset}` | "
            + " | ".join(f"{found[name]:.2g}" if found[name] < 10 else f"{found[name]:.0f}" for name in columns)
            + " |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", metavar="PRESET", help=f"{', '.join(presets.names())}; all by default")
    parser.add_argument("--samples", type=int, default=40, help="random networks whose training step is measured")
    parser.add_argument("--write", action="store_true", help="keep the figures and put the tables into the docs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    everything = {}
    for preset in ORDER if options.write else options.presets or ORDER:
        everything[preset] = figures(preset, options.samples)
        print(f"\n{preset}")
        for name, value in everything[preset].items():
            shown = value if isinstance(value, list) else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
            print(f"  {name:<25} {shown}", flush=True)
    if options.write:
        plain = {p: {k: str(v) if k == "architectures" else v for k, v in f.items()} for p, f in everything.items()}
        RESULTS.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
        put(DOCS / "search_space.md", "presets", presets_table(everything))
    print(times_table(everything))


if __name__ == "__main__":
    main()
