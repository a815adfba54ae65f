"""The task of monocular depth: metric, inverse, or disparity."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni.baselines import lambdas
from ednas_nni.data.targets import depth_batch
from ednas_nni.errors import DataError, StudyError
from ednas_nni.tasks import own_loss
from ednas_nni.tasks.base import Constants, Rows, Statistics, Task, row_blocks
from ednas_nni.tasks.decoding import Decoding
from ednas_nni.tasks.masked import valid_depth
from ednas_nni.tasks.meters import Meter
from ednas_nni.tasks.protocols import MetricSpec
from tasks.depth import adashare, metrics
from tasks.depth.loss import DEFAULT, LOSSES

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, Split

_SPECS = {"standard": metrics.specs, "adashare": adashare.specs}


@dataclass(frozen=True)
class Depth(Task):
    """Depth along the optical axis, in the data set's kind and unit; (N, 1, H, W), 0 in the target = invalid.

    The prediction is `scale` * softplus(output): positive, almost linear in the output at typical depths, and without
    the dead region of a ReLU. The scale is about a third of the training split's median, and the loss is computed in
    units of it, so that the weight of depth against other tasks does not depend on metres or 1/metres.

    Attributes:
        kind: `metric`, `inverse` or `disparity`.
        unit: Unit of target and prediction.
        maximum: Largest valid depth in `unit`, None = no bound.
        loss_name: Name of a depth loss (docs/losses.md).
        relative_scale: Weight of the relative error (lambda), in `unit`; None = not measured yet.
        relative_from: Where it comes from, for logs: "study", "recorded" (`ednas data lambda`) or "position prior".
        scale: In `unit`.
        protocol: Evaluation protocol.
        measured: Whether the scale is that of the data; bound to a data set alone, it is not, and is not used.
    """

    kind: str = "metric"
    unit: str = "m"
    maximum: float | None = None
    loss_name: str = DEFAULT
    relative_scale: float | None = None
    relative_from: str = field(default="study", compare=False)
    scale: float = 1.0
    protocol: str = "standard"
    measured: bool = field(default=True, compare=False)

    name: ClassVar[str] = "depth"
    requires: ClassVar[tuple[str, ...]] = ("depth",)
    likelihood: ClassVar[Literal["classification", "regression"]] = "regression"
    protocols: ClassVar[tuple[str, ...]] = tuple(_SPECS)
    channels: ClassVar[int] = 1

    @classmethod
    def for_data(
        cls, info: DataInfo, protocol: str = "standard", loss: str = DEFAULT, relative_scale: float | None = None
    ) -> Depth:
        """Bind to a data set.

        Args:
            info: The data set.
            protocol: Evaluation protocol.
            loss: Name (docs/losses.md), or `module:function`.
            relative_scale: Lambda of JAReD (docs/losses.md), in the data set's depth unit.

        Raises:
            StudyError: The loss is unknown or `relative_scale` is negative.
        """
        loss = own_loss.checked(loss, LOSSES, "depth loss", 1, torch.ones(1, 1, 4, 4), relative_scale=1.0)
        if relative_scale is not None and not (relative_scale >= 0 and math.isfinite(relative_scale)):
            raise StudyError(f"depth relative_scale is {relative_scale!r}; it must be at least 0 {info.depth_unit}.")
        source = "study"
        if relative_scale is None:
            relative_scale, source = lambdas.recorded(info), "recorded"
        return cls(
            kind=info.depth_kind,
            unit=info.depth_unit,
            maximum=info.depth_max,
            loss_name=loss,
            relative_scale=relative_scale,
            relative_from=source,
            protocol=protocol,
            measured=False,
        )

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """Absolute and relative error, RMSE, shares within 1.25, 1.25^2, 1.25^3."""
        return _SPECS[self.protocol](self.unit)

    def target(self, rows: Rows) -> Tensor:
        """Depth, float32 (N, 1, H, W), of the kind's type."""
        return depth_batch(rows["depth"], self.kind)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss over valid pixels, in units of `scale`.

        Raises:
            StudyError: Nothing has measured the scale.
        """
        unit = self._measured_scale
        scale = self.relative_scale if self.relative_scale is not None else unit
        prediction, label, scale = functional.softplus(output), target / unit, scale / unit
        if self.loss_name in LOSSES:
            return LOSSES[self.loss_name](prediction, label, relative_scale=scale)
        valid = valid_depth(target)
        return own_loss.value(self.loss_name, prediction, label.where(valid, 0), valid, relative_scale=scale)

    def imitation(self, output: Tensor, teacher: Tensor) -> Tensor:
        """Mean absolute difference of the two depths, in units of `scale`."""
        return functional.l1_loss(functional.softplus(output), functional.softplus(teacher.detach()))

    def predict(self, output: Tensor) -> Tensor:
        """Depth in `unit`, float (N, 1, H, W), positive (0 only where the output is below -100).

        Raises:
            StudyError: Nothing has measured the scale.
        """
        return functional.softplus(output) * self._measured_scale

    @property
    def decoding(self) -> Decoding:
        """Depth in `unit`."""
        return Decoding("softplus", self.scale, self.unit)

    @property
    def _measured_scale(self) -> float:
        if not self.measured:
            raise StudyError(
                "depth: this task does not know the scale of its data, so it would answer in another unit. Take it "
                "from TrialData(recipe).by_name, or give it its constants: task.with_constants(...)."
            )
        return self.scale

    def meter(self) -> Meter:
        """A fresh accumulator of depth errors."""
        if self.protocol == "adashare":
            return adashare.AdashareDepthMeter(self.unit)  # which clamps nothing
        return metrics.DepthMeter(self.unit, self.maximum)

    def statistics(self, split: Split) -> dict[str, np.ndarray]:
        """What the training split says about depth, in `unit`.

        `median` (): over all valid pixels; `position_median` float32 (1, H, W): at each position, the overall one where
        it is never valid; `prior_ratio` (): absolute / relative error of that prior on the split itself.

        Raises:
            DataError: No pixel of the split is valid.
        """
        depth = split.target("depth")
        # Of the images with a depth: where few are labelled, a sample of all would miss them.
        seen = np.flatnonzero([bool(((image > 0) & np.isfinite(image)).any()) for image in depth])
        # The median of millions of pixels does not need them all.
        stride = max(1, len(seen) * depth[0].size // 8_000_000)
        sample = np.asarray(depth[seen[::stride]])
        sample = sample[(sample > 0) & np.isfinite(sample)]
        if not sample.size:
            raise DataError(f"No pixel of split {split.name!r} has a valid depth (> 0 and finite).")
        overall = np.float32(np.median(sample))
        blocks = [position_median(np.asarray(depth[:, rows]), overall) for rows in row_blocks(depth.shape)]
        position = np.concatenate(blocks)
        some = np.asarray(depth[seen[:: max(1, len(seen) // 100)]])
        valid = (some > 0) & np.isfinite(some)
        error = np.abs(some - position)[valid]
        ratio = error.mean() / max(float((error / some[valid]).mean()), 1e-12)
        return {"median": np.asarray(overall), "position_median": position[None], "prior_ratio": np.asarray(ratio)}

    def constants(self, statistics: Statistics) -> Constants:
        """`scale` and `prior_ratio`, both in `unit`."""
        return {"scale": _round_125(float(statistics["median"]) / 3), "prior_ratio": float(statistics["prior_ratio"])}

    def with_constants(self, constants: Constants) -> Depth:
        """Take the scale over, and the prior's ratio where neither study nor record gives a lambda."""
        scaled = replace(self, scale=float(constants["scale"]), measured=True)
        if self.relative_scale is not None:
            return scaled
        return replace(scaled, relative_scale=float(constants["prior_ratio"]), relative_from="position prior")

    def summary(self) -> str:
        """Kind, unit, scale, loss and lambda."""
        text = f"{self.kind} depth in {self.unit}, scale {self.scale:g}, loss {self.loss_name}"
        if self.relative_scale is None:
            return text
        return f"{text}, lambda {self.relative_scale:.3g} {self.unit} ({self.relative_from})"

    def head_bias(self, statistics: Statistics) -> Tensor:
        """Inverse of the prediction at the overall median, (1,)."""
        median = max(float(statistics["median"]) / self.constants(statistics)["scale"], 1e-3)
        return torch.tensor([median + math.log(-math.expm1(-median))])

    def prior(self, statistics: Statistics) -> np.ndarray:
        """Median at each position, which minimises the absolute error there; float32 (1, 1, H, W)."""
        return statistics["position_median"][None]


def _round_125(value: float) -> float:
    """The nearest of 1, 2, 5 times a power of ten, in the logarithm; a small change of the data changes nothing."""
    exponent = math.floor(math.log10(value))
    steps = [factor * 10.0**power for power in (exponent, exponent + 1) for factor in (1, 2, 5)]
    return float(f"{min(steps, key=lambda step: abs(math.log(step / value))):.0e}")


def position_median(block: np.ndarray, fallback: np.float32) -> np.ndarray:
    """Median over images (N, rows, W) of the valid values at each position, float32 (rows, W).

    A position with the values 3, 0 (invalid), 1 and 2 has the median 2: sorted with invalid ones at the end, 1 2 3 inf,
    the middle of the first three.
    """
    valid = (block > 0) & np.isfinite(block)
    # Sorting with invalid values at the end is many times faster than numpy's nanmedian.
    ordered = np.sort(np.where(valid, block, np.inf), axis=0)
    count = valid.sum(axis=0)
    low = np.take_along_axis(ordered, (np.maximum(count - 1, 0) // 2)[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(block) - 1)[None], axis=0)[0]
    return np.where(count > 0, low / 2 + high / 2, fallback).astype(np.float32)
