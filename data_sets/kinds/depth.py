"""The label kind `depth`: distance along the optical axis, its inverse or disparity, float32, 0 = invalid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from data_sets.kinds.depth_units import TREND, WHICH_FACTOR, Largest, downwards, look, sample, unreadable
from ednas_nni.data.agreement import ray_lengths
from ednas_nni.data.info import DEPTH_KINDS, Array, LabelFacts
from ednas_nni.data.kinds.base import (
    OPEN,
    Drafted,
    Drawing,
    LabelKind,
    LabelTable,
    Storage,
    Storing,
    ValidSurvey,
    by_split,
    percent,
    several,
)
from ednas_nni.data.palette import FAINT, INK, color_depth, font
from ednas_nni.data.reading import read_map, stored_as
from ednas_nni.errors import DataError, did_you_mean, quoted

if TYPE_CHECKING:
    from ednas_nni.data.targets import DepthMap

FAR_M, NEAR_M = 100.0, 0.05
FEW_VALID = 0.05
PERCENTILES = (1, 50, 99)
_PER_IMAGE = 400
"""Depth values per image that percentiles are taken from, evenly spread over the image."""

_LINEAR_UP_TO = 12.0
"""Depths that span a larger ratio than this are drawn on a logarithmic scale."""

_CODES = 65535


def _one_of(name: str, allowed: Sequence[str]) -> Callable[[Any], str]:
    """Return the parser of a column that holds one of a few words."""

    def parse(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"{name} = {quoted(value)}: unknown.{did_you_mean(value, allowed)}")
        return str(value)

    return parse


def _positive(name: str, meaning: str) -> Callable[[Any], float]:
    """Return the parser of a column that holds a number above 0."""

    def parse(value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if isinstance(value, bool) or not 0 < number < math.inf:
            raise ValueError(f"{name} = {quoted(value)}: must be a number above 0{meaning}.")
        return number

    return parse


def _along_axis(depth: NDArray[np.floating], details: Mapping[str, Any], path: Path) -> NDArray[np.floating]:
    """Turn distance to the camera (or its inverse) into depth along the optical axis (or its inverse)."""
    kind, focal = details.get("depth_kind", "metric"), details.get("depth_focal")
    if kind == "disparity":
        raise DataError(f"{path}: depth_along is ray, but disparity is measured along no ray; remove depth_along")
    if focal is None:
        raise DataError(
            f"{path}: depth_along is ray, but depth_focal is missing: the focal length in pixels of this file, "
            "width / 2 / tan(half of the view across)"
        )
    lengths = ray_lengths(depth.shape, focal)
    return depth / lengths if kind == "metric" else depth * lengths


class DepthSurvey(ValidSurvey):
    """Depth labels of a split; `largest` is the largest valid depth."""

    def __init__(self) -> None:
        super().__init__()
        self._values: list[NDArray[np.floating]] = []
        self._trends: list[float] = []
        self.largest = 0.0
        self.ends = Largest()

    def add(self, values: NDArray[np.floating]) -> bool:
        """Add one image."""
        if not self.count(values > 0):
            return False
        depths = values[values > 0]
        self.largest = max(self.largest, float(depths.max()))
        self.ends.add(depths)
        self._values.append(depths[:: max(1, len(depths) // _PER_IMAGE)])
        trend = downwards(values)
        if trend is not None:
            self._trends.append(trend)
        return True

    @property
    def percentiles(self) -> tuple[float, ...]:
        """1 %, 50 % and 99 % of the valid depths, in the data's unit."""
        return tuple(np.percentile(np.concatenate(self._values), PERCENTILES).tolist())

    @property
    def downwards(self) -> float:
        """How many times larger depth is at the bottom of an image than in its middle, as a median over images.

        On photographs of floors and roads below 1 for metric depth, above 1 for inverse depth.
        """
        return float(np.median(self._trends)) if self._trends else 1.0


def _types(paths: Sequence[Path]) -> dict[str, list[int]]:
    """Numbers of the files of each type, by what to call them."""
    types: dict[str, list[int]] = {}
    for number, path in enumerate(paths):
        stored = stored_as(path)
        types.setdefault(str(stored[0]) if stored else "no type that can be read", []).append(number)
    if len(types) == 1:
        return {"depth": list(range(len(paths)))}
    return {
        f"depth of {dtype} ({len(numbers)} files, such as {Path(*paths[numbers[0]].parts[-2:])})": numbers
        for dtype, numbers in types.items()
    }


