"""A synthetic search problem with the shape of the nano space: seconds instead of hours for strategies and tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ednas_nni.search.core import Core
from ednas_nni.search.problem import Problem, Sample
from ednas_nni.space.domains import Dimension, Domains, Literal
from ednas_nni.study.objectives import parse_constraint, parse_objective

OPS = ("ibn_k3_e3", "ibn_k5_e3", "ibn_k3_e6", "ibn_k5_e6", "fused_k3_e3", "fused_k3_e6")
WIDTHS = {1: (8, 16, 24), 2: (16, 24, 32), 3: (32, 48, 64), 4: (64, 96, 128)}
DEPTH = 3


def nano_like() -> Domains:
    """Four stages with a width, a depth of 1 to 3 and an operation per block; fusion width and a head kind."""
    dimensions = []
    for stage, widths in WIDTHS.items():
        dimensions.append(Dimension(f"stage{stage}_width", widths))
        dimensions.append(Dimension(f"stage{stage}_depth", tuple(range(1, DEPTH + 1))))
        for block in range(DEPTH):
            deeper = frozenset(range(block + 1, DEPTH + 1))
            when = ((),) if block == 0 else (((Literal(f"stage{stage}_depth", deeper),),),)
            dimensions.append(Dimension(f"stage{stage}_block{block}_op", OPS, when))
    dimensions.append(Dimension("fusion_width", (16, 32, 48)))
    dimensions.append(Dimension("head", ("conv", "separable")))
    return Domains(dimensions)


class Synthetic:
    """Quality and cost of a made-up space, `nano_like()` by default; another seed is another landscape.

    Latency adds up block by block (ms, about 1 to 9); quality saturates with capacity, prefers some operations in some
    stages, has pairwise interactions and a random part per trial, of standard deviation `noise`.
    """

    cost_names = ("latency_ms", "macs")

    def __init__(self, seed: int = 0, noise: float = 0.01, domains: Domains | None = None) -> None:
        self.domains = domains or nano_like()
        self.noise = noise
        rng = np.random.default_rng(seed)
        self._taste = {(d.label, v): rng.normal(0, 0.02) for d in self.domains.dimensions for v in d.values}
        labels = list(self.domains.labels)
        self._pairs = [tuple(rng.choice(labels, 2, replace=False)) for _ in range(12)]
        self._pull = {
            (a, va, b, vb): rng.normal(0, 0.015)
            for a, b in self._pairs
            for va in self.domains[a].values
            for vb in self.domains[b].values
        }

    def costs(self, samples: Sequence[Sample]) -> np.ndarray:
        """(n, 2): latency in ms, multiply-adds."""
        return np.array([self._cost(sample) for sample in samples], dtype=np.float64).reshape(len(samples), 2)

    def _cost(self, sample: Sample) -> tuple[float, float]:
        macs, latency, channels = 0.0, 0.7, 8.0
        for stage in WIDTHS:
            pixels = 512 * 1024 / 4 ** (stage + 1)
            width = float(sample[f"stage{stage}_width"])
            for block in range(int(sample[f"stage{stage}_depth"])):
                kind, kernel, expansion = str(sample[f"stage{stage}_block{block}_op"]).split("_")
                inner, area = channels * int(expansion[1]), int(kernel[1]) ** 2
                if kind == "ibn":
                    work, speed = inner * (channels + area + width), 2.2e8 / (1 + area / 40)
                else:
                    work, speed = inner * (area * channels + width), 9.0e8
                macs += pixels * work
                latency += pixels * work / speed + 0.03
                channels = width
        work = 512 * 1024 / 16 * float(sample["fusion_width"]) * (9 if sample["head"] == "conv" else 2) * 16
        return latency + work / 6e8, macs + work

    def quality(self, sample: Sample) -> float:
        """The expected quality, about 0 to 0.8."""
        active = self.domains.active(sample)
        capacity = math.log(self._cost(self.domains.canonical(sample))[1] / 2e8)
        taste = sum(self._taste[label, value] for label, value in active.items())
        taste /= math.sqrt(len(active) / 12)
        pull = sum(self._pull[a, active[a], b, active[b]] for a, b in self._pairs if a in active and b in active)
        return 0.75 / (1 + math.exp(-0.7 * capacity)) + taste + pull - 0.05

    def trial(self, sample: Sample, rng: np.random.Generator) -> dict[str, float]:
        """What a trial would report: noisy quality and one flat metric."""
        value = self.quality(sample) + self.noise * float(rng.normal())
        return {"default": value, "segmentation_miou": value / 2}

    def problem(
        self, constraints: Sequence[str] = ("latency_ms <= 3",), objectives: Sequence[str] = ("quality", "latency_ms")
    ) -> Problem:
        """The problem a strategy sees."""
        return Problem(
            domains=self.domains,
            cost_names=self.cost_names,
            costs=self.costs,
            objectives=tuple(parse_objective(text) for text in objectives),
            constraints=tuple(parse_constraint(text) for text in constraints),
        )


def drive(core: Core, world: Synthetic, budget: int, rng: np.random.Generator, workers: int = 1) -> list[Sample]:
    """Run an ask/tell core on a synthetic problem; returned are the samples in the order in which they were asked.

    `rng` draws the noise, and which of the `workers` running trials ends next.
    """
    asked: list[Sample] = []
    running: list[Sample] = []
    names = [o.name for o in core.problem.objectives]
    while len(asked) < budget or running:
        while len(asked) < budget and len(running) < workers:
            sample = core.ask()
            if sample is None:
                break
            asked.append(sample)
            running.append(sample)
        if not running:
            break
        sample = running.pop(int(rng.integers(len(running))))
        quality = world.trial(sample, rng)["default"]
        costs = core.problem.cost_dict(sample)
        core.tell(sample, {name: costs.get(name, quality) for name in names})
    return asked
