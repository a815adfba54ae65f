"""Protocol `adashare`: the numbers that AdaShare's code would print, quirk by quirk.

AdaShare (Sun et al., NeurIPS 2020) set the tables that later multi-task papers compare with.
Its evaluation departs from the usual definitions; each departure is a named switch in `quirks`, on by default.
Only with these numbers may such tables be compared, and never with those of the protocol `standard`: every key
carries the prefix `adashare_`. docs/metrics.md shows both on one example.

Batches of any size give what AdaShare's test script gives with its batches of one image. Sums are taken in
float64 where its code sums float32, so results agree up to that rounding.
"""

from __future__ import annotations

from ednas_nni.tasks.metrics.adashare.depth import AdashareDepthMeter
from ednas_nni.tasks.metrics.adashare.normals import AdashareNormalsMeter
from ednas_nni.tasks.metrics.adashare.quirks import DepthQuirks, NormalsQuirks, SegmentationQuirks
from ednas_nni.tasks.metrics.adashare.segmentation import AdashareSegmentationMeter

__all__ = [
    "AdashareDepthMeter",
    "AdashareNormalsMeter",
    "AdashareSegmentationMeter",
    "DepthQuirks",
    "NormalsQuirks",
    "SegmentationQuirks",
]