class DepthLabels(LabelKind[DepthSurvey]):
    """Metric or inverse depth, or disparity."""

    name: ClassVar[str] = "depth"
    dtype: ClassVar[str] = "float32"
    column: ClassVar[str] = "depth"
    mask: ClassVar[str] = "depth_valid"
    details: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "depth_kind": _one_of("depth_kind", DEPTH_KINDS),
        "depth_scale": _positive(
            "depth_scale", " that turns a stored value into the depth's unit, for example 0.001 for millimetres"
        ),
        # Stored values that are no distance, beside 0, negative and not finite ones.
        "depth_invalid": several("depth_invalid", float, "stored values separated by spaces, for example `65535`"),
        "depth_along": _one_of("depth_along", ("axis", "ray")),
        "depth_focal": _positive("depth_focal", ", the focal length in pixels of the depth file"),
    }
    same: ClassVar[Mapping[str, Any]] = {"depth_kind": "metric"}
    words: ClassVar[frozenset[str]] = frozenset(
        {"depth", "depths", "depthmap", "depthmaps", "disparity", "disparities", "disp", "invdepth"}
    )
    sensed: ClassVar[bool] = True

    def valid(self, values: NDArray[np.floating], facts: LabelFacts) -> NDArray[np.bool_]:
        """Pixels with a depth."""
        return values > 0

    def tensor(self, rows: NDArray[np.floating], facts: LabelFacts) -> DepthMap:
        """float32 (N, 1, H, W) of the type of the data's depth kind."""
        from ednas_nni.data.targets import depth_batch  # torch: workers that decode images do without it

        return depth_batch(rows, facts.depth_kind)

    def read(self, path: Path, storage: Storage) -> NDArray[np.float32]:
        """Read a grey picture or `.npy`; float32 (H, W), 0 where the stored value is not above 0 or not finite."""
        stored, scale = read_map(path), storage.details.get("depth_scale")
        if scale is None and stored.dtype.kind != "f":
            raise DataError(
                f"{path}: holds whole numbers ({stored.dtype}), but the manifest has no depth_scale for it. Add that "
                "column: 0.001 for millimetres, 0.00390625 (1/256) for KITTI's PNG"
            )
        depth = stored.astype(np.float64) * (1.0 if scale is None else scale)
        valid = np.isfinite(depth) & (depth > 0)
        for value in storage.details.get("depth_invalid", ()):
            valid &= stored != np.asarray(value, stored.dtype if stored.dtype.kind == "f" else np.float64)
        if storage.details.get("depth_along") == "ray":
            depth = _along_axis(depth, storage.details, path)
        return np.where(valid, depth, 0).astype(np.float32)

    def fit(self, small: Array, stored: Array, across: float, facts: LabelFacts, where: str) -> NDArray[np.float32]:
        """Metric and inverse depth keep their values, for the field of view stays; disparity scales with the width."""
        depth = small.astype(np.float32) * np.float32(across if facts.depth_kind == "disparity" else 1.0)
        valid = np.isfinite(depth) & (depth > 0)
        if facts.depth_max is not None:
            valid &= depth <= facts.depth_max
        return np.where(valid, depth, np.float32(0))

    def storing(self, rows: NDArray[np.floating], facts: LabelFacts, exact: bool = False) -> Storing:
        """16-bit codes with the least 1, 2 or 5 times a power of ten as scale that lets the largest depth fit."""
        cells: dict[str, str] = {"depth_kind": facts.depth_kind}
        if exact:
            return lambda values: (values.astype(np.float32), cells)
        largest = max((float(depth.max()) for depth in rows), default=0.0) or 1.0
        scale = float(f"{_round(largest / _CODES, up=True, slack=0):.6g}")
        cells["depth_scale"] = repr(scale)
        return lambda values: (
            np.rint(values.astype(np.float64) / scale).clip(values > 0, _CODES).astype(np.uint16),
            cells,
        )

    def looks_like(self, values: Array) -> bool:
        """One value of 16 bits or a float per pixel."""
        return values.ndim == 2 and values.dtype.kind in "uf" and values.dtype != np.uint8

    def draft(self, paths: Sequence[Path], tick: Callable[[], object]) -> Drafted:
        """Ask for the factor of each type of files, and name values that look like no distance."""
        each: list[dict[str, str]] = [{} for _ in paths]
        guesses, asks = [], []
        types = _types(paths)
        some = (sample([paths[number] for number in numbers]) for numbers in types.values())
        if unread := unreadable(path for files in some for path in files):
            return Drafted(refused=unread)
        for which, numbers in types.items():
            seen = look([paths[number] for number in numbers])
            cells = {"depth_kind": seen.kind}
            if seen.scale is None:
                cells["depth_scale"] = OPEN
                asks += [f"{which}: {WHICH_FACTOR}", *seen.question()]
            elif seen.dtype.kind != "f":
                cells["depth_scale"] = repr(seen.scale)
            guesses += [f"{which} {text}" for text in seen.remarks()]
            if seen.suspect and seen.suspect.certain:
                cells["depth_invalid"] = f"{seen.suspect.value:.17g}"
            for number in numbers:
                each[number] = cells
        if len(types) > 1:
            guesses.append(f"depth is stored in {len(types)} types: {'; '.join(types)}; each has a factor of its own")
        return Drafted(each=each, guess="\n".join(guesses), asks="\n".join(asks))

    def question(self, column: str, paths: Sequence[Path]) -> str:
        """What each candidate for the factor would mean for these files."""
        if column != "depth_scale":
            return ""
        types = _types(paths)
        lines = [
            line
            for which, numbers in types.items()
            for line in (f"{which}:", *look([paths[number] for number in numbers]).question())
        ]
        return "\n  ".join((WHICH_FACTOR, *lines))

    def drawing(self, values: NDArray[np.floating], facts: LabelFacts) -> Drawing:
        """Near is light, far is dark."""
        return DepthDrawing(depth_scale(values, facts.depth_kind), facts)

    def survey(self, facts: LabelFacts) -> DepthSurvey:
        """Percentiles, valid share and trend."""
        return DepthSurvey()

    def table(self, surveys: Mapping[str, DepthSurvey], facts: LabelFacts) -> LabelTable:
        """One row per split."""
        unit = f"in {facts.depth_unit}" if facts.depth_unit != "1" else "without unit"
        title, names = f"Depth ({facts.depth_kind}, {unit})", ("% valid", "1 %", "median", "99 %", "largest")
        return by_split(title, names, surveys, lambda one: [percent(one.valid), *one.percentiles, one.largest])

    def suspicions(self, train: DepthSurvey, facts: LabelFacts) -> Iterator[str]:
        """Values of another unit or kind than announced."""
        low, median, high = train.percentiles
        kind, unit, trend = facts.depth_kind, facts.depth_unit, train.downwards
        if end := train.ends.suspect():
            yield (
                f"{percent(end.share)} % of the valid pixels of 'train' hold {end.value:.6g} {unit}, the largest depth"
                f"{', far beyond all others' if end.certain else ''}: sky, the end of the range, or 'no depth'? If it "
                "is no distance, write the stored value into the manifest's column depth_invalid, or set depth_max"
            )
        if kind == "metric" and median > FAR_M:
            yield (
                f"the median depth is {median:.4g} m; is it stored in millimetres (scale 0.001) or centimetres (0.01)?"
            )
        elif kind == "metric" and high < NEAR_M:
            yield f"99 % of the depths are below {high:.3g} m; is the scale too small?"
        elif unit == "1/m" and median > 1:
            yield (
                f"the median inverse depth is {median:.4g} 1/m, nearer than one metre; is it metric depth, or "
                "disparity in pixels?"
            )
        if kind == "metric" and trend > TREND:
            yield (
                f"depth grows {trend:.2g} times from the middle of images to their bottom, but the ground below is "
                "usually nearer; is it inverse depth or disparity?"
            )
        elif kind != "metric" and trend < 1 / TREND:
            yield (
                f"{kind} depth shrinks to {trend:.2g} times from the middle of images to their bottom, but the ground "
                "below is usually nearer, which makes it larger; is it metric depth?"
            )
        if low == high:
            yield f"depth is {low:.4g} {unit} nearly everywhere: the label files are probably not what they should be"
        if train.valid < FEW_VALID:
            yield f"only {100 * train.valid:.1f} % of the pixels of 'train' have depth"


