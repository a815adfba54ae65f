"""What the writers of these layouts share: images of a source one by one, labels and depth as the files hold them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ednas_nni.data.info import Array, DataInfo
from ednas_nni.data.source import DataSource
from ednas_nni.errors import DataError
from ednas_nni.study import plain_data

_PARTS = {"train": ("train", "search", "select"), "test": ("test",)}
BASELINE_M, FOCAL_PX, WIDTH_PX = 0.209313, 2262.52, 2048
"""The usual camera pair of CityScapes: distance, focal length and image width of the original resolution."""


def empty_folder(folder: str | os.PathLike[str]) -> Path:
    """Return a folder that is empty, making it when it does not exist."""
    path = plain_data.resolved(folder, DataError, "folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise DataError(f"{path}: holds files already; name an empty or a new folder")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from None
    return path


def save(path: Path, values: Array) -> str:
    """Write a picture or, by the ending, `.npy`, with its folder; return "FOLDER/NAME"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values, allow_pickle=False)
    else:
        Image.fromarray(values).save(path)
    return f"{path.parent.name}/{path.name}"


def need_targets(info: DataInfo, targets: Sequence[str], layout: str) -> None:
    """Reject a data set that lacks labels the layout cannot do without."""
    lacking = [name for name in targets if name not in info.targets]
    if lacking:
        raise DataError(f"data set {info.name!r} has no {', '.join(lacking)}; the layout {layout} needs them")


def rows(source: DataSource, part: str, layout: str) -> Iterator[tuple[int, dict[str, Array]]]:
    """Yield number, from 0, and arrays of each image of the official part of a layout.

    `part` is `train` (train, search and select after each other) or `test`, whose opening the audit notes for `layout`.
    """
    number = 0
    for name in _PARTS[part]:
        split = source.split(name, opened_by=f"writing {layout}" if name == "test" else None)
        for row in range(len(split)):
            yield number, {key: np.asarray(values[row]) for key, values in split.arrays.items()}
            number += 1


def byte_labels(labels: NDArray[np.uint8], info: DataInfo) -> NDArray[np.uint8]:
    """Return labels with 255 = no class."""
    return np.where(labels == info.ignore_index, np.uint8(255), labels)


def signed_labels(labels: NDArray[np.uint8], info: DataInfo) -> NDArray[np.int16]:
    """Return int16 labels with -1 = no class."""
    return np.where(labels == info.ignore_index, np.int16(-1), labels.astype(np.int16))


def metres(depth: NDArray[np.floating], info: DataInfo) -> NDArray[np.float32]:
    """Return float32 depth in metres, 0 = invalid; DataError where it has no relation to metres."""
    if info.depth_kind == "metric" and info.depth_unit == "m":
        return depth.astype(np.float32)
    if info.depth_kind == "inverse" and info.depth_unit == "1/m":
        return _inverted(depth)
    raise DataError(
        f"data set {info.name!r} has {info.depth_kind} depth in {info.depth_unit!r}, which cannot be turned into "
        "metres without its cameras; write a layout that stores disparity"
    )


def normalised_disparity(depth: NDArray[np.floating], info: DataInfo) -> NDArray[np.float32]:
    """Return depth as MTAN's and AdaShare's files hold that of CityScapes: (256 d + 1) / 65535, 0 = invalid.

    d is the disparity in pixels at 2048. Metric and inverse depth are seen through the usual camera pair. Depth so near
    that its code does not fit 16 bits is invalid.
    """
    if info.depth_kind == "inverse" and info.depth_unit == "1":
        code = np.rint(depth.astype(np.float64) * 65535)
    else:
        if info.depth_kind == "disparity":
            pixels = depth.astype(np.float64) * WIDTH_PX / info.size[1]
        else:
            inverse = depth if info.depth_kind == "inverse" else _inverted(depth)
            pixels = inverse.astype(np.float64) * (BASELINE_M * FOCAL_PX)
        code = np.rint(pixels * 256 + 1)
    return np.where((depth > 0) & (code <= 65535), code, 0).astype(np.uint16).astype(np.float32) / np.float32(65535)


def _inverted(depth: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.divide(1, depth, out=np.zeros(depth.shape, np.float32), where=depth > 0)
