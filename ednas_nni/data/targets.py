"""Typed batches: torchvision's tensor types for images and labels, so that one transform moves all of them together.

`Classes`, `Depth` and `Normals` join torchvision's own types. Importing this module registers their kernels, see
:mod:`ednas_nni.data.kernels`; any transform of `torchvision.transforms.v2` then treats them rightly, or refuses.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from ednas_nni.compat.vision import tv_tensors
from ednas_nni.errors import DataError, did_you_mean

IGNORE_INDEX = 255


class Classes(tv_tensors.Mask):
    """Class labels (..., H, W), int64; what a transform adds at a border has no class (`IGNORE_INDEX`)."""


class Depth(tv_tensors.TVTensor):
    """Depth (..., 1, H, W), float; 0 = invalid. `Depth(data, kind=...)` makes the type of that kind.

    The kind is a type, not an attribute, because torchvision's functions hand on the type alone.
    """

    kind: ClassVar[str]

    def __new__(cls, data: Any, *, kind: str | None = None) -> Depth:
        """Wrap data.

        Args:
            data: Tensor or what `torch.as_tensor` takes.
            kind: `metric`, `inverse` or `disparity`.

        Raises:
            DataError: There is no such kind.
        """
        if kind is not None:
            if kind not in KINDS:
                raise DataError(f"depth_kind is {kind!r}.{did_you_mean(kind, KINDS)}")
            cls = KINDS[kind]
        return torch.as_tensor(data).as_subclass(cls)


class MetricDepth(Depth):
    """A length along the optical axis: nearer when the picture is zoomed."""

    kind = "metric"


class InverseDepth(Depth):
    """1 / length, or disparity as a share of the image's width: larger when the picture is zoomed."""

    kind = "inverse"


class Disparity(Depth):
    """Disparity in pixels of the image's own width: grows with zoom and with the number of pixels."""

    kind = "disparity"


KINDS: dict[str, type[Depth]] = {t.kind: t for t in (MetricDepth, InverseDepth, Disparity)}


class Normals(tv_tensors.TVTensor):
    """Unit vectors (..., 3, H, W), float: x right, y up, z towards the camera; the zero vector = invalid."""

    def __new__(cls, data: Any) -> Normals:
        """Wrap a tensor or what `torch.as_tensor` takes."""
        return torch.as_tensor(data).as_subclass(cls)


def image_batch(rows: np.ndarray) -> tv_tensors.Image:
    """RGB images, uint8 (N, H, W, 3) -> float32 (N, 3, H, W) in [0, 1]; in memory the channels stay last."""
    return tv_tensors.Image(torch.from_numpy(rows.astype(np.float32)).movedim(-1, 1).div_(255))


def class_batch(rows: np.ndarray) -> Classes:
    """Labels, uint8 (N, H, W) -> int64 (N, H, W)."""
    return torch.from_numpy(rows.astype(np.int64)).as_subclass(Classes)


def depth_batch(rows: np.ndarray, kind: str) -> Depth:
    """Depth (N, H, W) -> float32 (N, 1, H, W); 0 stays invalid."""
    return Depth(torch.from_numpy(rows.astype(np.float32))[:, None], kind=kind)


def normals_batch(rows: np.ndarray) -> Normals:
    """Normals, float16 or float32 (N, H, W, 3) -> float32 (N, 3, H, W)."""
    return Normals(torch.from_numpy(np.ascontiguousarray(rows.transpose(0, 3, 1, 2), dtype=np.float32)))


from ednas_nni.data import kernels  # noqa: E402, F401  (registers what moves the types above)
