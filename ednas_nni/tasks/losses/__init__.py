"""Training losses: pure functions of an output, a target and its invalid-pixel rule."""

from __future__ import annotations

from ednas_nni.tasks.losses.classification import balanced_binary, cross_entropy
from ednas_nni.tasks.losses.depth import DEPTH, berhu, jared, jared_sum, l1, l1_double, relative, silog
from ednas_nni.tasks.losses.masked import masked_mean, valid_depth, valid_normals
from ednas_nni.tasks.losses.normals import NORMALS, angular, cosine

__all__ = [
    "DEPTH",
    "NORMALS",
    "angular",
    "balanced_binary",
    "berhu",
    "cosine",
    "cross_entropy",
    "jared",
    "jared_sum",
    "l1",
    "l1_double",
    "masked_mean",
    "relative",
    "silog",
    "valid_depth",
    "valid_normals",
]
