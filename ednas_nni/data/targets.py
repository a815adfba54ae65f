"""Typed batches: tensor types for labels, and how they move when the picture does.

torchvision moves each tensor of a sample by the kernel of its type (transforms v2). A `Label` has kernels for all moves
that keep values meaningful; a new type only says what its values do (`mirrored`, `rescaled`) and which value means
invalid. The rules:

* Labels are never interpolated: a blend of two classes, two depths or a depth and a hole is none of them.
* What comes from outside of the picture is invalid.
* resize keeps the field of view: metric and inverse depth stay; disparity in pixels scales with the width.
* resized_crop narrows the field of view and fills the picture with it, as if the camera came nearer by the zoom s, the
  ratio of picture to crop (geometric mean of both sides). Enlarging a quarter of a 32 x 64 picture (16 x 32 pixels) has
  s = 2: metric depth 4 m becomes 2 m, inverse depth 0.25 becomes 0.5. Directions stay: the zoomed picture is one with
  a longer focal length.
* flips mirror normals, too: x changes its sign left to right, y top to bottom.
* Rotations and the like would need labels to be computed anew. torchvision skips types without a kernel silently and
  would leave such labels where they were, so these operations are rejected by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ednas_nni.compat.vision import functional as F
from ednas_nni.compat.vision import register_kernel, tv_tensors
from ednas_nni.data.info import IGNORE_INDEX
from ednas_nni.errors import DataError, did_you_mean

REJECTED = ("affine", "rotate", "perspective", "elastic", "five_crop", "ten_crop")
"""Operations that would need labels to be recomputed, not moved."""


class Label(tv_tensors.TVTensor):
    """A dense label (..., H, W); `invalid` is the value of pixels without one."""

    invalid: ClassVar[int | float] = 0

    def __new__(cls, data: ArrayLike | torch.Tensor) -> Label:
        """Wrap a tensor or what `torch.as_tensor` takes."""
        return torch.as_tensor(data).as_subclass(cls)

    @classmethod
    def mirrored(cls, values: torch.Tensor, axis: int) -> torch.Tensor:
        """What the values become, their pixels having been mirrored left to right (axis 0) or top to bottom (1)."""
        return values

    @classmethod
    def rescaled(cls, values: torch.Tensor, zoom: float, across: float) -> torch.Tensor:
        """What the values (..., H, W) become, their pixels having been resized.

        `zoom` is how much nearer the camera seems to be (1 = the field of view stayed), `across` how many pixels of the
        new width show what one showed before.
        """
        return values


class ClassMap(Label):
    """Class labels (..., H, W), int64; `IGNORE_INDEX` = no class."""

    invalid = IGNORE_INDEX


class DepthMap(Label):
    """Depth (..., 1, H, W), float; 0 = invalid. `DepthMap(data, kind=...)`: `metric`, `inverse` or `disparity`.

    The kind is a type, not an attribute, because torchvision's functions hand on the type alone.
    """

    kind: ClassVar[str] = ""

    def __new__(cls, data: ArrayLike | torch.Tensor, *, kind: str | None = None) -> DepthMap:
        """Wrap data as `Label` does."""
        if kind is not None:
            if kind not in KINDS:
                raise DataError(f"depth_kind is {kind!r}.{did_you_mean(kind, KINDS)}")
            cls = KINDS[kind]
        return torch.as_tensor(data).as_subclass(cls)

    @classmethod
    def rescaled(cls, values: torch.Tensor, zoom: float, across: float) -> torch.Tensor:
        """Multiplied by what the kind says."""
        return values * {"metric": 1 / zoom, "inverse": zoom, "disparity": across}.get(cls.kind, 1.0)


class MetricDepth(DepthMap):
    """A length along the optical axis: nearer when the picture is zoomed."""

    kind = "metric"


class InverseDepth(DepthMap):
    """1 / length, or disparity as a share of the image's width: larger when the picture is zoomed."""

    kind = "inverse"


class Disparity(DepthMap):
    """Disparity in pixels of the image's own width: grows with zoom and with the number of pixels."""

    kind = "disparity"


KINDS: dict[str, type[DepthMap]] = {t.kind: t for t in (MetricDepth, InverseDepth, Disparity)}


class NormalMap(Label):
    """Unit vectors (..., 3, H, W), float: x right, y up, z towards the camera; the zero vector = invalid."""

    @classmethod
    def mirrored(cls, values: torch.Tensor, axis: int) -> torch.Tensor:
        """Changes the sign of x or y."""
        signs = values.new_ones(3)
        signs[axis] = -1
        return values * signs[:, None, None]


