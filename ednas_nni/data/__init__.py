"""Data sets: images with dense labels, in four disjoint splits, as memory-mapped arrays.

Read in this order: `info` (what a data set tells of itself), `kinds` (what a label is, from its file to the batch),
`source` (the contract of a data set, and a split), `cache`, `produce` and `worker` (arrays made once, in parallel),
`audit` (who opened the test split), `layouts` (data sets on disk), `targets`, `augment` and `batches` (typed tensors
that move with the picture). For people: `drafting`, `survey`, `contact_sheet` and `palette`.

Importing this package is light: numpy only. The torch side lies in `targets` and `batches`.
"""

from __future__ import annotations

from ednas_nni.data.info import SPLITS, TARGETS, DataInfo
from ednas_nni.data.source import DATASETS, DataSource, Split

__all__ = ["DATASETS", "SPLITS", "TARGETS", "DataInfo", "DataSource", "Split"]
