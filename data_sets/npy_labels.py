"""Labels kept as `.npy`, as MTAN's files and all that derive from them have them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data.reading import class_ids, flat, oriented, read_npy, unit_image
from ednas_nni.errors import DataError

ZERO_DISPARITY = 1.5 / 65535
"""CityScapes stores a disparity of d pixels as 256 d + 1 and MTAN divides by 65535, so 1/65535 means no disparity at
all, which is no finite depth. Values up to here are invalid."""


def npy_image(path: Path) -> NDArray[np.uint8]:
    """Read RGB floats in [0, 1] or bytes as uint8 (H, W, 3)."""
    return unit_image(read_npy(path), path)


def npy_classes(path: Path, classes: int) -> NDArray[np.uint8]:
    """Read whole numbers of any type, (H, W) or (H, W, 1), -1 or 255 = no class, as uint8 (H, W)."""
    return class_ids(flat(read_npy(path), path), classes, path)


def npy_depth(path: Path, normalised: bool) -> NDArray[np.float32]:
    """Read (H, W) or (H, W, 1) as float32 (H, W), 0 = invalid.

    Args:
        path: The file.
        normalised: It holds CityScapes' disparity divided by 65535, not metres.

    Raises:
        DataError: Normalised disparity above 1.
    """
    depth = flat(read_npy(path), path).astype(np.float32)
    if not normalised:
        return depth
    highest = float(np.max(depth, initial=0, where=np.isfinite(depth)))
    if highest > 1:
        raise DataError(
            f"{path}: disparity reaches {highest:g}; CityScapes files of this layout hold disparity divided by 65535, "
            "so at most 1. Set data.dataset: nyuv2 if these are metres"
        )
    return np.where(depth > ZERO_DISPARITY, depth, np.float32(0))


def npy_normals(path: Path, axes: Sequence[str]) -> NDArray[np.float32]:
    """Read unit vectors (H, W, 3), zero = invalid, with the given axes as float32 (x right, y up, z to the camera)."""
    normals = read_npy(path)
    if normals.ndim != 3 or normals.shape[2] != 3:
        raise DataError(f"{path}: has shape {normals.shape}; normals (height, width, 3) are needed")
    return oriented(normals, axes)
