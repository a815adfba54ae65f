"""Semantic edges, the borders between classes: made from segmentation labels, which most data sets have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ednas_nni.data.targets import IGNORE_INDEX, class_batch
from ednas_nni.errors import DataError, StudyError
from ednas_nni.tasks import losses
from ednas_nni.tasks.base import Constants, skill
from ednas_nni.tasks.metrics import Meter, MetricSpec

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, Split

SPECS = (MetricSpec("f1", "1", "max"), MetricSpec("precision", "1", "max"), MetricSpec("recall", "1", "max"))


@dataclass(frozen=True)
class Edges:
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
    primary: ClassVar[str] = "f1"
    channels: ClassVar[int] = 1

    @classmethod
    def for_data(cls, info: DataInfo, protocol: str = "standard") -> Edges:
        """Bind to a data set with classes.

        Raises:
            StudyError: Another protocol than "standard" knows no edges.
        """
        if protocol != "standard":
            raise StudyError(f"protocol is {protocol!r}, which says nothing about edges; use 'standard'.")
        return cls(info.ignore_index)

    def target(self, rows: Mapping[str, np.ndarray]) -> Tensor:
        """Edges of some images, int64 (N, H, W)."""
        return class_batch(self._edges(rows["segmentation"]))

    def _edges(self, labels: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W) from class labels of that shape."""
        edge = np.zeros(labels.shape, np.uint8)
        unknown = labels == self.ignore_index
        hidden = unknown.copy()
        for axis in (1, 2):
            near, far = _shifted(axis)
            different = labels[near] != labels[far]
            edge[near] |= different
            edge[far] |= different
            hidden[near] |= unknown[far]
            hidden[far] |= unknown[near]
        edge[hidden] = IGNORE_INDEX
        return edge

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Binary cross entropy, edges and the rest weighted alike; see `losses.balanced_binary`."""
        target = target[:, None]
        return losses.balanced_binary(output, target, target != IGNORE_INDEX)

    def predict(self, output: Tensor) -> Tensor:
        """1 where an edge is more likely than not, int64 (N, H, W); -1 where the output is not a number."""
        logit = output[:, 0]
        return torch.where(logit.isfinite(), (logit > 0).long(), -1)

    def meter(self) -> Meter:
        """A fresh accumulator of precision, recall and F1."""
        return EdgesMeter()

    def statistics(self, split: Split) -> dict[str, np.ndarray]:
        """`position_share` float64 (H, W): how often each position is an edge; `share` (): overall.

        Raises:
            DataError: No pixel of the split is labelled.
        """
        labels = split.segmentation
        seen, hits = np.zeros(labels.shape[1:]), np.zeros(labels.shape[1:])
        for first in range(0, len(labels), 64):
            edge = self._edges(np.asarray(labels[first : first + 64]))
            seen += (edge != IGNORE_INDEX).sum(0)
            hits += (edge == 1).sum(0)
        if not seen.any():
            raise DataError(f"No pixel of split {split.name!r} of {split.info.name!r} has a class.")
        return {"position_share": hits / np.maximum(seen, 1), "share": np.asarray(hits.sum() / seen.sum())}

    def constants(self, statistics: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """None."""
        return {}

    def with_constants(self, constants: Constants) -> Edges:
        """The task itself."""
        return self

    def head_bias(self, statistics: Mapping[str, np.ndarray]) -> Tensor:
        """Zero, (1,): the loss weighs both answers alike, whatever their frequency."""
        return torch.zeros(1)

    def prior(self, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Edges where they are more frequent than on average, int64 (1, H, W)."""
        return (statistics["position_share"] > statistics["share"]).astype(np.int64)[None]

    def skill(self, value: float, prior_value: float) -> float:
        """(F1 - prior) / (1 - prior)."""
        return skill(SPECS[0], value, prior_value)


class EdgesMeter:
    """Precision P, recall R and F1 = 2 P R / (P + R) of edge pixels over a split, pixel against pixel."""

    def __init__(self) -> None:
        self._counts = torch.zeros(3, dtype=torch.int64)
        self._labelled = 0
        self._unusable = False

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch of predictions (N, H, W), 0 or 1, and targets with `IGNORE_INDEX`."""
        known = target != IGNORE_INDEX
        self._labelled += int(known.sum())
        self._unusable |= bool((known & (prediction < 0)).any())
        guess, truth = known & (prediction == 1), known & (target == 1)
        self._counts += torch.stack([(guess & truth).sum(), guess.sum(), truth.sum()]).cpu()

    def compute(self) -> dict[str, float]:
        """The metrics of `SPECS`; NaN without a labelled pixel or with a prediction that is not a number."""
        if self._unusable or not self._labelled:
            return {spec.name: float("nan") for spec in SPECS}
        both, guessed, true = self._counts.tolist()
        return {
            "f1": 2 * both / max(guessed + true, 1),
            "precision": both / max(guessed, 1),
            "recall": both / max(true, 1),
        }


def _shifted(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Index of all pixels but the last ones along an axis, and of their next neighbours."""
    near, far = [slice(None)] * 3, [slice(None)] * 3
    near[axis], far[axis] = slice(None, -1), slice(1, None)
    return tuple(near), tuple(far)
