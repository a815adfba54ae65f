"""Operations by name: `ibn_k5_e6` is an inverted bottleneck with a 5 x 5 kernel and expansion 6."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from torch import nn

from ednas_nni.errors import StudyError
from ednas_nni.nn.choice import layer_choice
from ednas_nni.nn.fused_ibn import FusedIBN
from ednas_nni.nn.ibn import IBN

KINDS: dict[str, type[nn.Module]] = {"ibn": IBN, "fused": FusedIBN}
_NAME = re.compile(r"([a-z]+)_k([357])_e([1-9])(_se)?")


class Operation(NamedTuple):
    """A block's operation.

    Attributes:
        kind: A key of `KINDS`.
        kernel: Kernel size, 3, 5 or 7.
        expansion: Factor of the inner width, 1 to 9.
        squeeze: Whether it has squeeze-and-excitation.
    """

    kind: str
    kernel: int
    expansion: int
    squeeze: bool = False


def parse_op(name: str) -> Operation:
    """Read an operation's name.

    Raises:
        StudyError: The name is not of the form KIND_kKERNEL_eEXPANSION or KIND_kKERNEL_eEXPANSION_se.
    """
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if match is None or match[1] not in KINDS:
        raise StudyError(
            f"Unknown operation {name!r}. Write KIND_kKERNEL_eEXPANSION with kind {' or '.join(KINDS)}, kernel 3, 5 "
            "or 7 and expansion 1 to 9, for example ibn_k3_e6; append _se for squeeze-and-excitation."
        )
    return Operation(match[1], int(match[2]), int(match[3]), match[4] is not None)


def block_choice(
    ops: Sequence[str],
    inputs: Any,
    outputs: Any,
    stride: int,
    residual: bool,
    label: str,
    activation: str = "relu6",
) -> nn.Module:
    """A searched block.

    Args:
        ops: Names of the candidates; a single one is no choice and gets no label.
        inputs: Input channels.
        outputs: Output channels.
        stride: 1 or 2.
        residual: Whether the input is added to the output.
        label: Label of the choice in samples.
        activation: Name of the activation.

    Raises:
        StudyError: As `parse_op`.
    """
    candidates = {}
    for name in ops:
        op = parse_op(name)
        candidates[name] = partial(
            KINDS[op.kind], inputs, outputs, op.kernel, op.expansion, stride, residual, op.squeeze, activation
        )
    return layer_choice(candidates, label) if len(candidates) > 1 else next(iter(candidates.values()))()
