"""The task of semantic edges, the borders between classes: made from segmentation labels, which most data sets have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni.data.targets import IGNORE_INDEX, class_batch
from ednas_nni.errors import DataError
from ednas_nni.tasks.base import Rows, Statistics, Task
from ednas_nni.tasks.decoding import Decoding
from ednas_nni.tasks.masked import masked_mean, wide
from ednas_nni.tasks.meters import Meter, Totals, no_values
from ednas_nni.tasks.protocols import MetricSpec

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, Split

SPECS = (MetricSpec("f1", "1", "max"), MetricSpec("precision", "1", "max"), MetricSpec("recall", "1", "max"))


class EdgesMeter:
    """Precision P, recall R and F1 = 2 P R / (P + R) of edge pixels over a split, pixel against pixel."""

    def __init__(self) -> None:
        self._totals = Totals()

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch of predictions (N, H, W), 0 or 1, and targets with `IGNORE_INDEX`."""
        labelled = target != IGNORE_INDEX
        guess, truth = labelled & (prediction == 1), labelled & (target == 1)
        unusable = labelled & (prediction < 0)
        self._totals.add((guess & truth).sum(), guess.sum(), truth.sum(), labelled.sum(), unusable.sum())

    def compute(self) -> dict[str, float]:
        """The metrics of `SPECS`; NaN without a labelled pixel or with a prediction that is not a number."""
        both, guessed, true, labelled, unusable = self._totals.list(5)
        if unusable or not labelled:
            return no_values(spec.name for spec in SPECS)
        return {
            "f1": 2 * both / max(guessed + true, 1),
            "precision": both / max(guessed, 1),
            "recall": both / max(true, 1),
        }


@dataclass(frozen=True)
class Edges(Task):
    """Pixels whose neighbour to the right, left, above or below is of another class; output (N, 1, H, W), a logit.

    The target (N, H, W) holds 0 or 1, and `IGNORE_INDEX` where the pixel or one of these neighbours has no class.

    Attributes:
        ignore_index: The label of pixels without a class.
    """

    ignore_index: int = IGNORE_INDEX

    name: ClassVar[str] = "edges"
    requires: ClassVar[tuple[str, ...]] = ("segmentation",)
    likelihood: ClassVar[Literal["classification", "regression"]] = "classification"
    metrics: ClassVar[tuple[MetricSpec, ...]] = SPECS
    channels: ClassVar[int] = 1

    @property
    def legend(self) -> tuple[str, ...]:
        """Of the two values of an edge map."""
        return ("no border", "border")

    @classmethod
    def for_data(cls, info: DataInfo, protocol: str = "standard") -> Edges:
        """Bind to a data set with classes."""
        return cls(info.ignore_index)

    def target(self, rows: Rows) -> Tensor:
        """Edges of some images, int64 (N, H, W)."""
        return class_batch(self._edges(rows["segmentation"]))

    def _edges(self, labels: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W) from class labels of that shape; a row 0 0 1 255 (no class) gives 0 1 255 255."""
        edge = np.zeros(labels.shape, np.uint8)
        unlabelled = labels == self.ignore_index
        undecided = unlabelled.copy()
        for axis in (1, 2):
            near, far = _shifted(axis)
            different = labels[near] != labels[far]
            edge[near] |= different
            edge[far] |= different
            undecided[near] |= unlabelled[far]
            undecided[far] |= unlabelled[near]
        edge[undecided] = IGNORE_INDEX
        return edge

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Binary cross entropy, edges and the rest weighted alike; see `balanced_binary`."""
        target = target[:, None]
        return balanced_binary(output, target, target != IGNORE_INDEX)

    def imitation(self, output: Tensor, teacher: Tensor) -> Tensor:
        """Binary cross entropy against the teacher's probability of an edge."""
        return functional.binary_cross_entropy_with_logits(output, teacher.detach().sigmoid())

    def predict(self, output: Tensor) -> Tensor:
        """1 where an edge is more likely than not, int64 (N, H, W); -1 where the output is not a number."""
        logit = output[:, 0]
        return torch.where(logit.isfinite(), (logit > 0).long(), -1)

    @property
    def decoding(self) -> Decoding:
        """1 for an edge."""
        return Decoding("above_zero")

    def meter(self) -> Meter:
        """A fresh accumulator of precision, recall and F1."""
        return EdgesMeter()

    def statistics(self, split: Split) -> dict[str, np.ndarray]:
        """`position_share` float64 (H, W): how often each position is an edge; `share` (): overall.

        Raises:
            DataError: No pixel of the split is labelled.
        """
        labels = split.target("segmentation")
        seen, hits = np.zeros(labels.shape[1:]), np.zeros(labels.shape[1:])
        for first in range(0, len(labels), 64):
            edge = self._edges(np.asarray(labels[first : first + 64]))
            seen += (edge != IGNORE_INDEX).sum(0)
            hits += (edge == 1).sum(0)
        if not seen.any():
            raise DataError(f"No pixel of split {split.name!r} of {split.info.name!r} has a class.")
        return {"position_share": hits / np.maximum(seen, 1), "share": np.asarray(hits.sum() / seen.sum())}

    def prior(self, statistics: Statistics) -> np.ndarray:
        """Edges where they are more frequent than on average, int64 (1, H, W)."""
        return (statistics["position_share"] > statistics["share"]).astype(np.int64)[None]


def _shifted(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Index of all pixels but the last ones along an axis, and of their next neighbours."""
    near, far = [slice(None)] * 3, [slice(None)] * 3
    near[axis], far[axis] = slice(None, -1), slice(1, None)
    return tuple(near), tuple(far)


def balanced_binary(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Binary cross entropy in which the rare class counts as much as the frequent one, batch by batch.

    Each pixel is weighted by the share of the other class (Xie, Tu, "Holistically-Nested Edge Detection", ICCV 2015,
    arXiv 1504.06375, equation 2). Logits, target (0 or 1) and mask (False = unlabelled) are (N, 1, H, W); the result is
    in nats, 0 with zero gradient when no pixel is labelled.
    """
    logits = wide(logits)
    truth = torch.where(mask, target, 0).to(logits.dtype)
    positive = truth.sum() / mask.sum().clamp(min=1)
    weight = torch.where(truth > 0, 1 - positive, positive)
    # A batch of a single class would weigh nothing at all.
    weight = torch.where((positive > 0) & (positive < 1), weight, torch.ones_like(weight))
    loss = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return masked_mean(loss * weight, mask)
