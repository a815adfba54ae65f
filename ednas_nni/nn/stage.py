"""A stage: blocks of one width at one resolution, the first of which changes both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from ednas_nni.compat.nas import Repeat
from ednas_nni.nn.blocks import block_choice


def stage(
    name: str,
    ops: Sequence[str],
    inputs: Any,
    outputs: Any,
    stride: int,
    depth: tuple[int, int],
    activation: str = "relu6",
) -> nn.Module:
    """Blocks `{name}_block1_op`, `{name}_block2_op` ...; `{name}_depth` says how many of them there are.

    The first block changes width and resolution and is always there (the least depth is 1), so every depth gives the
    same output shape: what one-shot strategies need to mix or skip the later ones. Those have a residual.

    Args:
        name: Prefix of the labels.
        ops: Names of the candidates of each block.
        inputs: Input channels.
        outputs: Output channels.
        stride: Stride of the first block, 1 or 2.
        depth: Least and greatest number of blocks, least at least 1.
        activation: Name of the activation.

    Returns:
        A `Repeat` (a `Sequential` inside `model_context`) from (N, inputs, H, W) to (N, outputs, H / stride,
        W / stride).
    """

    def block(i: int) -> nn.Module:
        first = i == 0
        return block_choice(
            ops,
            inputs if first else outputs,
            outputs,
            stride if first else 1,
            not first,
            f"{name}_block{i + 1}_op",
            activation,
        )

    if depth[0] == depth[1]:
        return Repeat(block, depth[0])
    return Repeat(block, depth, label=f"{name}_depth")
