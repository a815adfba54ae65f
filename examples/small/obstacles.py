"""The task of docs/adding_a_task.md: what is not free ground, from segmentation labels."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ednas_nni.data.targets import IGNORE_INDEX, class_batch
from ednas_nni.errors import DataError, StudyError, did_you_mean
from ednas_nni.tasks.base import Task
from ednas_nni.tasks.masked import masked_mean, wide
from ednas_nni.tasks.meters import Totals, no_values
from ednas_nni.tasks.protocols import MetricSpec


@dataclass(frozen=True)
class Obstacles(Task):
    """What is not free ground; the output (N, 1, H, W) is a logit, the target (N, H, W) 0, 1 or no label."""

    free: tuple[int, ...] = (0,)
    ignore_index: int = IGNORE_INDEX

    name = "obstacles"
    requires = ("segmentation",)
    likelihood = "classification"  # so the weighting `uncertainty` takes its formula for classes
    metrics = (MetricSpec("iou", "1", "max"),)
    channels = 1

    @classmethod
    def for_data(cls, info, protocol="standard", free: tuple[str, ...] = ("floor",)):
        """Look the free classes up.

        Args:
            info: The data set.
            protocol: Evaluation protocol.
            free: Names of the classes that are free ground. The order of `info.classes` means nothing.
        """
        if wrong := [name for name in free if name not in info.classes]:
            raise StudyError(f"obstacles free: {wrong[0]!r} is not a class.{did_you_mean(wrong[0], info.classes)}")
        return cls(tuple(map(info.classes.index, free)), info.ignore_index)

    def target(self, rows):
        labels, blocked = rows["segmentation"], ~np.isin(rows["segmentation"], self.free)
        return class_batch(np.where(labels == self.ignore_index, IGNORE_INDEX, blocked).astype(np.uint8))

    def loss(self, output, target):
        labelled, logits = target != IGNORE_INDEX, wide(output[:, 0])
        truth = (labelled & (target == 1)).to(logits.dtype)
        return masked_mean(functional.binary_cross_entropy_with_logits(logits, truth, reduction="none"), labelled)

    def predict(self, output):
        logits = output[:, 0]
        return torch.where(logits.isfinite(), (logits > 0).long(), -1)

    def meter(self):
        return Overlap()

    def statistics(self, split):
        target = self.target({"segmentation": split.target("segmentation")}).numpy()
        labelled = target != IGNORE_INDEX
        if not labelled.any():
            raise DataError(f"No pixel of split {split.name!r} has a class.")
        return {"share": (target == 1).sum(0) / np.maximum(labelled.sum(0), 1)}

    def prior(self, statistics):
        return (statistics["share"] > 0.5).astype(np.int64)[None]


class Overlap:
    def __init__(self):
        self.totals = Totals()

    def update(self, prediction, target):
        labelled = target != IGNORE_INDEX
        guess, truth, broken = labelled & (prediction == 1), labelled & (target == 1), labelled & (prediction < 0)
        self.totals.add((guess & truth).sum(), (guess | truth).sum(), labelled.sum(), broken.sum())

    def compute(self):
        both, either, labelled, broken = self.totals.list(4)
        return no_values(["iou"]) if broken or not labelled else {"iou": both / max(either, 1)}
