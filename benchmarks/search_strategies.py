"""Strategies on synthetic landscapes of the nano space's shape: hypervolume after 24, 40 and 60 trials.

    python benchmarks/search_strategies.py [--seeds 30] [--workers 2] [--noise 0.02]

Each seed is another start and one of ten landscapes; all strategies see the same latency limit (about 40 % of random
samples meet it) and the same noise per trial. Scored is the noise-free quality of what was trained, from quality 0
and the limit: hypervolume in quality x ms. NNI's regularized_evolution runs as in a real search, with the
hardware-aware reward, behind the same middlewares.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from against_random import RandomFeasible, true_hypervolume

# This file is called like the package it measures: its own folder must not come first.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

from ednas_nni.testing.strategies import search  # noqa: E402
from ednas_nni.testing.synthetic import Synthetic, drive  # noqa: E402

BUDGETS = (24, 40, 60)
LANDSCAPES = 10


def evolution(world, problem, seed, workers, folder):
    from strategies.evolution import Evolution

    return drive(Evolution(problem, seed=seed), world, max(BUDGETS), np.random.default_rng(1000 + seed), workers)


def plain_evolution(world, problem, seed, workers, folder):
    from strategies.evolution import Evolution

    core = Evolution(problem, seed=seed, surrogate=False)
    return drive(core, world, max(BUDGETS), np.random.default_rng(1000 + seed), workers)


def random_feasible(world, problem, seed, workers, folder):
    return drive(RandomFeasible(problem, seed), world, max(BUDGETS), np.random.default_rng(1000 + seed), workers)


def regularized(world, problem, seed, workers, folder):
    import strategies

    chain = strategies.regularized_evolution(seed=seed)
    path = Path(folder) / f"{seed}.jsonl"
    target = problem.constraints[0].bound
    _, fake, _ = search(chain, world, problem, path, max(BUDGETS), workers, {"target": target}, seed=1000 + seed)
    return fake.submitted


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--noise", type=float, default=0.02)
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # NNI warns about every model that a constraint refused
    runs = {"random": random_feasible, "regularized_evolution": regularized, "ednas": evolution}
    runs["ednas without surrogate"] = plain_evolution
    volumes = {}
    for name, run in runs.items():
        begin = time.perf_counter()
        rows = []
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(options.seeds):
                world = Synthetic(seed % LANDSCAPES, options.noise)
                problem = world.problem()
                asked = run(world, problem, seed, options.workers, folder)
                rows.append([true_hypervolume(world, problem, asked[:n]) for n in BUDGETS])
        volumes[name] = np.array(rows)
        print(f"{name}: {(time.perf_counter() - begin) / options.seeds:.2f} s a search", flush=True)
    print(f"\nhypervolume (quality x ms), mean over {options.seeds} seeds, and against random: mean ratio, wins")
    print(f"{'':24s}" + "".join(f"{n:>3d} trials{'':21s}" for n in BUDGETS))
    for name, found in volumes.items():
        cells = []
        for column in range(len(BUDGETS)):
            ratio = found[:, column] / volumes["random"][:, column]
            wins = int((found[:, column] > volumes["random"][:, column]).sum())
            error = ratio.std(ddof=1) / np.sqrt(len(ratio))
            cells.append(f"{found[:, column].mean():.3f}  x{ratio.mean():.2f}+-{error:.2f}  {wins:>2d}/{len(ratio)}")
        print(f"{name:24s}" + "".join(f"{cell:31s}" for cell in cells))


if __name__ == "__main__":
    main()
