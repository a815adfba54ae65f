"""Meters accumulate the metrics of a task over a whole split; here is what they are made of.

Results do not depend on the batch size: sums run over the split's pixels (protocol `standard`) or over its images
(parts of protocol `adashare`), never over batches. Until `compute`, nothing is read back from the device, which would
make the host wait.

Two rules hold for every meter: without a single valid pixel all metrics are NaN (there is nothing to report), and one
prediction that is not a number on a valid pixel makes all of them NaN (a broken network has no score).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni.errors import DataError

LIMITS_DEG = (11.25, 22.5, 30.0)
_BINS_PER_DEGREE = 100
_BINS = 180 * _BINS_PER_DEGREE + 1


class Meter(Protocol):
    """Accumulates the metrics of one task over a split."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch of predictions and targets, (N, ..., H, W), as `Task.predict` and `Task.target` give them."""

    def compute(self) -> dict[str, float]:
        """Value of every metric, in the order of `Task.metrics`, by its name without the task's."""


@runtime_checkable
class PerClass(Protocol):
    """A meter that also tells classes apart."""

    def class_iou(self) -> list[float]:
        """IoU of every class in [0, 1]; NaN for a class absent from ground truth and predictions."""


class Totals:
    """A running sum of equally long vectors, kept in float64 on the predictions' device."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None

    def add(self, *values: Tensor) -> None:
        """Add scalars, always in the same order."""
        batch = torch.stack([value.double() for value in values])
        self._sum = batch if self._sum is None else self._sum + batch

    def list(self, length: int) -> list[float]:
        """The sums, or `length` zeros if nothing was added."""
        return [0.0] * length if self._sum is None else self._sum.tolist()


def divided(numerator: float, denominator: float) -> float:
    """Quotient that is NaN, not an exception, where there is nothing to divide by."""
    return numerator / denominator if denominator else math.nan


def no_values(names: Iterable[str]) -> dict[str, float]:
    """What a meter returns when it has no score."""
    return dict.fromkeys(names, math.nan)


def to_label_size(prediction: Tensor, target: Tensor) -> Tensor:
    """Repeat pixels of a prediction (N, C, h, w) until it is as large as a target (..., H, W), as AdaShare does.

    `nearest` is torch's default mode and the one that AdaShare uses. It commutes with the arg max, so class indices may
    be resized in place of logits.
    """
    size = target.shape[-2:]
    return prediction if prediction.shape[-2:] == size else functional.interpolate(prediction, size=tuple(size))


class Confusion:
    """Counts of (true class, predicted class) over all labelled pixels.

    A pair is one number, truth * C + prediction, so that one pass over the pixels counts all pairs; what is not a pair
    has three numbers of its own behind them. With C = 3, truth 2 and prediction 1 count at 7, a prediction that is no
    class at 9, a label that is neither a class nor ignored at 10, and an unlabelled pixel at 11.
    """

    def __init__(self, classes: int, ignore_index: int):
        self.classes = classes
        self.ignore_index = ignore_index
        self._counts: Tensor | None = None

    def add(self, prediction: Tensor, target: Tensor) -> None:
        """Add class indices of equal shape; what lies on unlabelled pixels is not looked at."""
        truth, guess = target.long(), prediction.long()
        square = self.classes**2
        index = torch.where((guess >= 0) & (guess < self.classes), truth * self.classes + guess, square)
        index = torch.where((truth >= 0) & (truth < self.classes), index, square + 1)
        index = torch.where(truth == self.ignore_index, square + 2, index).flatten()
        # Not `bincount`: on a GPU it waits for the largest index, and on a processor this is no slower.
        counts = torch.zeros(square + 3, dtype=torch.int64, device=index.device)
        counts.scatter_add_(0, index, torch.ones_like(index))
        self._counts = counts if self._counts is None else self._counts + counts

    def result(self) -> tuple[Tensor, int]:
        """int64 (C, C) on the host, rows = truth, and how many labelled pixels have a prediction that is no class.

        Raises:
            DataError: A label is neither a class nor the ignored value.
        """
        square = self.classes**2
        if self._counts is None:
            return torch.zeros(self.classes, self.classes, dtype=torch.int64), 0
        counts = self._counts.cpu()
        if counts[square + 1]:
            raise DataError(
                f"{int(counts[square + 1])} pixels have a label that is neither one of the {self.classes} classes "
                f"(0..{self.classes - 1}) nor the ignored value {self.ignore_index}. Map the labels when the data "
                "set is read."
            )
        return counts[:square].reshape(self.classes, self.classes), int(counts[square])


def class_iou(matrix: Tensor) -> Tensor:
    """TP / (TP + FP + FN) of every class, float64 (C,); NaN for a class absent from truth and predictions."""
    hit = matrix.diagonal()
    return hit.double() / (matrix.sum(0) + matrix.sum(1) - hit)  # 0 / 0 is NaN


class Angles:
    """Accumulates angles in degrees: their mean, median and shares within limits.

    A median needs all angles at once. Up to `exact_pixels` pixels (valid or not, 256 MiB by default) they are stored as
    float32, and the median is exact. A larger split is counted in a histogram with bins of 0.01 degrees, so that memory
    does not grow with it: the median is the centre of its bin (12.345 for all angles from 12.34 to 12.35), off by at
    most 0.005 degrees.

    Args:
        inclusive: Whether an angle equal to a limit lies within it.
        exact_pixels: How many pixels are stored for an exact median.
    """

    def __init__(self, inclusive: bool = False, exact_pixels: int = 1 << 26) -> None:
        self._inclusive = inclusive
        self._exact_pixels = exact_pixels
        self._totals = Totals()
        self._stored: list[Tensor] = []
        self._pixels = 0
        self._histogram: Tensor | None = None

    def add(self, angle: Tensor, valid: Tensor) -> None:
        """Add angles in [0, 180]; both tensors have the same shape, what is not valid may be anything."""
        angles = torch.where(valid, angle, math.nan)  # which lies within no limit
        within = [angles <= limit if self._inclusive else angles < limit for limit in LIMITS_DEG]
        total = torch.where(valid, angle, 0.0).sum(dtype=torch.float64)
        self._totals.add(total, *(inside.sum() for inside in within), valid.sum())
        self._pixels += angle.numel()
        self._stored.append(angles.float().flatten())
        if self._pixels > self._exact_pixels:
            self._count_stored()

    def mean(self) -> float:
        """Mean angle in degrees; NaN without a valid pixel."""
        total, *_, count = self._totals.list(5)
        return divided(total, count)

    def within(self) -> list[float]:
        """Shares of pixels, in [0, 1], whose angle lies within 11.25, 22.5 and 30 degrees."""
        _, *inside, count = self._totals.list(5)
        return [divided(number, count) for number in inside]

    def median(self) -> float:
        """Median angle in degrees (mean of the two middle ones of an even count); NaN without a valid pixel."""
        count = int(self._totals.list(5)[4])
        if not count:
            return math.nan
        middle = [(count - 1) // 2, count // 2]
        if self._histogram is None:
            values = torch.cat(self._stored).cpu().numpy()
            values = np.partition(values[~np.isnan(values)], middle)
            return float(values[middle].mean(dtype=np.float64))
        ranks = torch.tensor(middle) + 1
        bins = torch.searchsorted(self._histogram[:_BINS].cpu().cumsum(0), ranks)
        return (float(bins.double().mean()) + 0.5) / _BINS_PER_DEGREE

    def _count_stored(self) -> None:
        """Move the stored angles into the histogram, whose last bin holds what is not valid."""
        angles = torch.cat(self._stored)
        bins = (angles * _BINS_PER_DEGREE).nan_to_num(_BINS).long().clamp(0, _BINS)
        counts = torch.zeros(_BINS + 1, dtype=torch.int64, device=bins.device)
        counts.scatter_add_(0, bins, torch.ones_like(bins))
        self._histogram = counts if self._histogram is None else self._histogram + counts
        self._stored.clear()
