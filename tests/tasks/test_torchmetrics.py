"""A second opinion, from torchmetrics, where its semantics are those of `standard`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.depth.metrics import DepthMeter
from tasks.segmentation.metrics import SegmentationMeter
from tests.tasks.metric_cases import CLASSES, depth_case, fill, segmentation_case


@pytest.fixture
def classification():
    import ednas_nni.compat.vision  # noqa: F401  (torchmetrics imports torchvision)
    import torchmetrics.classification  # isort: skip

    return torchmetrics.classification


@pytest.mark.parametrize("seed", range(4))
def test_segmentation(classification, seed):
    guess, truth = segmentation_case(seed, (4, 6, 7), "none")
    guess = np.where(truth == 255, 0, guess)
    options = {"num_classes": CLASSES, "ignore_index": 255}
    meter = SegmentationMeter(CLASSES)
    metrics = fill(meter, guess, truth)
    matrix = fill(classification.MulticlassConfusionMatrix(**options), guess, truth)
    assert torch.equal(matrix, meter.confusion)
    jaccard = fill(classification.MulticlassJaccardIndex(average="macro", **options), guess, truth)
    assert metrics["miou"] == pytest.approx(float(jaccard), rel=1e-6)
    accuracy = fill(classification.MulticlassAccuracy(average="micro", **options), guess, truth)
    assert metrics["pixel_accuracy"] == pytest.approx(float(accuracy), rel=1e-6)


def test_depth(classification):
    import torchmetrics

    guess, truth = depth_case(1, (4, 6, 7), "none")
    metrics = fill(DepthMeter(), guess, truth)
    valid = np.isfinite(truth) & (truth > 0)
    p, g = np.maximum(guess[valid], 0), truth[valid]
    assert metrics["abs_error_m"] == pytest.approx(float(fill(torchmetrics.MeanAbsoluteError(), p, g, 7)), rel=1e-5)
    rmse = fill(torchmetrics.MeanSquaredError(squared=False), p, g, 7)
    assert metrics["rmse_m"] == pytest.approx(float(rmse), rel=1e-5)


def test_its_mean_iou_is_another_quantity(classification):
    """It averages the IoU of every class of every image, so a class weighs by the images that show it."""
    from torchmetrics.segmentation import MeanIoU

    truth = np.array([[[0, 0, 0, 0]], [[0, 0, 1, 1]]])
    guess = np.array([[[0, 0, 0, 0]], [[0, 1, 1, 0]]])
    ours = fill(SegmentationMeter(2), guess, truth)["miou"]
    theirs = float(fill(MeanIoU(num_classes=2, input_format="index"), guess, truth))
    assert ours == pytest.approx((5 / 7 + 1 / 3) / 2)
    assert theirs == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)
