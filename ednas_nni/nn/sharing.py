"""How much of the network a task shares with the others: at which stage it leaves the shared trunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ednas_nni.space.domains import Condition, Literal


def options(stages: int) -> tuple[str, ...]:
    """Every way to share in a network of so many stages, from everything to nothing but the stem."""
    return ("shared", "own_fusion", *(f"own_stage{i}" for i in range(stages, 0, -1)))


def trunk_stages(option: str, stages: int) -> int:
    """How many of the trunk's stages a task reads that shares by an option of `options(stages)`."""
    return stages if option in ("shared", "own_fusion") else int(option.removeprefix("own_stage")) - 1


def label(task: str) -> str:
    """Label of a task's choice."""
    return f"{task}_sharing"


class Shared(nn.Module):
    """The task reads the shared fused feature."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Pass on the last input, the shared fused feature."""
        return inputs[-1]


class OwnBranch(nn.Module):
    """The task leaves the trunk: own stages, those of the highest numbers, and an own fusion over all features."""

    def __init__(self, stages: Sequence[nn.Module], fusion: nn.Module) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.fusion = fusion

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Fuse own and shared features to (N, fused channels, H / 4, W / 4).

        Given are the stem's output, the trunk's features finest first, and the shared fused feature. Those that this
        branch does not read may be anything.
        """
        shared = len(inputs) - 2 - len(self.stages)
        features = list(inputs[1 : 1 + shared])
        x = inputs[shared]
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return self.fusion(*features)


def liveness(tasks: Sequence[str], choices: Sequence[str], stages: int) -> Mapping[str, Condition]:
    """Module path -> when it is used: the shared stages and the shared fusion, which not every sample uses."""
    # A shared part is used where at least one task takes a way that passes through it: one clause, with one literal a
    # task. Example: two stages, tasks a and b, ways shared, own_fusion, own_stage2. The fusion is used by `shared`
    # alone, so it lives where a_sharing or b_sharing is `shared`; stage 2 lives where one of them is `shared` or
    # `own_fusion`; every way passes through stage 1, so it always lives and is not named.
    users = {"fusion": {option for option in choices if option == "shared"}}
    for i in range(stages):
        users[f"stages.{i}"] = {option for option in choices if trunk_stages(option, stages) > i}
    return {
        path: (tuple(Literal(label(task), frozenset(using)) for task in tasks if using),)
        for path, using in users.items()
        if len(using) < len(choices)
    }
