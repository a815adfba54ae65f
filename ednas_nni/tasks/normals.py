"""Surface normals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ednas_nni import losses
from ednas_nni.errors import DataError
from ednas_nni.metrics import MetricSpec, NormalsMeter
from ednas_nni.metrics.normals import SPECS
from ednas_nni.tasks.base import error_skill, row_blocks

if TYPE_CHECKING:
    from ednas_nni.data import DataInfo, Split


@dataclass(frozen=True)
class Normals:
    """Unit vectors (N, 3, H, W) in camera space: x right, y up, z to the camera; zero vector = invalid."""

    name: ClassVar[str] = "normals"
    primary: ClassVar[str] = "mean_deg"
    metrics: ClassVar[tuple[MetricSpec, ...]] = SPECS
    likelihood: ClassVar[Literal["classification", "regression"]] = "regression"
    channels: ClassVar[int] = 3

    @classmethod
    def for_data(cls, info: DataInfo) -> Normals:
        """Normals are the same for every data set."""
        return cls()

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean of 1 - cos(angle) over valid pixels; see `losses.cosine`."""
        return losses.cosine(output, target)

    def predict(self, output: Tensor) -> Tensor:
        """Unit vectors, float (N, 3, H, W)."""
        return functional.normalize(output, dim=1)

    def flip(self, target: Tensor) -> Tensor:
        """Mirror normals (N, 3, H, W) left to right: pixels move *and* x changes its sign."""
        return target.flip(-1) * target.new_tensor([-1.0, 1.0, 1.0])[:, None, None]

    def meter(self) -> NormalsMeter:
        """A fresh accumulator of angles."""
        return NormalsMeter()

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
        return error_skill(value, prior_value)
