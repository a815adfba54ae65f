"""Operations by name: `ibn_k5_e6` is an inverted bottleneck with a 5 x 5 kernel and expansion 6."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn

from ednas_nni.errors import StudyError
from ednas_nni.nn.choice import layer_choice
from ednas_nni.nn.fused_ibn import FusedIBN
from ednas_nni.nn.ibn import IBN

KINDS: dict[str, type[nn.Module]] = {"ibn": IBN, "fused": FusedIBN}
_NAME = re.compile(r"([a-z]+)_k([357])_e([1-9])")


def parse_op(name: str) -> tuple[str, int, int]:
    """Split an operation's name into kind, kernel and expansion.

    Raises:
        StudyError: The name is not of the form KIND_kKERNEL_eEXPANSION.
    """
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if match is None or match[1] not in KINDS:
        raise StudyError(
            f"Unknown operation {name!r}. Write KIND_kKERNEL_eEXPANSION with kind {' or '.join(KINDS)}, kernel 3, 5 "
            "or 7 and expansion 1 to 9, for example ibn_k3_e6."
        )
    return match[1], int(match[2]), int(match[3])


def block_choice(ops: Sequence[str], inputs: Any, outputs: Any, stride: int, residual: bool, label: str) -> nn.Module:
    """A searched block.

    Args:
        ops: Names of the candidates.
        inputs: Input channels.
        outputs: Output channels.
        stride: 1 or 2.
        residual: Whether the input is added to the output.
        label: Label of the choice in samples.

    Raises:
        StudyError: As `parse_op`.
    """
    candidates = {}
    for op in ops:
        kind, kernel, expansion = parse_op(op)
        candidates[op] = partial(KINDS[kind], inputs, outputs, kernel, expansion, stride, residual)
    return layer_choice(candidates, label)
