"""Training losses: pure functions of an output, a target and its invalid-pixel rule."""

from __future__ import annotations

from ednas_nni.losses.classification import cross_entropy
from ednas_nni.losses.depth import jared, l1
from ednas_nni.losses.masked import masked_mean, valid_depth, valid_normals
from ednas_nni.losses.normals import cosine

__all__ = ["cosine", "cross_entropy", "jared", "l1", "masked_mean", "valid_depth", "valid_normals"]
