"""Segmentation metrics of protocol `standard`, from one confusion matrix over the split."""

from __future__ import annotations

import torch
from torch import Tensor

from ednas_nni.tasks.meters import Confusion, class_iou, no_values
from ednas_nni.tasks.protocols import MetricSpec

SPECS = (MetricSpec("miou", "1", "max"), MetricSpec("pixel_accuracy", "1", "max"))
_NAMES = tuple(spec.name for spec in SPECS)


class SegmentationMeter:
    """Mean intersection over union and pixel accuracy, protocol `standard`.

    One confusion matrix of C classes is accumulated over all labelled pixels of the split. The IoU of a class is
    TP / (TP + FP + FN). **mIoU is the mean over the classes that occur in the truth or in a prediction**: a class
    that is predicted but never occurs counts as 0, and so does one that occurs and is never hit; a class that is absent
    from both is left out. Predictions on unlabelled pixels (`ignore_index`) are not looked at.
    """

    def __init__(self, classes: int, ignore_index: int = 255):
        self._confusion = Confusion(classes, ignore_index)

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add class indices (N, H, W): a prediction outside [0, C) is none; targets may be `ignore_index`."""
        self._confusion.add(prediction, target.as_subclass(Tensor))

    @property
    def confusion(self) -> Tensor:
        """Counts int64 (C, C): rows are the truth, columns the prediction."""
        return self._confusion.result()[0]

    def class_iou(self) -> list[float]:
        """IoU of every class in [0, 1]; NaN for a class absent from ground truth and predictions."""
        return class_iou(self.confusion).tolist()

    def compute(self) -> dict[str, float]:
        """`miou` and `pixel_accuracy`, both in [0, 1], or NaN (see the two rules of `tasks.meters`)."""
        matrix, unusable = self._confusion.result()
        total = int(matrix.sum())
        if unusable or not total:
            return no_values(_NAMES)
        miou = float(torch.nanmean(class_iou(matrix)))
        return {"miou": miou, "pixel_accuracy": int(matrix.diagonal().sum()) / total}
