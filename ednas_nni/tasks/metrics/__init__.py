"""Metrics of dense prediction: accumulators over a whole split, in two protocols that never mix.

A meter has `update(prediction, target)`, called once a batch, and `compute() -> dict[str, float]`, called at
the end. Results do not depend on the batch size: sums run over the data set's pixels (protocol `standard`) or
over its images (parts of protocol `adashare`), never over batches. Until `compute`, nothing is read back from
the device.

Two rules hold for every meter: without a single valid pixel all metrics are NaN (there is nothing to report),
and one prediction that is not a number on a valid pixel makes all of them NaN (a broken network has no
score).

docs/metrics.md lists all metrics with formulas, units and masks.
"""

from __future__ import annotations

from ednas_nni.tasks.metrics.adashare import AdashareDepthMeter, AdashareNormalsMeter, AdashareSegmentationMeter
from ednas_nni.tasks.metrics.depth import DepthMeter
from ednas_nni.tasks.metrics.normals import NormalsMeter
from ednas_nni.tasks.metrics.protocols import PROTOCOLS, Meter, Protocol, delta_t_metrics, every, protocol
from ednas_nni.tasks.metrics.segmentation import SegmentationMeter
from ednas_nni.tasks.metrics.spec import MetricSpec

__all__ = [
    "PROTOCOLS",
    "AdashareDepthMeter",
    "AdashareNormalsMeter",
    "AdashareSegmentationMeter",
    "DepthMeter",
    "Meter",
    "MetricSpec",
    "NormalsMeter",
    "Protocol",
    "SegmentationMeter",
    "delta_t_metrics",
    "every",
    "protocol",
]
