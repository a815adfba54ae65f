"""Surface normals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni.data.targets import normals_batch
from ednas_nni.errors import DataError, StudyError, did_you_mean
from ednas_nni.tasks import losses
from ednas_nni.tasks.base import Constants, row_blocks, skill
from ednas_nni.tasks.metrics import Meter, MetricSpec, every, protocol

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, Split


@dataclass(frozen=True)
class Normals:
    """Unit vectors (N, 3, H, W) in camera space: x right, y up, z to the camera; zero vector = invalid.

    Attributes:
        loss_name: A key of `losses.NORMALS`.
        protocol: Evaluation protocol.
    """

    loss_name: str = "cosine"
    protocol: str = "standard"

    name: ClassVar[str] = "normals"
    requires: ClassVar[tuple[str, ...]] = ("normals",)
    likelihood: ClassVar[Literal["classification", "regression"]] = "regression"
    every_metric: ClassVar[tuple[tuple[MetricSpec, ...], ...]] = every(lambda p: (p.normals_specs,))
    channels: ClassVar[int] = 3

    @classmethod
    def for_data(cls, info: DataInfo, protocol: str = "standard", loss: str = "cosine") -> Normals:
        """Normals are the same for every data set.

        Args:
            info: The data set.
            protocol: Evaluation protocol.
            loss: A key of `losses.NORMALS`.

        Raises:
            StudyError: The loss is unknown.
        """
        if loss not in losses.NORMALS:
            raise StudyError(f"normals loss is {loss!r}.{did_you_mean(loss, losses.NORMALS)}")
        return cls(loss, protocol)

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """Mean and median angle, shares within 11.25, 22.5 and 30 degrees."""
        return protocol(self.protocol).normals_specs

    @property
    def primary(self) -> str:
        """The mean angle."""
        return self.metrics[0].name

    def target(self, rows: Mapping[str, np.ndarray]) -> Tensor:
        """Unit vectors, float32 (N, 3, H, W)."""
        return normals_batch(rows["normals"])

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean over valid pixels; see `losses.cosine` and `losses.angular`."""
        return losses.NORMALS[self.loss_name](output, target)

    def predict(self, output: Tensor) -> Tensor:
        """Unit vectors, float (N, 3, H, W)."""
        return functional.normalize(output, dim=1)

    def meter(self) -> Meter:
        """A fresh accumulator of angles."""
        return protocol(self.protocol).normals()

    def statistics(self, split: Split) -> dict[str, np.ndarray]:
        """`position_sum` float64 (3, H, W): sum of the valid normals at each position; `count` (): how many.

        Raises:
            DataError: No pixel of the split is valid.
        """
        normals = split.normals
        sums, count = [], 0
        for rows in row_blocks(normals.shape):
            block = np.asarray(normals[:, rows], dtype=np.float32)
            valid = np.square(block).sum(axis=-1) > 0.25
            sums.append(np.where(valid[..., None], block, 0).sum(axis=0, dtype=np.float64))
            count += int(valid.sum())
        if not count:
            raise DataError(f"No pixel of split {split.name!r} has a valid normal (a non-zero vector).")
        return {"position_sum": np.moveaxis(np.concatenate(sums), -1, 0), "count": np.asarray(count)}

    def constants(self, statistics: Mapping[str, np.ndarray]) -> dict[str, float]:
        """None: directions have no scale."""
        return {}

    def with_constants(self, constants: Constants) -> Normals:
        """The task itself."""
        return self

    def head_bias(self, statistics: Mapping[str, np.ndarray]) -> Tensor:
        """Mean of all valid normals, (3,); shorter than 1 because directions differ."""
        return torch.from_numpy(statistics["position_sum"].sum(axis=(1, 2)) / statistics["count"]).float()

    def prior(self, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Mean direction at each position, float32 unit vectors (1, 3, H, W).

        A position without a direction (never valid, or opposite normals) takes the overall mean direction.
        """
        sums = statistics["position_sum"]
        overall = sums.sum(axis=(1, 2))
        undirected = np.linalg.norm(sums, axis=0) < 1e-6
        sums = np.where(undirected, overall[:, None, None], sums)
        length = np.maximum(np.linalg.norm(sums, axis=0), 1e-12)
        return (sums / length).astype(np.float32)[None]

    def skill(self, value: float, prior_value: float) -> float:
        """1 - mean angle / prior's mean angle."""
        return skill(self.metrics[0], value, prior_value)
