"""AdaShare's mIoU and pixel accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from ednas_nni.tasks.meters import Confusion, Totals, class_iou, divided, no_values, to_label_size
from ednas_nni.tasks.protocols import MetricSpec

SPECS = (
    MetricSpec("adashare_miou", "1", "max", "adashare"),
    MetricSpec("adashare_pixel_accuracy", "1", "max", "adashare"),
)
_NAMES = tuple(spec.name for spec in SPECS)

CITYSCAPES_CLASS_COUNTS = (2, 7, 19)
"""Label sets that AdaShare's CityScapes loader offers; their unlabelled pixels are -1 in its files."""


@dataclass(frozen=True)
class SegmentationQuirks:
    """Switches of `AdashareSegmentationMeter`.

    Attributes:
        hit_classes_only: mIoU is the mean over classes with at least one right pixel. A class that occurs but
            is never hit is dropped, so missing it altogether costs nothing. False: as in `standard`.
        void_label: The value of unlabelled pixels *in AdaShare's files*. Pixel accuracy looks at labels below
            the number of classes: 255 (NYUv2) is left out, but -1 (CityScapes) passes and counts as an error on
            every void pixel. Our labels say `ignore_index` in both cases, so None takes -1 for the class counts
            of its CityScapes loader (2, 7, 19) and 255 otherwise. mIoU never counts void pixels.
        image_means: Pixel accuracy is the mean of the images' accuracies (its test batch holds one image), so
            an image with few labelled pixels weighs as much as a full one. False: over all pixels.
    """

    hit_classes_only: bool = True
    void_label: int | None = None
    image_means: bool = True

    def void_is_wrong(self, classes: int) -> bool:
        """Whether pixel accuracy counts unlabelled pixels as errors, with C classes."""
        label = self.void_label
        if label is None:
            label = -1 if classes in CITYSCAPES_CLASS_COUNTS else 255
        return label < classes


class AdashareSegmentationMeter:
    """Mean intersection over union and pixel accuracy as AdaShare's `eval_fix_policy` and `seg_error` have them.

    Images without a labelled pixel are left out of the image means; its code has no result there.
    """

    def __init__(self, classes: int, ignore_index: int = 255, quirks: SegmentationQuirks | None = None):
        self._classes = classes
        self._ignore_index = ignore_index
        self._quirks = quirks or SegmentationQuirks()
        self._void_is_wrong = self._quirks.void_is_wrong(classes)
        self._confusion = Confusion(classes, ignore_index)
        self._totals = Totals()

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add classes (N, h, w), where what is outside [0, C) is no prediction, and labels (N, H, W)."""
        target = target.as_subclass(Tensor)
        if prediction.shape != target.shape:
            prediction = to_label_size(prediction[:, None].float(), target)[:, 0].long()
        self._confusion.add(prediction, target)
        labelled = target != self._ignore_index
        right = (labelled & (prediction == target)).sum(dim=(1, 2)).double()
        count = labelled.sum(dim=(1, 2))
        judged = count.where(count == 0, target[0].numel()) if self._void_is_wrong else count
        image_accuracy = right / judged.clamp(min=1)
        self._totals.add(image_accuracy.sum(), (count > 0).sum(), right.sum(), judged.sum())

    def compute(self) -> dict[str, float]:
        """The metrics of `SPECS` in [0, 1]; NaN by the two rules of `tasks.meters`, mIoU also if no pixel is right.

        Raises:
            DataError: A label is neither a class nor `ignore_index`.
        """
        matrix, unusable = self._confusion.result()
        accuracy_sum, images, right, judged = self._totals.list(4)
        if unusable or not images:
            return no_values(_NAMES)
        counted = (iou for iou in class_iou(matrix).tolist() if not math.isnan(iou))
        ious = [iou for iou in counted if iou > 0 or not self._quirks.hit_classes_only]
        accuracy = accuracy_sum / images if self._quirks.image_means else right / judged
        return dict(zip(_NAMES, (divided(sum(ious), len(ious)), accuracy), strict=True))
