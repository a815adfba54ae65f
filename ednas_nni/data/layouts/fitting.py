"""Makes one decoded image and its labels into arrays of the wished size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ednas_nni.data.headers import orientation
from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.data.kinds import label_kind
from ednas_nni.data.layouts.record import ImageRecord, RawImage
from ednas_nni.errors import DataError

_TOLERANCE = 0.02

FITS = ("letterbox", "crop", "resize")
"""What can be done with an image of another aspect ratio: show all of it and fill the rest, its middle, or stretch."""


def fit(raw: RawImage, record: ImageRecord, size: tuple[int, int], facts: LabelFacts, how: str) -> dict[str, Array]:
    """Resize one image and its labels; a label that the image lacks is invalid everywhere.

    The image is averaged (bilinear with a support that grows with the reduction); labels are taken from the nearest
    pixel, so that no value is invented, and checked by their kind. From 4 x 8 pixels to 2 x 4, label pixel (0, 0) is
    the old pixel (1, 1), whose centre lies nearest to the centre of the new one. `how` is one of `FITS` for an image of
    another aspect ratio, which is an error otherwise, as are values that cannot be right. Labels are invalid in what a
    letterbox fills.
    """
    _check_shape(raw.image, "image", record, (3,))
    if raw.image.dtype != np.uint8:
        raise DataError(f"{record.file('image')}: the image has type {raw.image.dtype} instead of uint8")
    framed = _framed(raw.image, "image", record, size, how)
    inner = inner_size(framed.shape[:2], size) if how == "letterbox" and not alike(framed.shape[:2], size) else size
    arrays: dict[str, Array] = {"image": placed(framed, inner, size)}
    for name in facts.targets:
        kind, values = label_kind(name), raw.labels.get(name)
        if values is None:
            arrays[name] = kind.empty(size, facts)
            continue
        _check_shape(values, name, record, kind.channels)
        if not alike(values.shape[:2], raw.image.shape[:2]):
            raise DataError(
                f"{record.file(name)}: {name} is {_size(values)}, but the image {record.file('image')} is "
                f"{_size(raw.image)}; a label may have another resolution but not another aspect ratio{_turned(record)}"
            )
        framed = _framed(values, name, record, size, how)
        small = kind.fit(_nearest(framed, inner), values, inner[1] / framed.shape[1], facts, record.file(name))
        arrays[name] = small if inner == size else kind.empty(size, facts)
        arrays[name][: inner[0], : inner[1]] = small
    return arrays


def inner_size(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a picture that is scaled, its aspect ratio kept, until it fits: 100 x 100 becomes 64 x 64.

    The picture lies in the upper left corner, for networks in use as for their training.
    """
    scale = min(size[0] / shape[0], size[1] / shape[1])
    return min(size[0], max(1, round(shape[0] * scale))), min(size[1], max(1, round(shape[1] * scale)))


def placed(image: NDArray[np.uint8], inner: tuple[int, int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale a picture (H, W, 3) to `inner`; the rest of `size` repeats its border, which has no edge to be learned."""
    if inner != image.shape[:2]:
        picture = Image.fromarray(np.ascontiguousarray(image)).resize(inner[::-1], Image.Resampling.BILINEAR)
        image = np.asarray(picture)
    return np.pad(image, ((0, size[0] - inner[0]), (0, size[1] - inner[1]), (0, 0)), "edge") if inner != size else image


def _turned(record: ImageRecord) -> str:
    """Whether EXIF orientations explain that an image and its label have other shapes."""
    turned = {role: value for role, path in record.files.items() if (value := orientation(path)) != 1}
    if not turned:
        return ""
    said = " and ".join(f"the {role} by its EXIF orientation {value}" for role, value in turned.items())
    return (
        f". Turned upright is {said}: draw labels on the upright picture, remove the orientation from files that are "
        "upright already, or read images as they are stored (`upright: false`)"
    )


def _size(values: Array) -> str:
    return f"{values.shape[0]} x {values.shape[1]}"


def _check_shape(values: Array, name: str, record: ImageRecord, channels: tuple[int, ...]) -> None:
    if values.ndim != 2 + len(channels) or values.shape[2:] != channels or 0 in values.shape:
        wanted = ", ".join(["height", "width", *map(str, channels)])
        raise DataError(f"{record.file(name)}: {name} has shape {values.shape} instead of ({wanted})")


def alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two (height, width) have nearly the same aspect ratio, so that nothing must be cut."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= _TOLERANCE


def _framed(values: Array, name: str, record: ImageRecord, size: tuple[int, int], how: str) -> Array:
    """Return what of an image is used: for `crop` the middle of the wished aspect ratio; or reject the image."""
    height, width = values.shape[:2]
    if alike((height, width), size) or how in ("letterbox", "resize"):
        return values
    if how != "crop":
        raise DataError(
            f"{record.file(name)}: {name} is {height} x {width}, whose aspect ratio differs from that of "
            f"{size[0]} x {size[1]} by more than {_TOLERANCE:.0%}; choose a train_size of the same "
            "shape, or say with data.fit what to do: letterbox (show all, fill the rest), crop (the middle) or resize"
        )
    across = min(width, max(1, round(height * size[1] / size[0])))
    down = min(height, max(1, round(width * size[0] / size[1])))
    top, left = (height - down) // 2, (width - across) // 2
    return values[top : top + down, left : left + across]


def _nearest(values: Array, size: tuple[int, int]) -> Array:
    """Sample at the pixel centres of the wished size."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)
        for new, old in zip(size, values.shape[:2], strict=True)
    )
    return values[rows[:, None], columns]
