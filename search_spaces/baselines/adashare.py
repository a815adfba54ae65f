"""AdaShare: of one ResNet that all tasks share, each task runs some residual blocks and skips the others.

Source: Sun, Panda, Feris, Saenko, "AdaShare: Learning What To Share For Efficient Deep Multi-Task Learning", NeurIPS
2020, arXiv 1911.12423. `search_spaces.baselines.policy` learns which task runs which block.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from ednas_nni.errors import StudyError
from ednas_nni.nn.blocks.conv import ConvNorm
from ednas_nni.nn.choice import layer_choice
from ednas_nni.nn.elementwise import Channels, MaxPool
from search_spaces.baselines.deeplab import BLOCKS, DILATIONS, STRIDES, DeepLab, Residual

MOST_TASKS = 4
"""The space holds a block for each set of tasks."""
NONE = "none"


class Chosen(nn.Module):
    """Which tasks run a block.

    Attributes:
        runs: For each task.
        shares: (tasks,) in [0, 1], how much of a block that a task runs it takes instead of the shortcut; None = all.
    """

    def __init__(self, runs: Sequence[bool]) -> None:
        super().__init__()
        self.runs = tuple(runs)
        self.shares: torch.Tensor | None = None

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"runs={self.runs}"


class SelectedBlock(nn.Module):
    """A residual block of all tasks that run it, each on features of its own; the others go on with the shortcut."""

    def __init__(self, runs: Sequence[bool], inputs: Channels, outputs: Channels, stride: int, dilation: int) -> None:
        super().__init__()
        self.chosen = Chosen(runs)
        self.block = Residual(inputs, outputs, stride, dilation) if any(runs) else None

    def forward(self, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The tasks' next features, of their features and then their shortcuts."""
        runs, shares = self.chosen.runs, self.chosen.shares
        results = []
        for task, (x, shortcut) in enumerate(zip(given[: len(runs)], given[len(runs) :], strict=True)):
            y = self.block(x, shortcut) if runs[task] and self.block is not None else shortcut
            results.append(y if shares is None else torch.lerp(shortcut, y, shares[task]))
        return tuple(results)


class SelectedStage(nn.Module):
    """Stage number `i`, from 0: as `deeplab.Stage`, with a choice for each block."""

    def __init__(self, i: int, blocks: int, widths: Sequence[Channels], tasks: Sequence[str]) -> None:
        super().__init__()
        inputs, outputs = widths[max(0, i - 1)], widths[i]
        self.shortcut = ConvNorm(inputs, outputs, 1, STRIDES[i], activation=None) if i else None
        # All tasks first, which is hard sharing; a supernet keeps one block for all sets of tasks.
        sets = sorted(itertools.product((True, False), repeat=len(tasks)), key=lambda runs: -sum(runs))
        named = {"+".join(itertools.compress(tasks, runs)) or NONE: runs for runs in sets}
        families = {name: "block" for name in named if name != NONE}
        self.blocks = nn.ModuleList()
        for j in range(blocks):
            place = (outputs if j else inputs, outputs, 1 if j else STRIDES[i], DILATIONS[i])
            candidates = {name: partial(SelectedBlock, runs, *place) for name, runs in named.items()}
            self.blocks.append(layer_choice(candidates, f"stage{i + 1}_block{j + 1}", families))

    def forward(self, *features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Map the tasks' features to those of the next stage."""
        for j, block in enumerate(self.blocks):
            shortcuts = features if self.shortcut is None or j else tuple(map(self.shortcut, features))
            features = block(*features, *shortcuts)
        return features


class AdaShareSpace(DeepLab):
    """A DeepLab-ResNet of which each task runs some blocks: a label for each block says which tasks do.

    Each task computes its features by itself from the stem on, as AdaShare counts its MACs, also where two tasks run
    the same blocks so far. Members run all blocks for all tasks.
    """

    def construct(self, layers: int) -> None:
        """As `DeepLab.construct`.

        Raises:
            StudyError: There are too many tasks.
        """
        if len(self.tasks) > MOST_TASKS:
            raise StudyError(f"The search space adashare takes at most {MOST_TASKS} tasks, not {len(self.tasks)}.")
        self.stem = ConvNorm(3, self.features[0], 7, 2, activation="relu")
        self.pool = MaxPool(self.features[0])
        self.stages = nn.ModuleList(
            SelectedStage(i, blocks, self.features, self.tasks) for i, blocks in enumerate(BLOCKS[layers])
        )

    def encoded(self, image: torch.Tensor) -> Sequence[torch.Tensor]:
        """As `DeepLab.encoded`."""
        features = (self.pool(self.stem(image)),) * len(self.tasks)
        for stage in self.stages:
            features = stage(*features)
        return features
