"""What a training step of the evaluator costs beside the network: against a bare torch loop over one fixed batch.

    python benchmarks/step_time.py [--rounds 5] [--steps 40] [--json benchmarks/results/step_time.json]
    python benchmarks/step_time.py --render benchmarks/results/step_time.json    the table again

Both train the same network with the same losses and AdamW on one thread. The bare loop has its batch in memory and does
nothing else: no data, no schedule, no clipping, no check for values that are not finite, no Lightning. A step of the
evaluator is what a longer training takes beyond a shorter one, so that opening the data and scoring count for nothing.
Rounds of both alternate and processor time is counted, so that other processes disturb little.
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

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path[:] = [*sys.path[1:], sys.path[0]]

ROOT = Path(__file__).resolve().parents[1]
STUDY = "experiments/separate.yml"
NETWORKS = ("mobilenet_v2_small", "random 1", "random 2")


def networks(study: Any) -> dict[str, Any]:
    """Builders of a named and two random networks."""
    import random

    from ednas_nni.nn.tree import build, domains_of
    from ednas_nni.search.assembled import Assembled

    space = Assembled(study).space
    domains, rng = domains_of(space), random.Random(7)
    samples = {NETWORKS[0]: space.member(NETWORKS[0])}
    for name in NETWORKS[1:]:
        samples[name] = domains.canonical({d.label: rng.choice(d.values) for d in domains.dimensions})
    return {name: (lambda sample=sample: build(space, sample)) for name, sample in samples.items()}


def bare(network: Any, evaluator: Any, steps: int) -> float:
    """Processor seconds a step of the bare loop."""
    import torch

    from ednas_nni.training.data import TrialData

    data = TrialData(evaluator.recipe)
    batch = next(iter(data.train_batches()))
    image = batch["image"].contiguous(memory_format=torch.channels_last)
    network.train().to(memory_format=torch.channels_last)
    tasks = data.tasks
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        outputs = network(image)
        loss = sum(task.loss(outputs[task.name], batch[task.name]) for task in tasks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step()
    began = time.process_time()
    for _ in range(steps):
        step()
    return (time.process_time() - began) / steps


def ours(build: Any, shorter: Any, longer: Any) -> float:
    """Processor seconds a step of the evaluator."""
    import contextlib
    import io

    def seconds(evaluator: Any) -> float:
        network = build()
        began = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            evaluator.evaluate(network)
        return time.process_time() - began

    return (seconds(longer) - seconds(shorter)) / (longer.recipe.steps - shorter.recipe.steps)


def measure(rounds: int, steps: int) -> dict[str, Any]:
    """Alternating rounds on every network."""
    import torch
    from tqdm import tqdm

    from ednas_nni.bridge.manager.experiment_file import read
    from ednas_nni.search.assembled import Assembled

    torch.set_num_threads(1)
    study = read(ROOT / STUDY).study
    Assembled(study).source.prepare()

    def evaluator(count: int) -> Any:
        options = {**study.evaluator.options, "steps": count, "reports": 1}
        chosen = study.evaluator.model_copy(update={"options": options})
        return Assembled(study.model_copy(update={"evaluator": chosen})).evaluator

    shorter, longer = evaluator(10), evaluator(10 + steps)
    record: dict[str, Any] = {"study": STUDY, "steps": steps, "rounds": {}}
    for name, build in networks(study).items():
        found = []
        for number in tqdm(range(rounds + 1), desc=name):
            pair = (bare(build(), longer, steps), ours(build, shorter, longer))
            if number:  # the first round warms caches
                found.append([float(f"{value:.4g}") for value in pair])
        record["rounds"][name] = found
    return record


def table(record: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        f"Milliseconds of processor time a step, medians of rounds of {record['steps']} steps; the ratio is the median "
        "over rounds, with the smallest and the largest:",
        "",
        "| network | bare loop | evaluator | ratio |",
        "|---|---|---|---|",
    ]
    for name, rounds in record["rounds"].items():
        ratios = [b / a for a, b in rounds]
        low, mid, high = min(ratios), statistics.median(ratios), max(ratios)
        cells = [f"{statistics.median(column) * 1000:.1f}" for column in zip(*rounds, strict=True)]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {mid:.2f} ({low:.2f} to {high:.2f}) |")
    return "\n".join(lines)


def main() -> None:
    """Measure or render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--render", type=Path)
    options = parser.parse_args()
    if options.render:
        record = json.loads(options.render.read_text(encoding="utf-8"))
        print(table(record))
    else:
        record = measure(options.rounds, options.steps)
        if options.json:
            options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(table(record))


if __name__ == "__main__":
    main()
