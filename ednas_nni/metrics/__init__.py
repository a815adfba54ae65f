"""Metrics of dense prediction: accumulators over a whole split, protocol `standard`.

A meter has `update(prediction, target)`, called once a batch, and `compute() -> dict[str, float]`, called at
the end. All sums run over the data set's pixels, never over batch means, so results do not depend on the
batch size.

Two rules hold for every meter: without a single valid pixel all metrics are NaN (there is nothing to report),
and one prediction that is not a number on a valid pixel makes all of them NaN (a broken network has no
score).
"""

from __future__ import annotations

from ednas_nni.metrics.depth import DepthMeter
from ednas_nni.metrics.normals import NormalsMeter
from ednas_nni.metrics.segmentation import SegmentationMeter
from ednas_nni.metrics.spec import MetricSpec

__all__ = ["DepthMeter", "MetricSpec", "NormalsMeter", "SegmentationMeter"]
