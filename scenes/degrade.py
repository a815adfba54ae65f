"""Spoils perfect labels the way sensors and annotators do, deterministic by seed.

* `holes`: pixels without depth and normals, in patches, where depth sensors fail: beside depth edges, on dark, shiny
  and far surfaces. The value is the mean share of pixels; an image loses between half and one and a half times of it.
* `tiny`: this share of the pixels beside depth edges has its inverse depth blended towards 0 by a random factor, as
  happens where stereo matching fails or an inverse-depth map was resized across invalid pixels. A relative error
  divides by such labels. Only for inverse depth: in metres the same fault would be depths without a bound, which no
  sensor reports and every reader cuts off.
* `missing`: each image lacks each label entirely with this probability, drawn per image and label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.data.kinds import label_kind
from ednas_nni.errors import DataError, did_you_mean

_STREAM = 7079
_HOLES, _TINY, _MISSING = 0, 1, 2
TINY_EDGE_PER_M = 0.02
"""A pixel lies beside a depth edge when inverse depth differs by more than this (1/m) within its 3 x 3 pixels."""
TINY_SMALLEST_PER_M = 3e-4
_CHOICES = ("train", "all")


@dataclass(frozen=True)
class Degradations:
    """What is done to the labels; the default is nothing.

    Attributes:
        holes: Share of pixels without depth and normals.
        tiny: Share of pixels beside depth edges whose inverse depth is blended towards 0.
        missing: Probability that an image lacks a label.
        degraded: `train`: scored splits keep perfect labels, so that a score measures the network and not the
            faults; `all`: every split is spoilt, as real data sets are.
    """

    holes: float = 0.0
    tiny: float = 0.0
    missing: float = 0.0
    degraded: str = "train"

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            DataError: A value lies outside.
        """
        for name, most in (("holes", 0.9), ("tiny", 1.0), ("missing", 0.95)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
                raise DataError(f"{name} is {value!r}; it must be a share from 0 to {most:g}")
        if self.degraded not in _CHOICES:
            raise DataError(
                f"degraded is {self.degraded!r}; allowed are train (scored splits keep perfect labels) and all."
                f"{did_you_mean(self.degraded, _CHOICES)}"
            )

    def check_kind(self, data: str, depth_kind: str) -> None:
        """Reject `tiny` where depth is not inverse.

        Raises:
            DataError: It is asked for with metric depth.
        """
        if self.tiny and depth_kind != "inverse":
            raise DataError(
                f"tiny is {self.tiny:g}, but the depth of {data} is {depth_kind}; tiny values are a fault of inverse "
                "depth: use streets with depth: inverse, or set holes instead"
            )

    def recipe(self) -> dict[str, object]:
        """Return the options as plain data, empty when labels stay perfect (so that recipes stay as they were)."""
        if not (self.holes or self.tiny or self.missing):
            return {}
        return {name: float(v) if name != "degraded" else v for name, v in asdict(self).items()}

    def apply(self, arrays: Mapping[str, Array], split: str, seed: int, facts: LabelFacts) -> dict[str, Array]:
        """Spoil the labels of one image.

        Args:
            arrays: `image` and labels of one image, `depth` among them.
            split: Name of its split.
            seed: Seed of the image.
            facts: What the labels' values mean.

        Returns:
            The arrays; changed ones are copies.
        """
        arrays = dict(arrays)
        if self.degraded != "all" and split != "train":
            return arrays
        kinds = [label_kind(name) for name in arrays if name != "image"]
        # One stream per fault: switching one on leaves the others where they were.
        streams = [np.random.default_rng([_STREAM, seed, fault]) for fault in range(3)]
        if self.tiny:
            arrays["depth"] = tiny_values(arrays["depth"], self.tiny, streams[_TINY])
        if self.holes:
            hole = sensor_holes(arrays["image"], arrays["depth"], self.holes, streams[_HOLES])
            for kind in kinds:
                if kind.sensed:
                    arrays[kind.name] = arrays[kind.name].copy()
                    arrays[kind.name][hole] = kind.invalid(facts)
        if self.missing:
            lacks = streams[_MISSING].random(len(kinds)) < self.missing
            for kind, lacking in zip(kinds, lacks, strict=True):
                if lacking:
                    arrays[kind.name] = np.full_like(arrays[kind.name], kind.invalid(facts))
        return arrays


def tiny_values(depth: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Blend the inverse depth of some pixels beside depth edges towards 0.

    Args:
        depth: float32 (H, W), inverse depth in 1/m, 0 = invalid.
        share: Share of the pixels beside edges that are hit.
        rng: Source of randomness.

    Returns:
        float32 (H, W); invalid stays invalid, nothing else becomes invalid.
    """
    around = _neighbours(depth)
    edge = (around.max(0) - around.min(0) > TINY_EDGE_PER_M) & (depth > 0)
    hit = edge & (rng.random(depth.shape, np.float32) < share)
    factor = rng.random(depth.shape, np.float32)
    return np.where(hit, np.minimum(np.maximum(depth * factor, np.float32(TINY_SMALLEST_PER_M)), depth), depth)


def sensor_holes(image: np.ndarray, depth: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Choose the pixels that a depth sensor would miss.

    Args:
        image: uint8 (H, W, 3), RGB.
        depth: float32 (H, W), metric or inverse, 0 = invalid.
        share: Mean share of valid pixels to choose.
        rng: Source of randomness.

    Returns:
        bool (H, W); only pixels with depth.
    """
    valid = depth > 0
    wanted = share * rng.uniform(0.5, 1.5)
    count = min(round(wanted * valid.sum()), int(valid.sum()))
    if not count:
        return np.zeros_like(valid)
    around = _neighbours(np.where(valid, np.log(np.where(valid, depth, 1)), np.nan))
    edge = np.nan_to_num(np.nanmax(np.where(valid, around, 0), 0) - np.nanmin(np.where(valid, around, 0), 0))
    light = image.astype(np.float32).mean(-1) / 255
    # The order of depths serves metric and inverse depth alike: the far half of a scene fails more often.
    rank = np.zeros(depth.shape, np.float32)
    order = np.argsort(depth[valid], kind="stable")
    rank[valid] = np.argsort(order, kind="stable") / max(len(order) - 1, 1)
    score = (
        1.2 * np.minimum(edge / 0.25, 1)
        + 0.9 * np.clip(1 - light / 0.3, 0, 1)
        + 0.9 * np.clip((light - 0.8) / 0.2, 0, 1)
        + 0.5 * rank
        + 1.6 * _patches(depth.shape, rng)
    )
    score = np.where(valid, score, -np.inf).ravel()
    chosen = np.zeros(depth.size, bool)
    chosen[np.argpartition(score, -count)[-count:]] = True
    return chosen.reshape(depth.shape)


def _neighbours(values: np.ndarray) -> np.ndarray:
    """Return the 3 x 3 neighbourhood of each pixel, (9, H, W); the border is repeated."""
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    return np.stack([padded[i : i + height, j : j + width] for i in range(3) for j in range(3)])


def _patches(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise in [0, 1] with features of about a tenth of the image: holes come in patches."""
    height, width = shape
    coarse = rng.random((8, 14)).astype(np.float32)
    rows, columns = np.linspace(0, 6.999, height), np.linspace(0, 12.999, width)
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top)[:, None].astype(np.float32), (columns - left).astype(np.float32)
    upper = coarse[top][:, left] * (1 - right) + coarse[top][:, left + 1] * right
    lower = coarse[top + 1][:, left] * (1 - right) + coarse[top + 1][:, left + 1] * right
    return upper * (1 - down) + lower * down + np.float32(0.15) * rng.random(shape, np.float32)
