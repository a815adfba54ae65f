"""AdaShare's mIoU and pixel accuracy."""

from __future__ import annotations

import math

from torch import Tensor

from ednas_nni.tasks.metrics.adashare.quirks import SegmentationQuirks
from ednas_nni.tasks.metrics.adashare.resize import to_label_size
from ednas_nni.tasks.metrics.confusion import Confusion, class_iou
from ednas_nni.tasks.metrics.spec import MetricSpec
from ednas_nni.tasks.metrics.totals import Totals, divided, no_values

SPECS = (
    MetricSpec("adashare_miou", "1", "max", "adashare"),
    MetricSpec("adashare_pixel_accuracy", "1", "max", "adashare"),
)
_NAMES = tuple(spec.name for spec in SPECS)


class AdashareSegmentationMeter:
    """Mean intersection over union and pixel accuracy as AdaShare's `eval_fix_policy` and `seg_error` have them.

    Images without a labelled pixel are left out of the image means; its code has no result there.

    Args:
        classes: Number of classes C.
        ignore_index: The label of unlabelled pixels in `target`.
        quirks: What differs from the protocol `standard`; None = all that AdaShare does.
    """

    def __init__(self, classes: int, ignore_index: int = 255, quirks: SegmentationQuirks | None = None):
        self._classes = classes
        self._ignore_index = ignore_index
        self._quirks = quirks or SegmentationQuirks()
        self._void_is_wrong = self._quirks.void_is_wrong(classes)
        self._confusion = Confusion(classes, ignore_index)
        self._totals = Totals()

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            prediction: Class indices (N, h, w), integers; anything outside [0, C) means "no prediction".
            target: Class indices (N, H, W), integers in [0, C) or `ignore_index`.
        """
        target = target.as_subclass(Tensor)
        if prediction.shape != target.shape:
            prediction = to_label_size(prediction[:, None].float(), target)[:, 0].long()
        self._confusion.add(prediction, target)
        labelled = target != self._ignore_index
        right = (labelled & (prediction == target)).sum(dim=(1, 2)).double()
        known = labelled.sum(dim=(1, 2))
        judged = known.where(known == 0, target[0].numel()) if self._void_is_wrong else known
        image_accuracy = right / judged.clamp(min=1)
        self._totals.add(image_accuracy.sum(), (known > 0).sum(), right.sum(), judged.sum())

    def compute(self) -> dict[str, float]:
        """The metrics of `SPECS` in [0, 1]; NaN by the package's two rules, mIoU also if no pixel is right.

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
