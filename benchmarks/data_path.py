"""What the data path adds to a training step: real batches against one fixed batch in memory, in one run.

    python benchmarks/data_path.py [--rounds 8] [--steps 20] [--data rooms] [--json FILE]

Trains the reference network of the shipped study (64x128, batch 8) with its optimiser and losses. Rounds of the
variants are interleaved, so that a busy machine slows all of them alike; printed is the median over rounds of seconds a
step and of the ratio within a round. Time is that of the process's processors.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
# This folder has files called like packages; it comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

VARIANTS = ("one fixed batch", "none", "flip", "flip_zoom")


def batches(data: str, augmentation: str) -> tuple[Any, Iterator[dict[str, Any]]]:
    """The trial's data and its endless batches."""
    from ednas_nni.training import JaredEvaluator

    options = {"data": data, "steps": 10**9, "augmentation": "none" if augmentation == VARIANTS[0] else augmentation}
    trial = JaredEvaluator(**options).module.data
    stream = chain.from_iterable(trial.train_batches() for _ in repeat(None))
    return trial, repeat(next(stream)) if augmentation == VARIANTS[0] else stream


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--data", default="rooms")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    import torch

    from ednas_nni.nn.tree import build
    from ednas_nni.training.schedule import adamw, parameter_groups
    from search_spaces import nano

    torch.set_num_threads(1)
    torch.manual_seed(0)
    streams = {name: batches(options.data, name) for name in VARIANTS}
    trial = streams[VARIANTS[0]][0]
    space = nano({task.name: task.channels for task in trial.tasks})
    network = build(space, space.member("mobilenet_v2_small")).train().to(memory_format=torch.channels_last)
    optimizer = adamw(parameter_groups([network], 1e-4), 1e-3)

    def step(batch: dict[str, torch.Tensor]) -> None:
        outputs = network(batch["image"].contiguous(memory_format=torch.channels_last))
        loss = sum(task.loss(outputs[task.name], batch[task.name]) for task in trial.tasks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for number in range(options.rounds + 1):
        for name in VARIANTS:
            stream = streams[name][1]
            begin = time.process_time()
            for _ in range(options.steps):
                step(next(stream))
            if number:  # the first round warms up
                seconds[name].append((time.process_time() - begin) / options.steps)
    fixed = seconds[VARIANTS[0]]
    rows = {
        name: {
            "ms_per_step": 1e3 * statistics.median(values),
            "ratio": statistics.median(a / b for a, b in zip(values, fixed, strict=True)),
        }
        for name, values in seconds.items()
    }
    print(f"{options.data}, {options.rounds} rounds of {options.steps} steps, batch 8 at 64x128, one thread")
    for name, row in rows.items():
        print(f"{name:>16}  {row['ms_per_step']:7.2f} ms a step  x {row['ratio']:.3f}")
    if options.json:
        record = {"data": options.data, "rounds": options.rounds, "steps": options.steps, "rows": rows}
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
