"""The label kind: how strongly each pixel draws the eye, from a grey picture of 8 bits."""

from __future__ import annotations

import numpy as np
import torch

from ednas_nni.data.kinds.plain import PlainKind
from ednas_nni.data.targets import Label
from ednas_nni.errors import DataError

NONE = 255


class SaliencyMap(Label):
    """Saliency (..., H, W), float: 0 (nobody looks) to 254 (all do), 255 = not measured.

    It moves like any label; a mirrored or enlarged picture draws the eye where it did, so no value changes.
    """

    invalid = NONE


class Saliency(PlainKind):
    """Where people look: uint8 (H, W), 0 to 254; 255 = not measured. A manifest names its pictures in `saliency`."""

    name = "saliency"
    dtype = "uint8"
    column = "saliency"
    words = frozenset({"saliency", "fixations", "attention"})

    def invalid(self, facts):
        return NONE

    def tensor(self, rows, facts):
        return torch.from_numpy(rows.astype(np.float32)).as_subclass(SaliencyMap)

    def fit(self, small, stored, across, facts, where):
        if stored.dtype != np.uint8:
            raise DataError(f"{where}: saliency is a grey picture of 8 bits, not {stored.dtype}; divide by 257 first")
        return super().fit(small, stored, across, facts, where)

    def suspicions(self, train, facts):
        if train.valid < 0.5:
            yield f"saliency was measured on only {100 * train.valid:.0f} % of the pixels; is 255 really 'none'?"
