"""A task made of the label kind: predict where people look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ednas_nni.errors import DataError
from ednas_nni.tasks.base import Task
from ednas_nni.tasks.masked import masked_mean, wide
from ednas_nni.tasks.meters import Totals, no_values
from ednas_nni.tasks.protocols import MetricSpec
from saliency.label import NONE, Saliency


@dataclass(frozen=True)
class SaliencyTask(Task):
    """Saliency from 0 to 254; the output (N, 1, H, W) is a logit of its share of 254."""

    name = "saliency"
    requires = ("saliency",)
    likelihood = "regression"
    metrics = (MetricSpec("mae", "1", "min"),)
    channels = 1

    @classmethod
    def for_data(cls, info, protocol="standard"):
        return cls()

    def target(self, rows):
        return Saliency().tensor(rows["saliency"], None)

    def loss(self, output, target):
        measured = target != NONE
        truth = torch.where(measured, target / 254, 0)
        return masked_mean((wide(output[:, 0]).sigmoid() - truth).abs(), measured)

    def predict(self, output):
        return output[:, 0].sigmoid() * 254

    def meter(self):
        return Errors()

    def statistics(self, split):
        """Mean saliency of each position (H, W), and of all (), where it was measured."""
        labels = np.asarray(split.target("saliency"))
        measured = labels != NONE
        if not measured.any():
            raise DataError(f"No pixel of split {split.name!r} of {split.info.name!r} has a saliency.")
        values = np.where(measured, labels, 0).astype(np.float64)
        overall = values.sum() / measured.sum()
        count = measured.sum(0)
        return {"position": np.where(count, values.sum(0) / count.clip(1), overall), "overall": np.asarray(overall)}

    def prior(self, statistics):
        return statistics["position"].astype(np.float32)[None]


class Errors:
    """Mean absolute error as a share of the range."""

    def __init__(self):
        self._totals = Totals()

    def update(self, prediction, target):
        measured = target != NONE
        error = (prediction - target).abs().double()
        self._totals.add((error * measured).nan_to_num().sum(), measured.sum(), (measured & ~error.isfinite()).sum())

    def compute(self):
        error, measured, unusable = self._totals.list(3)
        if unusable or not measured:
            return no_values(spec.name for spec in SaliencyTask.metrics)
        return {"mae": error / measured / 254}