@dataclass(frozen=True)
class DepthScale:
    """The depths of the lightest and darkest colour, and whether colours follow the logarithm."""

    near: float
    far: float
    logarithmic: bool

    def ticks(self) -> list[float]:
        """Return round values from near to far."""
        low, high = min(self.near, self.far), max(self.near, self.far)
        if self.logarithmic:
            powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
            values = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
            values = [float(f"{v:.6g}") for v in values if low * 0.999 <= v <= high * 1.001]
        else:
            step = _round((high - low) / 7, up=True)
            values = (np.arange(np.ceil(low / step), np.floor(high / step + 1e-6) + 0.5) * step).tolist()
        return values if self.near < self.far else values[::-1]


def depth_scale(depth: NDArray[np.floating], kind: str) -> DepthScale:
    """Return the scale of the colours of some labels."""
    valid = depth[depth > 0]
    if not valid.size:
        return DepthScale(1.0, 2.0, False)
    low, high = (float(v) for v in np.percentile(valid, (1, 99)))
    logarithmic = high > _LINEAR_UP_TO * low
    if logarithmic:
        low, high = _round(low, up=False), _round(high, up=True)
    else:
        step = 0.5 if high > 2 else _round((high - low) / 10 or high / 10, up=True)
        low = float(np.floor(low / step) * step)
        high = max(float(np.ceil(high / step) * step), low + step)  # one and the same depth has a scale too
    # A large inverse depth or disparity is near.
    return DepthScale(low, high, logarithmic) if kind == "metric" else DepthScale(high, low, logarithmic)


