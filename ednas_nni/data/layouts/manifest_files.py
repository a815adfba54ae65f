"""Reads the files that a manifest names: images and normals as pictures, labels as pictures or ``.npy``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ednas_nni.data.layouts.fitting import IGNORE_INDEX
from ednas_nni.data.layouts.reading import oriented, read_map, read_npy, read_picture, read_rgb, unit_image
from ednas_nni.errors import DataError

NEVER_CLASSES = (255, -1)
"""Stored values that are no class unless classes.txt names them."""
SHORTEST, LONGEST = 0.5, 1.5
"""Stored normals outside of these lengths mark pixels without one; black and grey are such colours."""


def read_image(path: Path) -> np.ndarray:
    """Read an image: a picture of 8 bits, or ``.npy`` of uint8 or floats in [0, 1].

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        DataError: It cannot be read, or holds 16 bits or floats per value as depth maps do.
    """
    if path.suffix == ".npy":
        return unit_image(read_npy(path), path)
    try:
        with Image.open(path) as opened:
            mode = opened.mode
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        mode = ""  # read_rgb says what is wrong
    if mode.startswith(("I", "F")):
        raise DataError(f"{path}: holds values of mode {mode!r}, not 8-bit colours. Is it a depth map?")
    return read_rgb(path)


def read_classes(path: Path, values: Mapping[int, int], ignore: Collection[int]) -> np.ndarray:
    """Read a class map.

    Args:
        path: The file.
        values: Label (0, 1, ...) by stored value.
        ignore: Stored values that are no class, beside 255 and -1.

    Returns:
        uint8 (H, W), 255 = no class.

    Raises:
        DataError: It holds a value that is neither a class nor ignored.
    """
    stored = read_map(path)
    found = np.full(stored.shape, IGNORE_INDEX, np.uint8)
    for value in np.unique(stored).tolist():
        if value in ignore or (value in NEVER_CLASSES and value not in values):
            continue
        if value not in values:
            raise DataError(
                f"{path}: holds the value {value:g}, but the classes are {', '.join(map(str, sorted(values)[:12]))}"
                f"{', ...' if len(values) > 12 else ''}. Name it in classes.txt, or in the manifest's column `ignore`"
            )
        found[stored == value] = values[value]
    return found


def read_depth(path: Path, scale: float | None) -> np.ndarray:
    """Read a depth map.

    Args:
        path: The file.
        scale: Depth in the data set's unit per stored value; ``None`` = 1, for floats alone.

    Returns:
        float32 (H, W), 0 = invalid; stored values that are not above 0 or not finite are invalid.

    Raises:
        DataError: It cannot be read, or holds whole numbers and there is no scale.
    """
    stored = read_map(path)
    if scale is None:
        if stored.dtype.kind != "f":
            raise DataError(
                f"{path}: holds whole numbers ({stored.dtype}), but the manifest has no depth_scale for it. Add that "
                "column: 0.001 for millimetres, 0.00390625 (1/256) for KITTI's PNG"
            )
        scale = 1.0
    depth = stored.astype(np.float64) * scale
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def read_normals(path: Path, axes: Sequence[str]) -> np.ndarray:
    """Read a map of surface normals.

    Args:
        path: A colour picture (value = 127.5 n + 127.5) or ``.npy`` of floats, (H, W, 3) or (3, H, W).
        axes: What the three stored channels hold, see :func:`ednas_nni.data.layouts.reading.check_axes`.

    Returns:
        float32 (H, W, 3), unit vectors, x right, y up, z towards the camera; zero where the stored vector is shorter
        than 0.5, longer than 1.5 or not finite.

    Raises:
        DataError: It cannot be read, has other than three values per pixel, or is an array of whole numbers.
    """
    if path.suffix == ".npy":
        stored = read_npy(path)
        if stored.ndim == 3 and stored.shape[0] == 3 != stored.shape[2]:
            stored = stored.transpose(1, 2, 0)
        if stored.ndim != 3 or stored.shape[2] != 3 or stored.dtype.kind != "f":
            raise DataError(
                f"{path}: is {stored.dtype} of shape {stored.shape}; normals are floats (height, width, 3) from -1 to 1"
            )
        vectors = stored.astype(np.float32)
    else:
        stored = read_picture(path)
        if stored.ndim != 3 or stored.shape[2] not in (3, 4) or stored.dtype != np.uint8:
            raise DataError(f"{path}: is no colour picture of 8 bits; normals are RGB, value = 127.5 n + 127.5")
        vectors = stored[..., :3].astype(np.float32) / 127.5 - 1
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.sqrt((vectors * vectors).sum(-1))
        valid = (length >= SHORTEST) & (length <= LONGEST)
    unit = np.where(valid[..., None], vectors / np.where(valid, length, 1)[..., None], 0)
    return oriented(unit, axes)
