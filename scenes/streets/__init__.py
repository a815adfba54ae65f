"""Rendered streets: a town builder and the data source `Streets`; `scenes.render` draws them.

Read in this order: `road` (the cross-section), `scene` (what a street is), `roadside`, `buildings`,
`plants`, `furniture`, `vehicles`, `people` and `traffic` (what stands and moves there), `ground` (its
shell), `source` (one picture, and the data set).
"""

from __future__ import annotations

from ednas_nni.data.class_names import CITYSCAPES7, CITYSCAPES19, CITYSCAPES_19_TO_7
from scenes.streets.source import Streets

__all__ = ["CITYSCAPES7", "CITYSCAPES19", "CITYSCAPES_19_TO_7", "Streets"]
