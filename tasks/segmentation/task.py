"""The task of semantic segmentation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni.data.targets import class_batch
from ednas_nni.errors import DataError, StudyError
from ednas_nni.tasks import own_loss
from ednas_nni.tasks.base import Constants, Rows, Statistics, Task
from ednas_nni.tasks.decoding import Decoding
from ednas_nni.tasks.masked import wide
from ednas_nni.tasks.meters import Meter
from ednas_nni.tasks.protocols import MetricSpec
from tasks.segmentation import adashare, metrics

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, Split

_WEIGHT_RANGE = (0.1, 10.0)
_METERS: Mapping[str, Callable[[int, int], Meter]] = {
    "standard": metrics.SegmentationMeter,
    "adashare": adashare.AdashareSegmentationMeter,
}
_SPECS = {"standard": metrics.SPECS, "adashare": adashare.SPECS}


@dataclass(frozen=True)
class Segmentation(Task):
    """One class per pixel; the output (N, C, H, W) holds logits, the target (N, H, W) class indices.

    Attributes:
        classes: Names of the C classes.
        ignore_index: The label of pixels that are neither trained nor judged.
        weights: Weight of each class in the loss; None = all alike.
        balanced: Whether `weights` shall come from the training split: median frequency / frequency, cut to
            0.1 ... 10 (Eigen, Fergus, ICCV 2015, arXiv 1411.4734, section 5).
        protocol: Evaluation protocol.
        loss_name: `cross_entropy`, or a loss of the user's (docs/losses.md).
    """

    classes: tuple[str, ...]
    ignore_index: int = 255
    weights: tuple[float, ...] | None = None
    balanced: bool = False
    protocol: str = "standard"
    loss_name: str = "cross_entropy"

    name: ClassVar[str] = "segmentation"
    requires: ClassVar[tuple[str, ...]] = ("segmentation",)
    likelihood: ClassVar[Literal["classification", "regression"]] = "classification"
    protocols: ClassVar[tuple[str, ...]] = tuple(_METERS)

    @property
    def legend(self) -> tuple[str, ...]:
        """The class names."""
        return self.classes

    @classmethod
    def for_data(
        cls,
        info: DataInfo,
        protocol: str = "standard",
        class_weights: Literal["balanced"] | Sequence[float] | None = None,
        loss: str = "cross_entropy",
    ) -> Segmentation:
        """Take the classes of a data set.

        Args:
            info: The data set.
            protocol: Evaluation protocol.
            class_weights: "balanced", or one number for each class.
            loss: `cross_entropy`, or `module:function`.

        Raises:
            DataError: The data set names fewer than two classes.
            StudyError: The weights are of another number, negative or all zero; the loss is unknown or takes none.
        """
        if len(info.classes) < 2:
            raise DataError(
                f"Data set {info.name!r} has {len(info.classes)} classes; segmentation needs at least 2. "
                "Drop the task 'segmentation' or choose another data set."
            )
        balanced = isinstance(class_weights, str)
        weights = None
        if class_weights is not None and not balanced:
            weights = tuple(float(w) for w in class_weights)
            if len(weights) != len(info.classes) or not any(weights) or not all(0 <= w < math.inf for w in weights):
                raise StudyError(
                    f"segmentation class_weights is {list(class_weights)!r}; it must be 'balanced' or "
                    f"{len(info.classes)} numbers of at least 0, one for each class of {info.name!r}."
                )
        target = torch.zeros(1, 4, 4, dtype=torch.int64)
        target[0, 0] = info.ignore_index  # what a loss must do without
        where, unlabelled = "segmentation loss", info.ignore_index
        loss = own_loss.checked(loss, LOSSES, where, len(info.classes), target, ignore_index=unlabelled)
        if class_weights is not None and loss not in LOSSES:
            raise StudyError(f"segmentation class_weights serve the loss 'cross_entropy' alone, not {loss!r}.")
        return cls(tuple(info.classes), info.ignore_index, weights, balanced, protocol, loss)

    def settings(self) -> dict[str, Any]:
        """The fields; identities that were made before losses had a name do not have the usual one."""
        settings = super().settings()
        if self.loss_name in LOSSES:
            del settings["loss_name"]
        return settings

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """Mean IoU and pixel accuracy."""
        return _SPECS[self.protocol]

    @property
    def channels(self) -> int:
        """One logit a class."""
        return len(self.classes)

    def target(self, rows: Rows) -> Tensor:
        """Class indices, int64 (N, H, W)."""
        return class_batch(rows["segmentation"])

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Cross entropy in nats over labelled pixels (see `cross_entropy`), or the user's loss."""
        if self.loss_name not in LOSSES:
            labelled = target != self.ignore_index
            return own_loss.value(self.loss_name, output, target, labelled, ignore_index=self.ignore_index)
        weights = None if self.weights is None else torch.tensor(self.weights, device=output.device)
        return cross_entropy(output, target, self.ignore_index, weights)

    def imitation(self, output: Tensor, teacher: Tensor) -> Tensor:
        """Divergence from the teacher's class probabilities in nats: distillation at temperature 1."""
        target = functional.log_softmax(teacher.detach(), 1)
        distance = functional.kl_div(functional.log_softmax(output, 1), target, reduction="none", log_target=True)
        return distance.sum(1).mean()

    def predict(self, output: Tensor) -> Tensor:
        """Most likely class, int64 (N, H, W); -1 where the logits are not numbers, which no meter accepts."""
        top, index = output.max(dim=1)
        return index.masked_fill_(~top.isfinite(), -1)

    @property
    def decoding(self) -> Decoding:
        """Most likely class."""
        return Decoding("argmax")

    def meter(self) -> Meter:
        """A fresh accumulator of mIoU and pixel accuracy."""
        return _METERS[self.protocol](self.channels, self.ignore_index)

    def statistics(self, split: Split) -> dict[str, np.ndarray]:
        """`position_counts` int64 (C, H, W): how often each class occurs at each position.

        Raises:
            DataError: No pixel of the split has a class.
        """
        labels = split.target("segmentation")
        counts = np.stack([(labels == index).sum(axis=0, dtype=np.int64) for index in range(self.channels)])
        if not counts.any():
            raise DataError(f"No pixel of split {split.name!r} of {split.info.name!r} has a class.")
        return {"position_counts": counts}

    def constants(self, statistics: Statistics) -> Constants:
        """The balanced weights, if the study asks for them."""
        if not self.balanced:
            return {}
        counts = statistics["position_counts"].sum(axis=(1, 2)).astype(float)
        typical = np.median(counts[counts > 0])
        # A class that never occurs has no frequency; its weight does not matter either.
        weights = np.where(counts > 0, np.clip(typical / np.maximum(counts, 1), *_WEIGHT_RANGE), 1.0)
        return {"weights": [round(float(w), 4) for w in weights]}

    def with_constants(self, constants: Constants) -> Segmentation:
        """Take the balanced weights over."""
        return replace(self, weights=tuple(constants["weights"])) if "weights" in constants else self

    def head_bias(self, statistics: Statistics) -> Tensor:
        """Log of the class frequencies (C,); a class that never occurs is treated as seen on one pixel."""
        counts = statistics["position_counts"].sum(axis=(1, 2)).clip(min=1)
        return torch.from_numpy(np.log(counts / counts.sum())).float()

    def prior(self, statistics: Statistics) -> np.ndarray:
        """Most frequent class at each position, int64 (1, H, W); the lower index wins a tie.

        A position that is never labelled takes the most frequent class of all.
        """
        counts = statistics["position_counts"]
        overall = counts.sum(axis=(1, 2)).argmax()
        return np.where(counts.any(axis=0), counts.argmax(axis=0), overall)[None]


def cross_entropy(
    logits: Tensor, target: Tensor, ignore_index: int = 255, class_weights: Tensor | None = None
) -> Tensor:
    """Mean negative log likelihood over labelled pixels.

    Logits are (N, C, H, W), targets class indices (N, H, W), int64 in [0, C) or `ignore_index` = unlabelled. With
    weights (C,), each >= 0, a pixel counts with that of its class, and the mean is over these weights, as in torch. The
    result is in nats; 0 with zero gradient when no pixel is labelled (torch's own mean would be NaN).
    """
    logits = wide(logits)
    weights = None if class_weights is None else class_weights.to(logits)
    total = functional.cross_entropy(logits, target, weights, ignore_index=ignore_index, reduction="sum")
    labelled = target != ignore_index
    if weights is None:
        return total / labelled.sum().clamp(min=1)
    mass = torch.where(labelled, weights[torch.where(labelled, target, 0)], 0.0).sum()
    return total / torch.where(mass > 0, mass, 1.0)


LOSSES = {"cross_entropy": cross_entropy}
