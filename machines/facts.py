"""What a machine said of itself (`machines.host facts`), and how many trials it has room for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ednas_nni.errors import ExperimentError

if TYPE_CHECKING:
    from machines.ssh import RemoteMachine

CORES_A_TRIAL = 2
"""Cores of a trial without a GPU: a training of our size gains little from more."""


@dataclass(frozen=True)
class Facts:
    """See `machines.host.facts`; `missing` are the paths of those asked for that are not there."""

    versions: Mapping[str, str]
    cores: int
    memory_bytes: int
    free_bytes: int
    gpus: tuple[str, ...]
    cache: str
    missing: tuple[str, ...]

    @classmethod
    def of(cls, answer: Mapping[str, object]) -> Facts:
        """From the JSON; ExperimentError: it is none of ours."""
        try:
            versions, gpus, missing = answer["versions"], answer["gpus"], answer["missing"]
            if not (isinstance(versions, dict) and isinstance(gpus, list) and isinstance(missing, list)):
                raise TypeError
            return cls(
                {str(name): str(value) for name, value in versions.items()},
                int(str(answer["cores"])),
                int(str(answer["memory_bytes"])),
                int(str(answer["free_bytes"])),
                tuple(str(gpu.get("model") or gpu.get("index")) for gpu in gpus if isinstance(gpu, dict)),
                str(answer["cache"]),
                tuple(map(str, missing)),
            )
        except (KeyError, TypeError, ValueError):
            raise ExperimentError(f"a machine describes itself by what cannot be read: {str(answer)[:200]}") from None

    def suggested(self, machine: RemoteMachine, gpus: int) -> int:
        """Trials at a time: one a usable GPU, times `maxTrialNumberPerGpu`, else one for two cores."""
        if gpus:
            usable = len(self.gpus if machine.gpus is None else machine.gpus)
            return usable * machine.per_gpu // gpus
        return max(1, self.cores // CORES_A_TRIAL)

    def room(self, machine: RemoteMachine, gpus: int) -> int:
        """The most trials at a time that make sense there: four a core, or what the GPUs take."""
        return self.suggested(machine, gpus) if gpus else 4 * self.cores