def _round(value: float, up: bool, slack: float = 0.001) -> float:
    """Return the neighbouring 1, 2 or 5 times a power of ten that is not below (`up`) or not above the value."""
    power = 10.0 ** np.floor(np.log10(value))
    steps = [factor * power for factor in (1, 2, 5, 10)]
    if up:
        return float(next(step for step in steps if step >= value * (1 - slack)))
    return float(next(step for step in reversed(steps) if step <= value * (1 + slack)))


class DepthDrawing(Drawing):
    """Near is light, far is dark; the legend is a ruler."""

    def __init__(self, scale: DepthScale, facts: LabelFacts) -> None:
        self.scale = scale
        self.title = "inverse depth" if facts.depth_kind == "inverse" else "depth"
        self._unit = f"in {facts.depth_unit}" if facts.depth_unit != "1" else "without unit"

    def colors(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Colour one label."""
        return color_depth(values, self.scale.near, self.scale.far, self.scale.logarithmic)

    def legend(self, sheet: Image.Image, left: int, top: int, width: int) -> None:
        """Draw the colours with round figures below."""
        draw = ImageDraw.Draw(sheet)
        left, width = left + 10, width - 30
        near, far = self.scale.near, self.scale.far
        share = np.linspace(0, 1, width)
        values = near * (far / near) ** share if self.scale.logarithmic else near + (far - near) * share
        # 0 would count as invalid, so values stay just above it.
        ramp = np.broadcast_to(np.maximum(values, 1e-9).astype(np.float32), (14, width))
        sheet.paste(Image.fromarray(self.colors(ramp)), (left, top))
        draw.rectangle((left - 1, top - 1, left + width, top + 14), outline=FAINT)
        end = 0.0
        for value in self.scale.ticks():
            part = (
                np.log(value / near) / np.log(far / near) if self.scale.logarithmic else (value - near) / (far - near)
            )
            x = left + (width - 1) * float(part)
            half = font(12).getlength(f"{value:g}") / 2
            draw.line((x, top + 14, x, top + 18), FAINT)
            # Figures that would touch their neighbour are left out; their marks stay.
            if x - half > end:
                draw.text((x, top + 20), f"{value:g}", INK, font(12), anchor="mt")
                end = x + half + 6
        draw.text((left + width / 2, top + 36), f"{self._unit}, black: no depth", FAINT, font(12), anchor="mt")
