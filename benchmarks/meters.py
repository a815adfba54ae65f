"""What measuring costs beside predicting: updating each meter against one forward pass of a network.

Run with `python benchmarks/meters.py`; 25 images of 64x128, one thread, median of several rounds. Meters of both
protocols are timed one after the other; a study uses those of one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from ednas_nni.data import DataInfo
from ednas_nni.nn.tree import build, domains_of
from ednas_nni.tasks import base
from ednas_nni.tasks.protocols import PROTOCOLS
from search_spaces import nano

TASKS = {"segmentation": 13, "depth": 1, "normals": 3}
SHAPE = (25, 3, 64, 128)


def median_ms(call: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def batch() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Task name -> prediction and target; a tenth of each target is invalid."""
    n, _, h, w = SHAPE
    normals = functional.normalize(torch.randn(SHAPE), dim=1)
    depth = torch.rand(n, 1, h, w) * 5 + 0.1
    classes = torch.randint(0, TASKS["segmentation"], (n, h, w))
    invalid = torch.rand(n, 1, h, w) < 0.1
    guess = functional.normalize(normals + 0.3 * torch.randn(SHAPE), dim=1)
    return {
        "segmentation": (classes.roll(1, 2), classes.masked_fill(invalid[:, 0], 255)),
        "depth": (depth * 1.1, depth.masked_fill(invalid, 0)),
        "normals": (guess, normals.masked_fill(invalid, 0)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of which the median is shown")
    parser.add_argument("--networks", type=int, default=5, help="random networks of the preset nano")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    space = nano(TASKS)
    domains, rng = domains_of(space), np.random.default_rng(0)
    image, forward = torch.rand(SHAPE).contiguous(memory_format=torch.channels_last), []
    with torch.no_grad():
        for _ in range(options.networks):
            network = build(space, domains.random(rng)).eval()
            forward.append(median_ms(lambda network=network: network(image), max(3, options.rounds // 3)))
    shown = float(np.median(forward))
    print(f"forward pass, nano: {min(forward):.0f} / {shown:.0f} / {max(forward):.0f} ms (min / median / max)")
    data = batch()
    classes = tuple(map(str, range(TASKS["segmentation"])))
    info = DataInfo(name="random", size=SHAPE[2:], classes=classes, counts={}, fingerprint="", depth_max=10.0)
    for name in PROTOCOLS:
        meters = {task: base.TASKS.load(task).for_data(info, name).meter() for task in TASKS}
        parts = {}
        for task, meter in meters.items():
            parts[task] = median_ms(lambda meter=meter, task=task: meter.update(*data[task]), options.rounds)
        end = sum(median_ms(meter.compute, 1) for meter in meters.values())
        listed = ", ".join(f"{task} {ms:.1f} ms" for task, ms in parts.items())
        total = sum(parts.values())
        print(f"{name}: {listed}; together {total:.0f} ms = {total / shown:.1%} of the median forward pass")
        print(f"{name}: compute after {options.rounds} batches {end:.0f} ms")


if __name__ == "__main__":
    main()
