"""Depth in the quantity that a layout stores."""

from __future__ import annotations

import numpy as np

from ednas_nni.data.info import DataInfo
from ednas_nni.errors import DataError

BASELINE_M, FOCAL_PX, WIDTH_PX = 0.209313, 2262.52, 2048
"""The usual camera pair of CityScapes: distance, focal length and image width of the original resolution."""


def metres(depth: np.ndarray, info: DataInfo) -> np.ndarray:
    """Return float32 depth in metres, 0 = invalid.

    Raises:
        DataError: The data set's depth has no relation to metres.
    """
    if info.depth_kind == "metric" and info.depth_unit == "m":
        return depth.astype(np.float32)
    if info.depth_kind == "inverse" and info.depth_unit == "1/m":
        return _inverted(depth)
    raise DataError(
        f"data set {info.name!r} has {info.depth_kind} depth in {info.depth_unit!r}, which cannot be turned into "
        "metres without its cameras; write a layout that stores disparity"
    )


def disparity_png(depth: np.ndarray, info: DataInfo) -> np.ndarray:
    """Return depth as CityScapes' disparity images hold it: uint16, 256 d + 1 with d in pixels at 2048, 0 = invalid.

    Metric and inverse depth are seen through the usual camera pair. Depth so near that its code does not fit 16 bits is
    invalid.
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
    return np.where((depth > 0) & (code <= 65535), code, 0).astype(np.uint16)


def _inverted(depth: np.ndarray) -> np.ndarray:
    return np.divide(1, depth, out=np.zeros(depth.shape, np.float32), where=depth > 0)
