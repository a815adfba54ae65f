"""Semantic segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ednas_nni import losses
from ednas_nni.errors import DataError
from ednas_nni.metrics import MetricSpec, SegmentationMeter
from ednas_nni.metrics.segmentation import SPECS
from ednas_nni.tasks.base import score_skill

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, Split


@dataclass(frozen=True)
class Segmentation:
    """One class per pixel; the output (N, C, H, W) holds logits, the target (N, H, W) class indices.

    Attributes:
        classes: Names of the C classes.
        ignore_index: The label of pixels that are neither trained nor judged.
    """

    classes: tuple[str, ...]
    ignore_index: int = 255

    name: ClassVar[str] = "segmentation"
    primary: ClassVar[str] = "miou"
    metrics: ClassVar[tuple[MetricSpec, ...]] = SPECS
    likelihood: ClassVar[Literal["classification", "regression"]] = "classification"

    @classmethod
    def for_data(cls, info: DataInfo) -> Segmentation:
        """Take the classes of a data set.

        Raises:
            DataError: The data set names fewer than two classes.
        """
        if len(info.classes) < 2:
            raise DataError(
                f"Data set {info.name!r} has {len(info.classes)} classes; segmentation needs at least 2. "
                "Drop the task 'segmentation' or choose another data set."
            )
        return cls(tuple(info.classes), info.ignore_index)

    @property
    def channels(self) -> int:
        """One logit a class."""
        return len(self.classes)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Cross entropy in nats over labelled pixels; see `losses.cross_entropy`."""
        return losses.cross_entropy(output, target, self.ignore_index)

    def predict(self, output: Tensor) -> Tensor:
        """Most likely class, int64 (N, H, W); -1 where the logits are not numbers, which no meter accepts."""
        top, index = output.max(dim=1)
        return index.masked_fill_(~top.isfinite(), -1)

    def flip(self, target: Tensor) -> Tensor:
        """Mirror labels (N, H, W) left to right."""
        return target.flip(-1)

    def meter(self) -> SegmentationMeter:
        """A fresh accumulator of mIoU and pixel accuracy."""
        return SegmentationMeter(self.channels, self.ignore_index)

    def statistics(self, split: Split) -> dict[str, np.ndarray]:
        """`position_counts` int64 (C, H, W): how often each class occurs at each position."""
        labels = split.segmentation
        counts = np.stack([(labels == index).sum(axis=0, dtype=np.int64) for index in range(self.channels)])
        return {"position_counts": counts}

    def head_bias(self, statistics: Mapping[str, np.ndarray]) -> Tensor:
        """Log of the class frequencies (C,); a class that never occurs is treated as seen on one pixel."""
        counts = statistics["position_counts"].sum(axis=(1, 2)).clip(min=1)
        return torch.from_numpy(np.log(counts / counts.sum())).float()

    def prior(self, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Most frequent class at each position, int64 (1, H, W); the lower index wins a tie."""
        return statistics["position_counts"].argmax(axis=0)[None]

    def skill(self, value: float, prior_value: float) -> float:
        """(mIoU - prior) / (1 - prior)."""
        return score_skill(value, prior_value)
