"""Data sets: images with dense targets, in four disjoint splits, as memory-mapped arrays.

Importing this package is light: numpy only. The torch side lives in :mod:`ednas_nni.data.batches`.
"""

from __future__ import annotations

from ednas_nni.data.info import SPLITS, TARGETS, DataInfo
from ednas_nni.data.split import DataSource, Split

__all__ = ["SPLITS", "TARGETS", "DataInfo", "DataSource", "Split"]
