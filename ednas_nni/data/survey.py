"""Reads a whole split once and sums up what its labels are like."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ednas_nni.data.split import Split

_PER_IMAGE = 400
"""Depth values per image that percentiles are taken from, evenly spread over the image."""
PERCENTILES = (1, 50, 99)
UNIT_WITHIN = 0.02


@dataclass(frozen=True)
class Classes:
    """Class labels of a split.

    Attributes:
        pixels: int64 (K,), labelled pixels of each class.
        images: int64 (K,), images in which it occurs.
        ignored: Share of all pixels without a class, images that lack the label left out.
    """

    pixels: np.ndarray
    images: np.ndarray
    ignored: float


@dataclass(frozen=True)
class Depths:
    """Depth labels of a split.

    Attributes:
        valid: Share of valid pixels, images that lack the label left out.
        percentiles: 1 %, 50 % and 99 % of the valid depths, in the data's unit.
        largest: Largest valid depth.
        downwards: How many times larger depth is at the bottom of an image than in its middle, as a median over
            images. On photographs of floors and roads below 1 for metric depth, above 1 for inverse depth.
    """

    valid: float
    percentiles: tuple[float, ...]
    largest: float
    downwards: float


@dataclass(frozen=True)
class Normals:
    """Normals of a split.

    Attributes:
        valid: Share of valid pixels, images that lack the label left out.
        unit: Share of valid vectors whose length is 1 within 0.02.
        upwards: Mean y in the lower quarter of images, where floors and roads are.
        towards: Share of valid vectors with z above 0, to the camera.
    """

    valid: float
    unit: float
    upwards: float
    towards: float


@dataclass(frozen=True)
class Survey:
    """What one split is like.

    Attributes:
        split: Its name.
        images: Number of images.
        missing: Number of images that lack a label entirely, by target.
        classes: Class labels; None without any.
        depths: Depths; None without any.
        normals: Normals; None without any.
        digests: Number of the image by a digest of its pixels.
        twice: Pairs of images of this split with the same pixels.
    """

    split: str
    images: int
    missing: dict[str, int]
    classes: Classes | None
    depths: Depths | None
    normals: Normals | None
    digests: dict[bytes, int] = field(repr=False, default_factory=dict)
    twice: tuple[tuple[int, int], ...] = ()


def survey(split: Split, tick: Callable[[], object] = lambda: None) -> Survey:
    """Read every image of a split.

    Args:
        split: The split.
        tick: Called after each image.
    """
    missing = dict.fromkeys(split.info.targets, 0)
    digests: dict[bytes, int] = {}
    twice = []
    collect = {"segmentation": _Classes, "depth": _Depths, "normals": _Normals}
    sums = {name: collect[name](split) for name in split.info.targets}
    for index in range(len(split)):
        digest = hashlib.blake2b(np.ascontiguousarray(split.image[index]).data, digest_size=16).digest()
        first = digests.setdefault(digest, index)
        if first != index:
            twice.append((first, index))
        for name, one in sums.items():
            if not one.add(np.asarray(split.target(name)[index])):
                missing[name] += 1
        tick()
    found = {name: one.result() for name, one in sums.items()}
    return Survey(
        split=split.name,
        images=len(split),
        missing=missing,
        classes=found.get("segmentation"),
        depths=found.get("depth"),
        normals=found.get("normals"),
        digests=digests,
        twice=tuple(twice),
    )


class _Classes:
    def __init__(self, split: Split) -> None:
        self.ignore, count = split.info.ignore_index, split.info.num_classes
        self.pixels, self.images = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.total = 0

    def add(self, labels: np.ndarray) -> bool:
        counts = np.bincount(labels.ravel(), minlength=256)
        if counts[self.ignore] == labels.size:
            return False
        counts = counts[: len(self.pixels)]
        self.pixels += counts
        self.images += counts > 0
        self.total += labels.size
        return True

    def result(self) -> Classes | None:
        share = 1 - self.pixels.sum() / self.total if self.total else 1.0
        return Classes(self.pixels, self.images, float(share)) if self.total else None


class _Depths:
    def __init__(self, split: Split) -> None:
        self.values: list[np.ndarray] = []
        self.trends: list[float] = []
        self.valid = self.total = 0
        self.largest = 0.0

    def add(self, depth: np.ndarray) -> bool:
        valid = depth > 0
        values = depth[valid]
        if not len(values):
            return False
        self.valid += len(values)
        self.total += depth.size
        self.largest = max(self.largest, float(values.max()))
        self.values.append(values[:: max(1, len(values) // _PER_IMAGE)])
        trend = downwards(depth)
        if trend is not None:
            self.trends.append(trend)
        return True

    def result(self) -> Depths | None:
        if not self.values:
            return None
        percentiles = np.percentile(np.concatenate(self.values), PERCENTILES)
        trend = float(np.median(self.trends)) if self.trends else 1.0
        return Depths(self.valid / self.total, tuple(percentiles.tolist()), self.largest, trend)


class _Normals:
    def __init__(self, split: Split) -> None:
        self.valid = self.total = self.unit = self.towards = 0
        self.up = self.low = 0.0

    def add(self, normals: np.ndarray) -> bool:
        vectors = normals.astype(np.float32)
        length = np.sqrt((vectors * vectors).sum(-1))
        valid = length > 0
        if not valid.any():
            return False
        self.valid += int(valid.sum())
        self.total += valid.size
        self.unit += int((np.abs(length[valid] - 1) < UNIT_WITHIN).sum())
        self.towards += int((vectors[..., 2][valid] > 0).sum())
        floor = slice(3 * len(valid) // 4, None)
        self.up += float(vectors[floor, :, 1][valid[floor]].sum())
        self.low += int(valid[floor].sum())
        return True

    def result(self) -> Normals | None:
        if not self.total:
            return None
        up = self.up / self.low if self.low else 0.0
        return Normals(self.valid / self.total, self.unit / self.valid, up, self.towards / self.valid)


def downwards(depth: np.ndarray) -> float | None:
    """How many times larger the depth is at the bottom of an image than in its middle.

    Args:
        depth: float (H, W), 0 = invalid.

    Returns:
        Ratio of the medians of the lowest sixth and of the band from 40 % to 60 % of the height; None where one of
        them has no valid pixel.
    """
    height = len(depth)
    middle, bottom = depth[2 * height // 5 : max(3 * height // 5, 1)], depth[5 * height // 6 :]
    middle, bottom = middle[middle > 0], bottom[bottom > 0]
    return float(np.median(bottom) / np.median(middle)) if len(middle) and len(bottom) else None
