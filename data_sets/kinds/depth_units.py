"""What stored depth can be in metres, and which stored values look like no distance at all.

The same 16 bits hold millimetres in one data set, centimetres or 1/256 of a metre in another, and all of them lie in
one range; nothing in a file tells which. So a unit is not guessed from values: the question stays open in the manifest,
and whoever answers it sees what each candidate would mean for these files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data.reading import read_map, words
from ednas_nni.errors import DataError

LOOK_AT = 8
"""Files of one type that are read whole."""

_TRACE, _MANY = 0.001, 0.01
_ALONE = 2.0

TREND = 1.15
"""Depth that grows or shrinks by this factor from the middle of images to their bottom tells its kind."""

WHICH_FACTOR = (
    "no file tells what a stored value is in metres. Write the factor into the column depth_scale; candidates, with "
    "what each would mean for these files:"
)

CANDIDATES = (
    (1 / 256, "metres x 256, as KITTI and DDAD"),
    (1 / 512, "metres x 512"),
    (0.001, "millimetres, as NYUv2, ScanNet, Kinect and RealSense"),
    (0.00025, "metres x 4000, as Matterport3D"),
    (0.0002, "metres x 5000, as TUM RGB-D"),
    (0.000125, "metres x 8000, as SUN RGB-D"),
    (0.01, "centimetres, as Virtual KITTI"),
    (1.0, "metres"),
)
_OF_8_BITS = ((10 / 255, "255 = 10 m"), (80 / 255, "255 = 80 m"), *CANDIDATES[-2:])
_OF_FLOATS = (CANDIDATES[2], *CANDIDATES[-2:], (10.0, "1 = 10 m"), (80.0, "1 = 80 m"))
_OF_DISPARITY = ((1 / 256, "x 256, as KITTI and CityScapes"), (1 / 16, "x 16, as OpenCV"), (1.0, "pixels"))

_DISPARITY = frozenset({"disparity", "disparities", "disp"})
_INVERSE = frozenset({"inverse", "invdepth"})
_OFFICIAL = (
    (re.compile(r"/proj_depth/(groundtruth|velodyne_raw)/image_0\d/"), 1 / 256, 90.0, "KITTI"),
    (re.compile(r"/frames/depth/camera_\d/depth_\d+"), 0.01, 655.35, "Virtual KITTI"),
)
"""Folders of data sets whose own pages tell the unit, with the largest depth in metres that they hold."""

METRES = (0.2, 100.0)
"""Floats whose median lies here are taken for metres."""


@dataclass(frozen=True)
class Suspect:
    """The largest value, which is probably no distance, and its share of the pixels above 0.

    A `certain` one ends its type or lies far beyond all others; else it is only the same largest value in many images,
    as of sky or of a sensor's range.
    """

    value: float
    share: float
    certain: bool


class Largest:
    """Looks for a largest value that is none: many pixels, in many images, hold exactly it.

    Example: of 5, 7, 9 and 1 % 65535, the last is one; so is 1e10 where all else is below 100. The far wall of a room
    holds one value, too, but in one image only.
    """

    def __init__(self) -> None:
        self._images: list[tuple[float, int, float, int]] = []

    def add(self, positive: NDArray[np.generic]) -> None:
        """Take in the finite values above 0 of one image."""
        if len(positive):
            largest = positive.max()
            others = positive[positive < largest]
            below = float(others.max()) if len(others) else 0.0
            self._images.append((float(largest), len(positive) - len(others), below, len(positive)))

    def suspect(self, dtype: np.dtype | None = None) -> Suspect | None:
        """Return the largest value where it looks like no distance; the end of the `dtype` that holds it tells, too."""
        if not self._images:
            return None
        value = max(largest for largest, *_ in self._images)
        same = [image for image in self._images if image[0] == value]
        below = max([image[2] for image in same] + [image[0] for image in self._images if image[0] < value])
        share = sum(image[1] for image in same) / sum(image[3] for image in self._images)
        common = len(same) > 1 and 2 * len(same) >= len(self._images)
        end = dtype is not None and value in (_end(dtype), 65504, *((65535,) if dtype.itemsize > 1 else ()))
        certain = share > _TRACE and below > 0 and (end or (value > _ALONE * below and (common or value >= 1e4)))
        return Suspect(value, share, certain) if certain or (common and share > _MANY and below > 0) else None


def _end(dtype: np.dtype) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else float(np.finfo(dtype).max)


@dataclass(frozen=True)
class StoredDepth:
    """Some depth files of one type.

    Attributes:
        median: Of the stored values that may be distances, 0 where there are none; `high` is their 99th percentile.
        empty: Share of the pixels that are 0, negative or not finite.
        suspect: The largest value, where it is probably none; not among the others if that is certain.
        kind: `metric`, or what the path's words say.
        official: Data set whose folder names these are, with its factor, or None.
        trend: See `downwards`.
    """

    dtype: np.dtype
    median: float
    high: float
    largest: float
    empty: float
    suspect: Suspect | None
    kind: str
    official: tuple[str, float] | None
    trend: float = 1.0

    @property
    def scale(self) -> float | None:
        """The factor into metres where it is certain or the custom of floats, else None."""
        if self.official:
            return self.official[1]
        floats = self.dtype.kind == "f" and (self.kind != "metric" or METRES[0] <= self.median <= METRES[1])
        return 1.0 if floats and (self.kind != "metric" or self.largest > 1) else None

    def remarks(self) -> list[str]:
        """Say what was assumed and what looks odd, one line each."""
        lines = []
        if self.official:
            lines.append(f"has the factor {self.official[1]:.9g}, because its folders are those of {self.official[0]}")
        elif self.kind != "metric":
            lines.append(f"is {self.kind}, because its path says so")
        elif self.scale is not None:
            lines.append(f"is in metres, because it holds floats; their median is {self.median:.4g}")
        if self.suspect:
            what = (
                f"holds {self.suspect.value:.10g}, the largest value, in {100 * self.suspect.share:.2g} % of its pixels"
            )
            lines.append(
                f"{what}: taken for no distance (column depth_invalid)"
                if self.suspect.certain
                else f"{what}: if that is sky or the end of the range, write it into the column depth_invalid"
            )
        if self.kind == "metric" and self.trend > TREND:
            lines.append(
                f"grows {self.trend:.2g} times from the middle of images to their bottom, as inverse depth and "
                "pictures of depth do: if it is no distance, correct depth_kind or leave the column out"
            )
        if self.empty > _MANY:
            lines.append(f"is 0, negative or not finite in {100 * self.empty:.2g} % of its pixels: no depth there")
        return lines

    def question(self) -> list[str]:
        """Say what each candidate for the factor would mean, one line each."""
        if self.kind == "disparity":
            return [self._meaning(*candidate, "px") for candidate in _OF_DISPARITY]
        whole = _OF_8_BITS if self.dtype == np.uint8 else CANDIDATES
        return [self._meaning(*candidate, "m") for candidate in (_OF_FLOATS if self.dtype.kind == "f" else whole)]

    def _meaning(self, factor: float, what: str, unit: str) -> str:
        median, high = f"{self.median * factor:.3g} {unit}", f"{self.high * factor:.3g} {unit}"
        return f"{factor:.9g} ({what}): median {median}, 99 % below {high}"


def downwards(depth: NDArray[np.floating]) -> float | None:
    """How many times larger depth (H, W), 0 = invalid, is at the bottom of an image than in its middle.

    Ratio of the medians of the lowest sixth and of the band from 40 % to 60 % of the height; None where one of them has
    no valid pixel.
    """
    height = len(depth)
    middle, bottom = depth[2 * height // 5 : max(3 * height // 5, 1)], depth[5 * height // 6 :]
    middle, bottom = middle[middle > 0], bottom[bottom > 0]
    return float(np.median(bottom) / np.median(middle)) if len(middle) and len(bottom) else None


def sample(paths: Sequence[Path]) -> Sequence[Path]:
    """Some of the files, evenly spread."""
    return paths[:: max(1, len(paths) // LOOK_AT)][:LOOK_AT]


def unreadable(paths: Iterable[Path]) -> dict[Path, str]:
    """Return why `read_map` cannot read a file, for those that it cannot."""
    faults = {}
    for path in paths:
        try:
            read_map(path)
        except DataError as error:
            faults[path] = str(error)
    return faults


def look(paths: Sequence[Path]) -> StoredDepth:
    """Read a sample of files, all of one type."""
    largest, some, trends, pixels = Largest(), [], list[float](), 0
    for path in sample(paths):
        values = read_map(path)
        pixels += values.size
        some.append(values[np.isfinite(values) & (values > 0)])
        largest.add(some[-1])
        trends += [trend for trend in [downwards(values)] if trend is not None]
    positive = np.concatenate(some)
    suspect = largest.suspect(values.dtype)
    depths = positive[positive != suspect.value] if suspect and suspect.certain else positive
    median, high, most = np.percentile(depths, (50, 99, 100)).tolist() if len(depths) else (0.0, 0.0, 0.0)
    # The deepest part that speaks of depth: what lies above the data set tells nothing of it.
    parts = [{word.lower() for word in words(part)} for part in reversed(paths[0].parts)]
    said = next((part for part in parts if part & (_DISPARITY | _INVERSE | {"depth", "depths"})), set())
    kind = "disparity" if said & _DISPARITY else "inverse" if said & _INVERSE else "metric"
    official = None
    for folders, factor, farthest, name in _OFFICIAL:
        if folders.search(paths[0].as_posix().lower()) and values.dtype.kind != "f" and most * factor <= farthest:
            official = name, factor
    empty = 1 - len(positive) / max(pixels, 1)
    return StoredDepth(
        values.dtype, median, high, most, empty, suspect, kind, official, float(np.median(trends or [1]))
    )
