"""Monocular depth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni import losses
from ednas_nni.errors import DataError, StudyError, did_you_mean
from ednas_nni.metrics import DepthMeter, MetricSpec
from ednas_nni.metrics.depth import SPECS
from ednas_nni.tasks.base import error_skill, row_blocks

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, Split

LOSSES = ("jared", "l1")


@dataclass(frozen=True)
class Depth:
    """Depth along the optical axis in metres; output and target are (N, 1, H, W), 0 in the target = invalid.

    The network's output passes through softplus, so a prediction is positive, almost linear in the output at
    room scale, and has no dead region as a ReLU would.

    Attributes:
        loss_name: "jared" (absolute and relative error together) or "l1".
        relative_scale_m: Weight of the relative error in `jared`, in metres; see `losses.jared`. The ratio of
            absolute to relative error of the position prior is a good guess for new data (2.6 m on `rooms`).
    """

    loss_name: str = "jared"
    relative_scale_m: float = 3.0

    name: ClassVar[str] = "depth"
    primary: ClassVar[str] = "abs_error_m"
    metrics: ClassVar[tuple[MetricSpec, ...]] = SPECS
    likelihood: ClassVar[Literal["classification", "regression"]] = "regression"
    channels: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Refuse unknown losses.

        Raises:
            StudyError: `loss_name` is unknown or `relative_scale_m` is negative.
        """
        if self.loss_name not in LOSSES:
            raise StudyError(f"depth loss is {self.loss_name!r}.{did_you_mean(self.loss_name, LOSSES)}")
        if not (self.relative_scale_m >= 0 and math.isfinite(self.relative_scale_m)):
            raise StudyError(
                f"depth relative_scale_m is {self.relative_scale_m!r}; it must be a length of at least 0 metres."
            )

    @classmethod
    def for_data(cls, info: DataInfo, loss: str = "jared", relative_scale_m: float = 3.0) -> Depth:
        """Bind to a data set with metric depth.

        Raises:
            DataError: The data set stores inverse depth or disparity, whose errors are not metres.
        """
        if info.depth_kind != "metric" or info.depth_unit != "m":
            raise DataError(
                f"Data set {info.name!r} stores {info.depth_kind} depth in {info.depth_unit!r}; the task "
                "'depth' needs metric depth in 'm'. Convert the labels when the data set is read."
            )
        return cls(loss, relative_scale_m)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss in metres of softplus(output) over valid pixels."""
        prediction = functional.softplus(output)
        if self.loss_name == "jared":
            return losses.jared(prediction, target, relative_scale=self.relative_scale_m)
        return losses.l1(prediction, target)

    def predict(self, output: Tensor) -> Tensor:
        """Depth in metres, float (N, 1, H, W), positive (0 only where the output is below -100)."""
        return functional.softplus(output)

    def flip(self, target: Tensor) -> Tensor:
        """Mirror depth (N, 1, H, W) left to right; distances stay."""
        return target.flip(-1)

    def meter(self) -> DepthMeter:
        """A fresh accumulator of depth errors."""
        return DepthMeter()

    def statistics(self, split: Split) -> dict[str, np.ndarray]:
        """`median_m` (): over all valid pixels; `position_median_m` float32 (1, H, W): at each position.

        Positions that are never valid take the overall median.

        Raises:
            DataError: No pixel of the split is valid.
        """
        depth: Any = split.depth
        stride = max(1, depth.size // 8_000_000)  # the median of millions of pixels does not need them all
        sample = np.asarray(depth[::stride])
        sample = sample[(sample > 0) & np.isfinite(sample)]
        if not sample.size:
            raise DataError(f"No pixel of split {split.name!r} has a valid depth (> 0 and finite).")
        overall = np.float32(np.median(sample))
        blocks = [_position_median(np.asarray(depth[:, rows]), overall) for rows in row_blocks(depth.shape)]
        return {"median_m": np.asarray(overall), "position_median_m": np.concatenate(blocks)[None]}

    def head_bias(self, statistics: Mapping[str, np.ndarray]) -> Tensor:
        """Inverse softplus of the overall median, (1,)."""
        median = max(float(statistics["median_m"]), 1e-3)
        return torch.tensor([median + math.log(-math.expm1(-median))])

    def prior(self, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Median at each position, which minimises the absolute error there; float32 (1, 1, H, W)."""
        return statistics["position_median_m"][None]

    def skill(self, value: float, prior_value: float) -> float:
        """1 - absolute error / prior's absolute error."""
        return error_skill(value, prior_value)


def _position_median(block: np.ndarray, fallback: np.float32) -> np.ndarray:
    """Median over images (N, rows, W) of the valid values at each position, float32 (rows, W)."""
    valid = (block > 0) & np.isfinite(block)
    # Sorting with invalid values at the end is many times faster than numpy's nanmedian.
    ordered = np.sort(np.where(valid, block, np.inf), axis=0)
    count = valid.sum(axis=0)
    low = np.take_along_axis(ordered, (np.maximum(count - 1, 0) // 2)[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(block) - 1)[None], axis=0)[0]
    return np.where(count > 0, low / 2 + high / 2, fallback).astype(np.float32)
