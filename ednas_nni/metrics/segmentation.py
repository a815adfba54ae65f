"""Semantic segmentation metrics from one confusion matrix over the data set."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ednas_nni.metrics.spec import MetricSpec

SPECS = (MetricSpec("miou", "1", "max"), MetricSpec("pixel_accuracy", "1", "max"))


class SegmentationMeter:
    """Mean intersection over union and pixel accuracy, protocol `standard`.

    One confusion matrix is accumulated over all labelled pixels of the split. The IoU of a class is
    TP / (TP + FP + FN). **mIoU is the mean over the classes that occur in the ground truth or in a
    prediction**: a class that is predicted but never occurs counts as 0, a class that is absent from both is
    left out. Predictions on unlabelled pixels are not looked at.

    Args:
        classes: Number of classes C.
        ignore_index: The label of unlabelled pixels.
    """

    def __init__(self, classes: int, ignore_index: int = 255):
        self.classes = classes
        self.ignore_index = ignore_index
        self.confusion = torch.zeros(classes, classes, dtype=torch.int64)  # rows: truth, columns: prediction
        self._unusable = 0

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            prediction: Class indices (N, H, W), integers; anything outside [0, C) means "no prediction".
            target: Class indices (N, H, W), integers in [0, C) or `ignore_index`.
        """
        labelled = target != self.ignore_index
        truth, guess = target[labelled].long(), prediction[labelled].long()
        usable = (guess >= 0) & (guess < self.classes)
        if not bool(usable.all()):
            self._unusable += int((~usable).sum())
            return
        counts = torch.bincount(truth * self.classes + guess, minlength=self.classes**2)
        self.confusion += counts.reshape(self.classes, self.classes).cpu()

    def class_iou(self) -> list[float]:
        """IoU of every class in [0, 1]; NaN for a class absent from ground truth and predictions."""
        hit = self.confusion.diagonal().double()
        union = self.confusion.sum(0) + self.confusion.sum(1) - self.confusion.diagonal()
        return (hit / union).tolist()  # 0 / 0 is NaN

    def compute(self) -> dict[str, float]:
        """`miou` and `pixel_accuracy`, both in [0, 1], or NaN (see the package's two rules)."""
        total = int(self.confusion.sum())
        if self._unusable or not total:
            return {spec.name: math.nan for spec in SPECS}
        present = [iou for iou in self.class_iou() if not math.isnan(iou)]
        return {
            "miou": sum(present) / len(present),
            "pixel_accuracy": int(self.confusion.diagonal().sum()) / total,
        }
