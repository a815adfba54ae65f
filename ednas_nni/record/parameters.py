"""What a trial is asked for: an architecture, and where it finishes a network, seed and steps of that training.

All of it stands in the parameters of NNI's trial: there the web UI shows it, a trial on another machine finds it, and a
job that NNI runs again still has it. Labels of a space hold no dots, so these two cannot be some:
`{"stage1_op": "ibn_k3_e3", ..., "finish.seed": 2000, "finish.steps": 500}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ednas_nni.errors import SampleError
from ednas_nni.space.dimensions import Sample

if TYPE_CHECKING:
    from ednas_nni.space.domains import Domains

SEED, STEPS = "finish.seed", "finish.steps"
FIRST_SEED = 2000
"""Of trainings that confirm; searches count from the study's, baselines from 1000, trust from 5000."""
SPLIT = "select"
"""What those trainings are scored on: images that no candidate has seen."""


@dataclass(frozen=True)
class TrialParameters:
    """An architecture, to be scored in the search, or to be finished.

    Attributes:
        sample: Of the architecture.
        seed: Of a training that finishes its network; None = a trial of the search.
        steps: Of that training.
    """

    sample: Sample
    seed: int | None = None
    steps: int | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, object], domains: Domains | None = None) -> TrialParameters:
        """Read what NNI has; with domains the sample becomes canonical, inactive labels may be missing.

        Raises:
            SampleError: The sample is not of the domains, or a seed or number of steps is none.
        """
        rest = dict(parameters)
        seed, steps = rest.pop(SEED, None), rest.pop(STEPS, None)
        if (seed, steps) != (None, None) and not all(type(n) is int and n >= 0 for n in (seed, steps)):
            raise SampleError(f"{SEED} = {seed!r} and {STEPS} = {steps!r}: both must be whole numbers, at least 0.")
        sample = rest if domains is None else domains.complete(rest)
        return cls(sample, seed, steps)  # type: ignore[arg-type]  # looked at above

    def whole(self) -> Sample:
        """As NNI gets them."""
        return self.sample if self.seed is None else {**self.sample, SEED: self.seed, STEPS: self.steps}

    def key(self, domains: Domains) -> str:
        """What one training is told by: the architecture's id, with `-` and the seed where a network is finished."""
        return key_of(domains.architecture_id(self.sample), self.seed)


def key_of(architecture: str, seed: int | None) -> str:
    """As `TrialParameters.key`."""
    return architecture if seed is None else f"{architecture}-{seed}"


def key_in(domains: Domains, parameters: object) -> str | None:
    """The key of what somebody else stored; None where that is nothing of this space."""
    try:
        return TrialParameters.of(parameters, domains).key(domains) if isinstance(parameters, Mapping) else None
    except SampleError:
        return None
