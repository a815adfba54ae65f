"""How labels move when the picture does: kernels for torchvision's transforms v2.

Labels are never interpolated: a blend of two classes, two depths or a depth and a hole is none of them. What comes from
outside of the picture is invalid. Operations without a kernel here would be skipped by torchvision without a word and
leave labels where they were, so those that move pixels are refused by name.

* **resize** keeps the field of view: metric and inverse depth stay; disparity in pixels scales with the width.
* **resized_crop** narrows the field of view and fills the picture with it, as if the camera came nearer by the zoom s,
  the ratio of picture to crop (geometric mean of both sides): metric depth is divided by s, inverse depth multiplied;
  disparity in pixels scales with output width / crop width. Directions stay, as the zoomed picture is one with a longer
  focal length.
* **flips** mirror normals, too: x changes its sign left to right, y top to bottom.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from ednas_nni.compat.vision import functional as F
from ednas_nni.compat.vision import register_kernel, tv_tensors
from ednas_nni.data.targets import IGNORE_INDEX, Classes, Depth, Normals
from ednas_nni.errors import DataError

_LABELS = (Depth, Normals)
REFUSED = ("affine", "rotate", "perspective", "elastic", "five_crop", "ten_crop")
"""Operations that would need labels to be recomputed, not moved."""


def _plain(x: torch.Tensor) -> torch.Tensor:
    return x.as_subclass(torch.Tensor)


def _like(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return tv_tensors.wrap(x, like=like)


def _sign(axis: int, like: torch.Tensor) -> torch.Tensor:
    values = [1.0, 1.0, 1.0]
    values[axis] = -1.0
    return like.new_tensor(values)[:, None, None]


@register_kernel("horizontal_flip", Depth)
def _mirror_depth(x: Depth) -> torch.Tensor:
    return _like(_plain(x).flip(-1), x)


@register_kernel("vertical_flip", Depth)
def _topple_depth(x: Depth) -> torch.Tensor:
    return _like(_plain(x).flip(-2), x)


@register_kernel("horizontal_flip", Normals)
def _mirror_normals(x: Normals) -> torch.Tensor:
    plain = _plain(x)
    return _like(plain.flip(-1) * _sign(0, plain), x)


@register_kernel("vertical_flip", Normals)
def _topple_normals(x: Normals) -> torch.Tensor:
    plain = _plain(x)
    return _like(plain.flip(-2) * _sign(1, plain), x)


def _crop(x: torch.Tensor, top: int, left: int, height: int, width: int) -> torch.Tensor:
    return _like(F.crop_mask(_plain(x), top, left, height, width), x)


def _center_crop(x: torch.Tensor, output_size: list[int]) -> torch.Tensor:
    return _like(F.center_crop_mask(_plain(x), output_size), x)


def _pad(x: torch.Tensor, padding: Any, fill: Any = None, padding_mode: str = "constant") -> torch.Tensor:
    if padding_mode != "constant":
        raise DataError(
            f"padding_mode is {padding_mode!r}; labels outside of the picture are not known, so only 'constant' is "
            "allowed: they become invalid"
        )
    return _like(F.pad_mask(_plain(x), padding, fill=0), x)


for _type in _LABELS:
    register_kernel("crop", _type)(_crop)
    register_kernel("center_crop", _type)(_center_crop)
    register_kernel("pad", _type)(_pad)


@register_kernel("resize", Normals)
def _resize_normals(x: Normals, size: Any, *_: Any, max_size: int | None = None, **__: Any) -> torch.Tensor:
    return _like(F.resize_mask(_plain(x), size, max_size=max_size), x)


@register_kernel("resize", Depth)
def _resize_depth(x: Depth, size: Any, *_: Any, max_size: int | None = None, **__: Any) -> torch.Tensor:
    found = F.resize_mask(_plain(x), size, max_size=max_size)
    if x.kind == "disparity":
        found = found * (found.shape[-1] / x.shape[-1])
    return _like(found, x)


@register_kernel("resized_crop", Normals)
def _zoom_normals(
    x: Normals, top: int, left: int, height: int, width: int, size: Any, *_: Any, **__: Any
) -> torch.Tensor:
    return _like(F.resized_crop_mask(_plain(x), top, left, height, width, size), x)


@register_kernel("resized_crop", Depth)
def _zoom_depth(x: Depth, top: int, left: int, height: int, width: int, size: Any, *_: Any, **__: Any) -> torch.Tensor:
    found = F.resized_crop_mask(_plain(x), top, left, height, width, size)
    zoom = math.sqrt(x.shape[-1] * x.shape[-2] / (width * height))
    factor = {"metric": 1 / zoom, "inverse": zoom, "disparity": found.shape[-1] / width}[x.kind]
    return _like(found * factor, x)


@register_kernel("pad", Classes)
def _pad_classes(x: Classes, padding: Any, fill: Any = None, padding_mode: str = "constant") -> torch.Tensor:
    fill = IGNORE_INDEX if padding_mode == "constant" else None
    return _like(F.pad_mask(_plain(x), padding, fill=fill, padding_mode=padding_mode), x)


@register_kernel("crop", Classes)
def _crop_classes(x: Classes, top: int, left: int, height: int, width: int) -> torch.Tensor:
    # A crop that reaches beyond the picture is padded with 0, which is a class; shifted by the ignored one it is not.
    return _like(F.crop_mask(_plain(x) - IGNORE_INDEX, top, left, height, width) + IGNORE_INDEX, x)


@register_kernel("center_crop", Classes)
def _center_crop_classes(x: Classes, output_size: list[int]) -> torch.Tensor:
    return _like(F.center_crop_mask(_plain(x) - IGNORE_INDEX, output_size) + IGNORE_INDEX, x)


def _refusal(name: str) -> Callable[..., Any]:
    def refuse(x: torch.Tensor, *_: Any, **__: Any) -> Any:
        raise DataError(
            f"{name}() cannot move {type(x).__name__}: its values would have to be computed anew, not only moved. Use "
            "flips, crops, pad, resize and resized_crop"
        )

    return refuse


for _name in REFUSED:
    for _type in _LABELS:
        register_kernel(_name, _type)(_refusal(_name))
