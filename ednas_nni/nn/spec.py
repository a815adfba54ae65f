"""The numbers of a multi-task space: what is fixed and what is searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nni

Widths = tuple[int, ...]
"""One number of channels, or several to choose from."""


@dataclass(frozen=True)
class StageSpec:
    """One stage of the encoder.

    Attributes:
        channels: Output channels.
        depth: Least and greatest number of blocks.
        ops: Names of each block's candidates.
    """

    channels: Widths
    depth: tuple[int, int]
    ops: tuple[str, ...]


@dataclass(frozen=True)
class TemplateSpec:
    """A multi-task space.

    Attributes:
        stem: Channels of the stem, a 3 x 3 convolution of stride 2; 0 with `encoders`.
        stages: Encoder stages; each halves the resolution, so stage i (from 1) ends at stride 2^(i + 1).
            None with `encoders`.
        fusions: Kinds of fusion to choose from.
        fusion: Channels of the fused feature.
        heads: Kinds of head to choose from, for each task.
        head: Inner channels of each head.
        sharing: Where a task may leave the shared network: `shared` (its head alone is its own), `own_fusion`,
            `own_stage4` (that stage, all after it and the fusion) and so on.
        activation: Name of the activation of all blocks.
        encoders: Names of published encoders to choose from, instead of stem and stages.
        max_tasks: How many tasks there may be; None = any number.
    """

    stem: int
    stages: tuple[StageSpec, ...]
    fusions: tuple[str, ...]
    fusion: Widths
    heads: tuple[str, ...]
    head: int
    sharing: tuple[str, ...] = ("shared",)
    activation: str = "relu6"
    encoders: tuple[str, ...] = ()
    max_tasks: int | None = None


def width(label: str, channels: Widths) -> Any:
    """The number of channels, as a choice named `label` where there are several."""
    return nni.choice(label, list(channels)) if len(channels) > 1 else channels[0]
