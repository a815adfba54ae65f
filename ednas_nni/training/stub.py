"""An evaluator without a network: a smooth, seeded quality computed from the sample.

It lets plumbing, strategies and NNI itself be tried in seconds. It imports no torch.
"""

from __future__ import annotations

import hashlib
import math
import time
from typing import Annotated, Any, Literal

import nni
from pydantic import Field

from ednas_nni.errors import TrialError
from ednas_nni.space.domains import Sample
from ednas_nni.training.evaluator import Metrics, SampleEvaluator, report


@nni.trace
class StubEvaluator(SampleEvaluator):
    """For tests of the search itself: a quality without a training.

    Args:
        tasks: Ignored; the study passes it.
        data: Ignored.
        train_size: Ignored.
        seed: Seed of the noise.
        seconds: That a trial takes.
        noise: Standard deviation added to the quality.
        reports: Number of intermediate results.
        fail_every: Every n-th architecture (by hash) fails.
        steps: Ignored; a study with `finish` passes it.
        scored_on: Ignored; as `steps`.
    """

    def __init__(
        self,
        tasks: tuple[str, ...] = (),
        data: dict[str, Any] | None = None,
        train_size: tuple[int, int] = (64, 128),
        seed: int = 0,
        seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.0,
        noise: Annotated[float, Field(ge=0, le=100)] = 0.0,
        reports: Annotated[int, Field(ge=0, le=1000)] = 3,
        fail_every: Annotated[int, Field(ge=0)] = 0,
        steps: Annotated[int, Field(ge=0)] = 0,
        scored_on: Literal["search", "select"] = "search",
    ) -> None:
        self.seed = seed
        self.seconds = seconds
        self.noise = noise
        self.reports = reports
        self.fail_every = fail_every

    def quality(self, sample: Sample) -> float:
        """Quality in (0, 1): the mean of a fixed pseudo-random worth of each label's value."""
        worth = [_unit(f"{label}={sample[label]}") for label in sorted(sample)]
        wobble = math.sqrt(12) * (_unit(f"{self.seed}:{sorted(sample.items())}") - 0.5)
        return sum(worth) / len(worth) + self.noise * wobble

    def evaluate(self, sample: Sample) -> Metrics:
        """Report intermediate results and the final one through NNI.

        Raises:
            TrialError: For the architectures that `fail_every` selects.
        """
        number = int(hashlib.sha256(repr(sorted(sample.items())).encode()).hexdigest()[:8], 16)
        if self.fail_every and number % self.fail_every == 0:
            raise TrialError("the stub evaluator was told to fail for this architecture")
        value = self.quality(sample)
        for step in range(self.reports):
            time.sleep(self.seconds / max(1, self.reports))
            report({"default": value * (step + 1) / (self.reports + 1)}, final=False)
        final = {"default": value}
        report(final, final=True)
        return final


def _unit(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
