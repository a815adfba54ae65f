"""Makes one decoded image and its labels into arrays of the wished size."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ednas_nni.data.headers import orientation
from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.data.kinds import label_kind
from ednas_nni.data.layouts.record import ImageRecord, RawImage
from ednas_nni.errors import DataError

_TOLERANCE = 0.02


def fit(raw: RawImage, record: ImageRecord, size: tuple[int, int], facts: LabelFacts, crop: bool) -> dict[str, Array]:
    """Resize one image and its labels; a label that the image lacks is invalid everywhere.

    The image is averaged (bilinear with a support that grows with the reduction); labels are taken from the nearest
    pixel, so that no value is invented, and checked by their kind. From 4 x 8 pixels to 2 x 4, label pixel (0, 0) is
    the old pixel (1, 1), whose centre lies nearest to the centre of the new one. `crop`: use the middle of an image of
    another aspect ratio, which is an error otherwise, as are values that cannot be right.
    """
    _check_shape(raw.image, "image", record, (3,))
    if raw.image.dtype != np.uint8:
        raise DataError(f"{record.file('image')}: the image has type {raw.image.dtype} instead of uint8")
    image = _framed(raw.image, "image", record, size, crop)
    if image.shape[:2] != size:
        picture = Image.fromarray(np.ascontiguousarray(image))
        image = np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    arrays: dict[str, Array] = {"image": image}
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
        framed = _framed(values, name, record, size, crop)
        arrays[name] = kind.fit(_nearest(framed, size), values, size[1] / framed.shape[1], facts, record.file(name))
    return arrays


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


def _framed(values: Array, name: str, record: ImageRecord, size: tuple[int, int], crop: bool) -> Array:
    """Cut the middle with the aspect ratio of the wished size, or reject the image."""
    height, width = values.shape[:2]
    if alike((height, width), size):
        return values
    if not crop:
        raise DataError(
            f"{record.file(name)}: {name} is {height} x {width}, whose aspect ratio differs from that of "
            f"{size[0]} x {size[1]} by more than {_TOLERANCE:.0%}; choose a train_size of the same "
            "shape, or set data.crop: true to use only the middle"
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
