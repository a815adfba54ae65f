"""A supernet's step against the same networks in a bare loop, side by side, and what a second thread gives.

    python benchmarks/supernet_pace.py [--steps 30] [--rounds 3]

Both train the paths that the supernet draws, on the same batches with the same losses: the bare loop has networks with
weights of their own, built beforehand, and one optimiser step a batch; the supernet builds each path anew on shared
weights, clips, schedules and keeps checkpoints. Writes benchmarks/results/supernet_pace.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
# This folder holds files that are called like modules of the package: it comes last.
sys.path[:] = [*sys.path[1:], sys.path[0]]

RESULTS = Path(__file__).resolve().parent / "results" / "supernet_pace.json"
TASKS = ["segmentation", "depth", "normals"]


def supernet(steps: int, threads: int) -> Any:
    """Of the shipped space and data."""
    from ednas_nni.search.assembled import Assembled
    from ednas_nni.study import parse

    evaluator = {"name": "inherited", "supernet": {"steps": steps}, "threads": threads, "reports": 1}
    study = {"space": "nano", "tasks": TASKS, "data": "rooms", "device": "edge_tpu", "evaluator": evaluator}
    assembled = Assembled(parse({**study, "evaluator": {**evaluator, "accelerator": "cpu"}}))
    return assembled.evaluator.supernet(assembled.space)


def shared_s(steps: int, threads: int) -> float:
    """Seconds of a step of the supernet."""
    made = supernet(steps, threads)
    made.make()
    seconds = float(made.made["seconds"])
    shutil.rmtree(made.folder)
    return seconds / steps


def bare_s(steps: int) -> float:
    """Seconds of a step of the bare loop."""
    import torch

    from ednas_nni.nn.tree import build
    from ednas_nni.training.data import TrialData

    one = supernet(steps, 1)
    batches = list(TrialData(one.recipe).train_batches(0))[:steps]
    paths = [one.paths.step(one.options.paths, False) for _ in batches]
    networks = [[build(one._space, sample).train() for sample in step] for step in paths]
    data = TrialData(one.recipe)
    largest = [max((list(n.parameters()) for n in step), key=len) for step in networks]
    optimisers = [torch.optim.AdamW(parameters, fused=True) for parameters in largest]
    begun = time.perf_counter()
    for batch, step, optimiser in zip(batches, networks, optimisers, strict=True):
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        for network in step:
            outputs = network(image)
            sum(task.loss(outputs[task.name], batch[task.name]) for task in data.tasks).backward()
        optimiser.step()
    return (time.perf_counter() - begun) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDNAS_CACHE"] = folder
        for _ in range(given.rounds):
            both = {"one": shared_s(given.steps, 1), "bare": bare_s(given.steps), "two": shared_s(given.steps, 2)}
            print(both, flush=True)
            rounds.append(both)
    ratios = {name: statistics.median(r[name] / r["bare"] for r in rounds) for name in ("one", "two")}
    print(f"a step against the bare loop: {ratios['one']:.2f} with one thread, {ratios['two']:.2f} with two")
    RESULTS.write_text(json.dumps({"steps": given.steps, "seconds": rounds, "ratios": ratios}, indent=1) + "\n")


if __name__ == "__main__":
    main()
