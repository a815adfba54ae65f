"""Evaluation protocols by name: which meters and which metrics a task has under each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol as Interface

from torch import Tensor

from ednas_nni.errors import StudyError, did_you_mean
from ednas_nni.tasks.metrics import adashare, depth, normals, segmentation
from ednas_nni.tasks.metrics.adashare import depth as adashare_depth
from ednas_nni.tasks.metrics.adashare import normals as adashare_normals
from ednas_nni.tasks.metrics.adashare import segmentation as adashare_segmentation
from ednas_nni.tasks.metrics.spec import MetricSpec


class Meter(Interface):
    """Accumulates the metrics of one task over a split."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch of predictions and targets."""

    def compute(self) -> dict[str, float]:
        """All metrics, without the task's prefix."""


@dataclass(frozen=True)
class Protocol:
    """How the built-in tasks are measured. The first spec of a task is its primary metric.

    Attributes:
        name: What a study writes.
        segmentation: (classes, ignore_index) -> meter.
        segmentation_specs: Its metrics.
        depth: (unit, largest valid depth or None) -> meter.
        depth_specs: unit -> its metrics.
        normals: () -> meter.
        normals_specs: Its metrics.
    """

    name: str
    segmentation: Callable[[int, int], Meter]
    segmentation_specs: tuple[MetricSpec, ...]
    depth: Callable[[str, float | None], Meter]
    depth_specs: Callable[[str], tuple[MetricSpec, ...]]
    normals: Callable[[], Meter]
    normals_specs: tuple[MetricSpec, ...]


def _adashare_depth(unit: str, maximum: float | None) -> adashare.AdashareDepthMeter:
    return adashare.AdashareDepthMeter(unit)  # AdaShare clamps nothing


PROTOCOLS: Mapping[str, Protocol] = {
    "standard": Protocol(
        "standard",
        segmentation.SegmentationMeter,
        segmentation.SPECS,
        depth.DepthMeter,
        depth.specs,
        normals.NormalsMeter,
        normals.SPECS,
    ),
    "adashare": Protocol(
        "adashare",
        adashare.AdashareSegmentationMeter,
        adashare_segmentation.SPECS,
        _adashare_depth,
        adashare_depth.specs,
        adashare.AdashareNormalsMeter,
        adashare_normals.SPECS,
    ),
}


def protocol(name: str) -> Protocol:
    """Look a protocol up.

    Raises:
        StudyError: There is none of this name.
    """
    if name not in PROTOCOLS:
        raise StudyError(f"protocol is {name!r}.{did_you_mean(name, PROTOCOLS)}")
    return PROTOCOLS[name]


def every(choose: Callable[[Protocol], tuple[tuple[MetricSpec, ...], ...]]) -> tuple[tuple[MetricSpec, ...], ...]:
    """What a task may report under any protocol, for tables of searches whose data are not at hand.

    Args:
        choose: From a protocol the task's metrics, once for each unit, primary first.
    """
    return tuple(row for found in PROTOCOLS.values() for row in choose(found))


def delta_t_metrics(specs: tuple[MetricSpec, ...]) -> tuple[MetricSpec, ...]:
    """The metrics whose relative gains are averaged into a task's share of `delta_t`."""
    return tuple(spec for spec in specs if spec.in_delta_t)
