"""Makes one decoded image and its labels into arrays of the wished size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ednas_nni.errors import DataError

if TYPE_CHECKING:
    from ednas_nni.data.layouts.base import FolderSource, Raw, Record

IGNORE_INDEX = 255
ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    "image": ("uint8", (3,)),
    "segmentation": ("uint8", ()),
    "depth": ("float32", ()),
    "normals": ("float16", (3,)),
}
"""Type and trailing shape of the arrays in the cache."""

_TOLERANCE = 0.02
_AWAY = 0.25


def fit(raw: Raw, record: Record, source: FolderSource) -> dict[str, np.ndarray]:
    """Resize one image and its labels.

    The image is averaged (bilinear with a support that grows with the reduction); classes, depth and normals are
    taken from the nearest pixel, so that no value is invented. Metric and inverse depth keep their values, for the
    field of view stays; disparity in pixels is multiplied by the ratio of widths.

    Args:
        raw: What the layout decoded.
        record: Names the files in messages.
        source: Gives size, targets, classes, depth kind and largest depth, and whether to crop.

    Returns:
        ``image`` and each target of the source, with the types of :data:`ARRAYS`.

    Raises:
        DataError: Shapes, aspect ratios or values that cannot be right; the file is named.
    """
    _check_shape(raw.image, "image", record, channels=True)
    if raw.image.dtype != np.uint8:
        raise DataError(f"{_file(record, 'image')}: the image has type {raw.image.dtype} instead of uint8")
    arrays = {"image": _resized(_framed(raw.image, "image", record, source), source.size)}
    for name in source.targets:
        values = getattr(raw, name)
        dtype, tail = ARRAYS[name]
        if values is None:
            arrays[name] = np.full((*source.size, *tail), IGNORE_INDEX if name == "segmentation" else 0, dtype)
            continue
        _check_shape(values, name, record, channels=bool(tail))
        if not _alike(values.shape[:2], raw.image.shape[:2]):
            raise DataError(
                f"{_file(record, name)}: {name} is {_size(values)}, but the image {_file(record, 'image')} is "
                f"{_size(raw.image)}; a label may have another resolution but not another aspect ratio"
            )
        framed = _framed(values, name, record, source)
        small = _nearest(framed, source.size)
        if name == "segmentation":
            arrays[name] = _checked_classes(small, values, record, source)
        elif name == "depth":
            ratio = source.size[1] / framed.shape[1] if source.depth_kind == "disparity" else 1.0
            arrays[name] = _valid_depth(small, ratio, source.depth_max)
        else:
            arrays[name] = _valid_normals(small, record)
    return arrays


def _file(record: Record, name: str) -> str:
    path = record.files.get(name) or next(iter(record.files.values()), None)
    place = f" [{record.index}]" if record.index >= 0 else ""
    return f"{path}{place}" if path else f"image {record.key!r}"


def _size(values: np.ndarray) -> str:
    return f"{values.shape[0]} x {values.shape[1]}"


def _check_shape(values: np.ndarray, name: str, record: Record, channels: bool) -> None:
    if values.ndim != 2 + channels or (channels and values.shape[2] != 3) or 0 in values.shape:
        wanted = "(height, width, 3)" if channels else "(height, width)"
        raise DataError(f"{_file(record, name)}: {name} has shape {values.shape} instead of {wanted}")


def _alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= _TOLERANCE


def _framed(values: np.ndarray, name: str, record: Record, source: FolderSource) -> np.ndarray:
    """Cut the middle with the aspect ratio of the wished size, or refuse."""
    height, width = values.shape[:2]
    if _alike((height, width), source.size):
        return values
    if not source.crop:
        raise DataError(
            f"{_file(record, name)}: {name} is {height} x {width}, whose aspect ratio differs from that of "
            f"{source.size[0]} x {source.size[1]} by more than {_TOLERANCE:.0%}; choose a train_size of the same "
            "shape, or set data.crop: true to use only the middle"
        )
    across = min(width, max(1, round(height * source.size[1] / source.size[0])))
    down = min(height, max(1, round(width * source.size[0] / source.size[1])))
    top, left = (height - down) // 2, (width - across) // 2
    return values[top : top + down, left : left + across]


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _nearest(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Sample at the pixel centres of the wished size."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)
        for new, old in zip(size, values.shape[:2], strict=True)
    )
    return values[rows[:, None], columns]


def _checked_classes(small: np.ndarray, values: np.ndarray, record: Record, source: FolderSource) -> np.ndarray:
    # All of them, not only those that the resize happened to meet.
    found = np.unique(values)
    wrong = found[(found != IGNORE_INDEX) & ((found < 0) | (found >= len(source.classes)))]
    if wrong.size:
        raise DataError(wrong_ids(_file(record, "segmentation"), wrong, len(source.classes)))
    return small.astype(np.uint8)


def wrong_ids(where: str, ids: np.ndarray, classes: int) -> str:
    """Return the message about class ids that a data set does not have."""
    listed = ", ".join(f"{value:g}" for value in ids[:8]) + (", ..." if len(ids) > 8 else "")
    return (
        f"{where}: holds the class id(s) {listed}; allowed are 0..{classes - 1} and the value for no class. Set "
        "data.classes to the number of classes that the files were made for, or repair the file"
    )


def _valid_depth(values: np.ndarray, ratio: float, maximum: float | None) -> np.ndarray:
    depth = values.astype(np.float32) * np.float32(ratio)
    valid = np.isfinite(depth) & (depth > 0)
    if maximum is not None:
        valid &= depth <= maximum
    return np.where(valid, depth, np.float32(0))


def _valid_normals(values: np.ndarray, record: Record) -> np.ndarray:
    normals = values.astype(np.float32)
    normals = np.where(np.isfinite(normals).all(-1, keepdims=True), normals, np.float32(0))
    length = np.linalg.norm(normals, axis=-1)
    if (length > 1.1).any():
        raise DataError(
            f"{_file(record, 'normals')}: a normal has length {length.max():.3g}; normals must be unit vectors"
        )
    # Short vectors stay: only zero means invalid, and a protocol may count what its own program counts.
    valid = length > 1e-3
    # What a camera sees faces it, apart from noise and the corners of a wide view.
    if valid.any() and (normals[..., 2][valid] < -0.1).mean() > _AWAY:
        share = (normals[..., 2][valid] < -0.1).mean()
        raise DataError(
            f"{_file(record, 'normals')}: {share:.0%} of the normals point away from the camera, so their axes are "
            "others than x right, y up, z towards the camera; tell the file's axes in data.normal_axes, e.g. [x, -z, y]"
        )
    return np.where(valid[..., None], normals, np.float32(0)).astype(np.float16)
