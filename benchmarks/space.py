"""Figures of the nano space: how many architectures, how large, how long a training step takes.

Run with `python benchmarks/space.py [--samples 60]`; everything runs on one thread.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
import torch.nn.functional as F

from ednas_nni.nn.tree import build, domains_of
from search_spaces import EdnasSpace, nano

TASKS = {"segmentation": 13, "depth": 1, "normals": 3}
SHAPE = (8, 3, 64, 128)


def step_seconds(network: torch.nn.Module, repeats: int = 4) -> float:
    """Processor seconds of the fastest of a few training steps (forward, three losses, backward, AdamW)."""
    network.train()
    image = torch.rand(SHAPE)
    labels = torch.randint(0, 13, (SHAPE[0], *SHAPE[2:]))
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        out = network(image)
        loss = F.cross_entropy(out["segmentation"], labels) + out["depth"].abs().mean() + out["normals"].abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append(time.process_time() - start)
    return min(times)


def median_ms(call, repeats: int = 300) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def quantiles(values: list[float]) -> str:
    return "  ".join(
        f"{q} %: {v:.3g}"
        for q, v in zip((0, 10, 50, 90, 100), np.percentile(values, (0, 10, 50, 90, 100)), strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=60, help="random architectures to measure")
    n = parser.parse_args().samples
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    start = time.process_time()
    space: EdnasSpace = nano(TASKS)
    print(f"constructing the space      {time.process_time() - start:.2f} s")
    domains = domains_of(space)
    print(f"architectures               {domains.size():,}")
    print(f"domains_of                  {median_ms(lambda: domains_of(space), 20):.2f} ms (median)")
    sample = domains.random(rng)
    print(f"build                       {median_ms(lambda: build(space, sample), 20):.1f} ms (median)")
    print(f"random                      {median_ms(lambda: domains.random(rng)):.3f} ms (median)")
    print(f"canonical                   {median_ms(lambda: domains.canonical(sample)):.3f} ms (median)")
    print(f"architecture_id             {median_ms(lambda: domains.architecture_id(sample)):.3f} ms (median)")
    print(f"mutate                      {median_ms(lambda: domains.mutate(sample, rng)):.3f} ms (median)")
    other = domains.random(rng)
    print(f"crossover                   {median_ms(lambda: domains.crossover(sample, other, rng)):.3f} ms (median)")
    print(f"encode                      {median_ms(lambda: domains.encode(sample)):.3f} ms (median)")
    networks = [build(space, domains.random(rng)) for _ in range(n)]
    print(f"parameters, {n} random      {quantiles([sum(p.numel() for p in x.parameters()) for x in networks])}")
    print(f"training step in CPU s, {SHAPE} {quantiles([step_seconds(x) for x in networks])}")
    for name in ("mobilenet_v2", "efficientnet_edgetpu"):
        network = build(space, space.member(name))
        count = sum(p.numel() for p in network.parameters())
        print(f"{name}: {count:,} parameters, {step_seconds(network):.3f} CPU s a step")


if __name__ == "__main__":
    main()
