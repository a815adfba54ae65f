"""The task of surface normals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni.data.targets import normals_batch
from ednas_nni.errors import DataError
from ednas_nni.tasks import own_loss
from ednas_nni.tasks.base import Rows, Statistics, Task, row_blocks
from ednas_nni.tasks.decoding import Decoding
from ednas_nni.tasks.masked import valid_normals
from ednas_nni.tasks.meters import Meter
from ednas_nni.tasks.protocols import MetricSpec
from tasks.normals import adashare, metrics
from tasks.normals.loss import LOSSES

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, Split

_METERS: Mapping[str, Callable[[], Meter]] = {
    "standard": metrics.NormalsMeter,
    "adashare": adashare.AdashareNormalsMeter,
}
_SPECS = {"standard": metrics.SPECS, "adashare": adashare.SPECS}


@dataclass(frozen=True)
class Normals(Task):
    """Unit vectors (N, 3, H, W) in camera space: x right, y up, z to the camera; zero vector = invalid."""

    loss_name: str = "cosine"
    protocol: str = "standard"

    name: ClassVar[str] = "normals"
    requires: ClassVar[tuple[str, ...]] = ("normals",)
    likelihood: ClassVar[Literal["classification", "regression"]] = "regression"
    protocols: ClassVar[tuple[str, ...]] = tuple(_METERS)
    channels: ClassVar[int] = 3

    @classmethod
    def for_data(cls, info: DataInfo, protocol: str = "standard", loss: str = "cosine") -> Normals:
        """Normals are the same for every data set.

        Args:
            info: The data set.
            protocol: Evaluation protocol.
            loss: `cosine`, `angular`, or `module:function`.

        Raises:
            StudyError: The loss is unknown.
        """
        target = torch.zeros(1, 3, 4, 4)
        target[:, 2] = 1
        return cls(own_loss.checked(loss, LOSSES, "normals loss", 3, target), protocol)

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """Mean and median angle, shares within 11.25, 22.5 and 30 degrees."""
        return _SPECS[self.protocol]

    def target(self, rows: Rows) -> Tensor:
        """Unit vectors, float32 (N, 3, H, W)."""
        return normals_batch(rows["normals"])

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean over valid pixels; see `loss.cosine` and `loss.angular`."""
        if self.loss_name in LOSSES:
            return LOSSES[self.loss_name](output, target)
        return own_loss.value(self.loss_name, output, target, valid_normals(target))

    def imitation(self, output: Tensor, teacher: Tensor) -> Tensor:
        """1 - cosine of the angle between the two normals, mean over all pixels."""
        return (1 - functional.cosine_similarity(output, teacher.detach(), dim=1)).mean()

    def predict(self, output: Tensor) -> Tensor:
        """Unit vectors, float (N, 3, H, W)."""
        return functional.normalize(output, dim=1)

    @property
    def decoding(self) -> Decoding:
        """Unit vectors."""
        return Decoding("normalize")

    def meter(self) -> Meter:
        """A fresh accumulator of angles."""
        return _METERS[self.protocol]()

    def statistics(self, split: Split) -> dict[str, np.ndarray]:
        """`position_sum` float64 (3, H, W): sum of the valid normals at each position; `count` (): how many.

        Raises:
            DataError: No pixel of the split is valid.
        """
        normals = split.target("normals")
        sums, count = [], 0
        for rows in row_blocks(normals.shape):
            block = np.asarray(normals[:, rows], dtype=np.float32)
            valid = np.square(block).sum(axis=-1) > 0.25
            sums.append(np.where(valid[..., None], block, 0).sum(axis=0, dtype=np.float64))
            count += int(valid.sum())
        if not count:
            raise DataError(f"No pixel of split {split.name!r} has a valid normal (a non-zero vector).")
        return {"position_sum": np.moveaxis(np.concatenate(sums), -1, 0), "count": np.asarray(count)}

    def head_bias(self, statistics: Statistics) -> Tensor:
        """Mean of all valid normals, (3,); shorter than 1 because directions differ."""
        return torch.from_numpy(statistics["position_sum"].sum(axis=(1, 2)) / statistics["count"]).float()

    def prior(self, statistics: Statistics) -> np.ndarray:
        """Mean direction at each position, float32 unit vectors (1, 3, H, W).

        A position without a direction (never valid, or opposite normals) takes the overall mean direction.
        """
        sums = statistics["position_sum"]
        overall = sums.sum(axis=(1, 2))
        undirected = np.linalg.norm(sums, axis=0) < 1e-6
        sums = np.where(undirected, overall[:, None, None], sums)
        length = np.maximum(np.linalg.norm(sums, axis=0), 1e-12)
        return (sums / length).astype(np.float32)[None]
