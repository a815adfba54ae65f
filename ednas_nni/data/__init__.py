"""Data sets: images with dense labels, in four disjoint splits, as memory-mapped arrays.

Importing this package is light: numpy only. The torch side lies in `ednas_nni.data.batches`.
"""

from __future__ import annotations

from ednas_nni.data.info import SPLITS, TARGETS, DataInfo
from ednas_nni.data.source import DATASETS, DataSource, Split

__all__ = ["DATASETS", "SPLITS", "TARGETS", "DataInfo", "DataSource", "Split"]
