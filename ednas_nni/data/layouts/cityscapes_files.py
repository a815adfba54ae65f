"""The files of one raw CityScapes image: labels, disparity and camera, and what their numbers mean.

Source: the data set's own scripts and documentation (Cordts et al., The Cityscapes Dataset, CVPR 2016).
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from ednas_nni.data.class_names import CITYSCAPES_19_TO_2, CITYSCAPES_19_TO_7, CITYSCAPES_TRAIN_IDS
from ednas_nni.data.info import IGNORE_INDEX
from ednas_nni.data.reading import read_map
from ednas_nni.errors import DataError

LARGEST_ID = 33

_COARSE = {19: np.arange(19, dtype=np.uint8), 7: CITYSCAPES_19_TO_7, 2: CITYSCAPES_19_TO_2}


def read_labels(path: Path, kind: str, classes: int) -> np.ndarray:
    """Read a label map.

    Args:
        path: `*_gtFine_labelIds.png` or `*_gtFine_labelTrainIds.png`.
        kind: `labelIds` or `labelTrainIds`: what the stored values are.
        classes: 19, 7 or 2.

    Returns:
        uint8 (H, W), 255 = not evaluated.

    Raises:
        DataError: The file cannot be read, or holds values that the other kind of file would hold.
    """
    stored = read_map(path)
    table = np.full(256, IGNORE_INDEX, np.uint8)
    table[list(CITYSCAPES_TRAIN_IDS) if kind == "labelIds" else range(19)] = _COARSE[classes]
    largest, ids = int(stored.max(initial=0)), np.unique(stored[stored != IGNORE_INDEX])
    if kind == "labelIds" and (largest > LARGEST_ID or int(stored.min(initial=0)) < 0):
        raise DataError(
            f"{path}: holds {largest}, but label ids end at {LARGEST_ID}. If these files hold train ids, name them "
            "..._labelTrainIds.png."
        )
    if kind == "labelTrainIds" and len(ids) and ids[-1] > 18:
        raise DataError(
            f"{path}: holds {int(ids[-1])}, but train ids end at 18 (255 = not evaluated). If these files hold "
            "label ids, name them ..._labelIds.png."
        )
    return table[stored.astype(np.uint8)]


def read_disparity(path: Path) -> np.ndarray:
    """Read a disparity map.

    A stored p is a disparity of (p - 1) / 256 px at the stored width; p = 0 is invalid. p = 1, a disparity of zero, is
    infinitely far: no finite depth, so it counts as invalid too. The left border and the car's own bonnet are mostly
    invalid; they stay as stored.

    Args:
        path: `*_disparity.png`, 16 bits.

    Returns:
        float32 (H, W), pixels, 0 = invalid.

    Raises:
        DataError: The file cannot be read or has 8 bits.
    """
    stored = read_map(path)
    if stored.dtype.itemsize < 2:
        raise DataError(f"{path}: has 8 bits per pixel; CityScapes' disparity has 16. Use the files of disparity/.")
    # Floats first: 0 - 1 of 16-bit numbers without sign is 65535, a disparity of 256 px.
    return np.maximum((stored.astype(np.float32) - 1) / 256, 0)


def read_camera(path: Path) -> float:
    """Read what turns disparity into depth.

    Args:
        path: `*_camera.json`.

    Returns:
        Baseline times focal length in m px, at the stored width.

    Raises:
        DataError: The file is missing, damaged or lacks a field.
    """
    try:
        camera = json.loads(path.read_text(encoding="utf-8"))
        product = float(camera["extrinsic"]["baseline"]) * float(camera["intrinsic"]["fx"])
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such file. Unpack camera_trainvaltest.zip, or set `depth: disparity`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be read as a camera ({type(error).__name__}: {error}); extrinsic.baseline and "
            "intrinsic.fx are needed. Unpack it again."
        ) from None
    if not 0 < product < math.inf:
        raise DataError(f"{path}: baseline times fx is {product:g} m px; it must be above 0. Unpack it again.")
    return product


def depth_from(disparity: np.ndarray, product: float | None, kind: str) -> np.ndarray:
    """Turn disparity into the wanted kind of depth.

    Args:
        disparity: float32 (H, W), pixels, 0 = invalid.
        product: Baseline times focal length in m px; not needed for disparity itself.
        kind: `disparity` (px), `inverse` (1/m) or `metric` (m).

    Returns:
        float32 (H, W), 0 = invalid.
    """
    if kind == "disparity":
        return disparity
    if kind == "inverse":
        return disparity / np.float32(product)
    valid = disparity > 0
    return np.where(valid, np.float32(product) / np.where(valid, disparity, 1), 0).astype(np.float32)