def image_batch(rows: NDArray[np.uint8]) -> tv_tensors.Image:
    """RGB images, uint8 (N, H, W, 3) -> float32 (N, 3, H, W) in [0, 1]; in memory the channels stay last."""
    return tv_tensors.Image(torch.from_numpy(rows.astype(np.float32)).movedim(-1, 1).div_(255))


def class_batch(rows: NDArray[np.uint8]) -> ClassMap:
    """Labels, uint8 (N, H, W) -> int64 (N, H, W)."""
    return torch.from_numpy(rows.astype(np.int64)).as_subclass(ClassMap)


def depth_batch(rows: NDArray[np.floating], kind: str) -> DepthMap:
    """Depth (N, H, W) -> float32 (N, 1, H, W); 0 stays invalid."""
    return DepthMap(torch.from_numpy(rows.astype(np.float32))[:, None], kind=kind)


def normals_batch(rows: NDArray[np.floating]) -> NormalMap:
    """Normals, float16 or float32 (N, H, W, 3) -> float32 (N, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(rows.transpose(0, 3, 1, 2), dtype=np.float32)).as_subclass(NormalMap)


def _moved(x: Label, kernel: Callable[..., torch.Tensor], *arguments: object, **options: object) -> torch.Tensor:
    """Values moved by one of torchvision's kernels for masks (nearest pixels), those from outside made invalid."""
    plain = x.as_subclass(torch.Tensor)
    moved = kernel(plain, *arguments, **options)
    if type(x).invalid:  # the kernels fill with 0
        inside = kernel(torch.ones_like(plain, dtype=torch.uint8), *arguments, **options)
        moved = torch.where(inside > 0, moved, type(x).invalid)
    return moved


def _flip(axis: int) -> Callable[..., torch.Tensor]:
    def flip(x: Label) -> torch.Tensor:
        return tv_tensors.wrap(type(x).mirrored(x.as_subclass(torch.Tensor).flip(-1 - axis), axis), like=x)

    return flip


register_kernel("horizontal_flip", Label)(_flip(0))
register_kernel("vertical_flip", Label)(_flip(1))


def _cut(kernel: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda x, *arguments, **options: tv_tensors.wrap(_moved(x, kernel, *arguments, **options), like=x)


register_kernel("crop", Label)(_cut(F.crop_mask))
register_kernel("center_crop", Label)(_cut(F.center_crop_mask))


@register_kernel("pad", Label)
def _pad(x: Label, padding: list[int], fill: object = None, padding_mode: str = "constant") -> torch.Tensor:
    if padding_mode != "constant":
        raise DataError(
            f"padding_mode is {padding_mode!r}; labels outside of the picture are not known, so only 'constant' is "
            "allowed: they become invalid"
        )
    return tv_tensors.wrap(_moved(x, F.pad_mask, padding, fill=0), like=x)


@register_kernel("resize", Label)
def _resize(x: Label, size: list[int] | None, *_: object, max_size: int | None = None, **__: object) -> torch.Tensor:
    moved = F.resize_mask(x.as_subclass(torch.Tensor), size, max_size=max_size)
    return tv_tensors.wrap(type(x).rescaled(moved, 1.0, moved.shape[-1] / x.shape[-1]), like=x)


@register_kernel("resized_crop", Label)
def _resized_crop(
    x: Label, top: int, left: int, height: int, width: int, size: list[int], *_: object, **__: object
) -> torch.Tensor:
    part = _moved(x, F.crop_mask, top, left, height, width)
    moved = F.resize_image(part[None], size, F.InterpolationMode.NEAREST_EXACT)[0]  # masks' kernel is half a pixel off
    zoom = math.sqrt(x.shape[-1] * x.shape[-2] / (width * height))
    return tv_tensors.wrap(type(x).rescaled(moved, zoom, moved.shape[-1] / width), like=x)


def _reject(name: str) -> Callable[..., torch.Tensor]:
    def reject(x: Label, *_: object, **__: object) -> torch.Tensor:
        raise DataError(
            f"{name}() cannot move {type(x).__name__}: its values would have to be computed anew, not only moved. Use "
            "flips, crops, pad, resize and resized_crop"
        )

    return reject


for _name in REJECTED:
    register_kernel(_name, Label)(_reject(_name))
