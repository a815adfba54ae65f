"""The label kind `normals`: directions of surfaces, x right, y up, z towards the camera, float16, zero = invalid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ednas_nni.data.agreement import SHORTEST_FOCAL, away, field_of_view
from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.data.kinds.base import Drawing, LabelKind, LabelTable, Storage, Storing, ValidSurvey, by_split, percent
from ednas_nni.data.palette import FAINT, INK, PAPER, color_normals, font
from ednas_nni.data.reading import is_npy, oriented, read_npy, read_picture
from ednas_nni.errors import DataError

if TYPE_CHECKING:
    from ednas_nni.data.targets import NormalMap

SHORTEST, LONGEST = 0.5, 1.5
"""Stored normals outside of these lengths mark pixels without one; black and grey are such colours."""

UNIT_WITHIN, MANY_AWAY = 0.02, 0.1
_PER_IMAGE = 200
_UNSEEN = 0.25
"""Share of normals that no camera sees from which on the axes must be others; noise is far below."""

_FACING = -0.05
"""Least z that counts as towards the camera: floor and walls of a level camera have 0, give or take a byte."""

_COLOURS = 0.15
"""How far the lengths of decoded normals may be from 1 on average; colours of photographs are far beyond."""


class NormalSurvey(ValidSurvey):
    """Normals of a split."""

    def __init__(self) -> None:
        super().__init__()
        self._unit = self._towards = self._low = self._away = 0
        self._up = 0.0
        self._bounds: list[NDArray[np.floating]] = []

    def add(self, values: NDArray[np.floating]) -> bool:
        """Add one image."""
        vectors = values.astype(np.float32)
        length = np.sqrt((vectors * vectors).sum(-1))
        valid = length > 0
        if not self.count(valid):
            return False
        self._unit += int((np.abs(length[valid] - 1) < UNIT_WITHIN).sum())
        self._towards += int((vectors[..., 2][valid] > _FACING).sum())
        _, bounds = away(vectors)
        self._away += len(bounds)
        self._bounds.append(bounds[:: max(1, len(bounds) // _PER_IMAGE)])
        floor = slice(3 * len(valid) // 4, None)
        self._up += float(vectors[floor, :, 1][valid[floor]].sum())
        self._low += int(valid[floor].sum())
        return True

    @property
    def unit(self) -> float:
        """Share of valid vectors whose length is 1 within 0.02."""
        return self._unit / self._valid

    @property
    def towards(self) -> float:
        """Share of valid vectors with z not below 0, to the camera."""
        return self._towards / self._valid

    @property
    def away(self) -> tuple[float, float]:
        """Share of valid vectors with z clearly below 0, and the view in degrees that explains nine tenths of them."""
        bounds = np.concatenate(self._bounds) if self._away else np.ones(1)
        return self._away / self._valid, field_of_view(float(np.percentile(bounds, 10)))

    @property
    def upwards(self) -> float:
        """Mean y in the lower quarter of images, where floors and roads are."""
        return self._up / self._low if self._low else 0.0


class NormalLabels(LabelKind[NormalSurvey]):
    """Surface normals."""

    name: ClassVar[str] = "normals"
    dtype: ClassVar[str] = "float16"
    channels: ClassVar[tuple[int, ...]] = (3,)
    column: ClassVar[str] = "normals"
    words: ClassVar[frozenset[str]] = frozenset({"normal", "normals", "norm", "surfacenormals"})
    sensed: ClassVar[bool] = True

    def valid(self, values: NDArray[np.floating], facts: LabelFacts) -> NDArray[np.bool_]:
        """Pixels whose vector is not zero."""
        return (values != 0).any(-1)

    def tensor(self, rows: NDArray[np.floating], facts: LabelFacts) -> NormalMap:
        """float32 (N, 3, H, W)."""
        from ednas_nni.data.targets import normals_batch  # torch: workers that decode images do without it

        return normals_batch(rows)

    def read(self, path: Path, storage: Storage) -> NDArray[np.float32]:
        """Read a colour picture (value = 127.5 n + 127.5) or `.npy` of floats, (H, W, 3) or (3, H, W).

        float32 (H, W, 3), unit vectors; zero where the stored vector is shorter than 0.5, longer than 1.5 or not
        finite.
        """
        if is_npy(path):
            stored = read_npy(path)
            if stored.ndim == 3 and stored.shape[0] == 3 != stored.shape[2]:
                stored = stored.transpose(1, 2, 0)
            if stored.ndim != 3 or stored.shape[2] != 3 or stored.dtype.kind != "f":
                raise DataError(
                    f"{path}: is {stored.dtype} of shape {stored.shape}; normals are floats (height, width, 3) from -1 "
                    "to 1"
                )
            vectors = stored.astype(np.float32)
        else:
            stored = read_picture(path)
            if stored.ndim != 3 or stored.shape[2] not in (3, 4) or stored.dtype != np.uint8:
                raise DataError(f"{path}: is not a colour picture of 8 bits; normals are RGB, value = 127.5 n + 127.5")
            vectors = stored[..., :3].astype(np.float32) / 127.5 - 1
        with np.errstate(invalid="ignore", over="ignore"):
            length = np.sqrt((vectors * vectors).sum(-1))
            valid = (length >= SHORTEST) & (length <= LONGEST)
        unit = np.where(valid[..., None], vectors / np.where(valid, length, 1)[..., None], 0)
        return oriented(unit, storage.normal_axes)

    def fit(self, small: Array, stored: Array, across: float, facts: LabelFacts, where: str) -> NDArray[np.float16]:
        """Check lengths and axes."""
        normals = small.astype(np.float32)
        normals = np.where(np.isfinite(normals).all(-1, keepdims=True), normals, np.float32(0))
        length = np.linalg.norm(normals, axis=-1)
        if (length > 1.1).any():
            raise DataError(f"{where}: a normal has length {length.max():.3g}; normals must be unit vectors")
        # Short vectors stay: only zero means invalid, and a protocol may count what its own program counts.
        valid = length > 1e-3
        _, bounds = away(normals)
        unseen = float((bounds < SHORTEST_FOCAL).sum() / max(valid.sum(), 1))
        if unseen > _UNSEEN and not facts.trusted:
            raise DataError(
                f"{where}: {unseen:.0%} of the normals point away from the camera, whatever its lens, so their axes "
                "are others than x right, y up, z towards the camera; tell the file's axes in data.normal_axes, e.g. "
                "[x, -z, y], or accept them with data.trust_labels: true"
            )
        return np.where(valid[..., None], normals, np.float32(0)).astype(np.float16)

    def storing(self, rows: NDArray[np.floating], facts: LabelFacts, exact: bool = False) -> Storing:
        """127.5 n + 127.5 in 8 bits, or float32."""
        return lambda values: (values.astype(np.float32) if exact else _coded(values), {})

    def looks_like(self, values: Array) -> bool:
        """Three values per pixel whose vectors have length 1 and point towards a camera.

        The camera's axis is not known yet: on one of them, whichever, nearly all vectors have one sign.
        """
        if values.ndim != 3 or values.shape[-1] not in (3, 4):
            return False
        vectors = values[..., :3].astype(np.float32)
        if values.dtype == np.uint8:
            vectors = vectors / 127.5 - 1
        length = np.sqrt((vectors * vectors).sum(-1))
        clear = length > 0.5
        if clear.mean() <= 0.3 or np.abs(length[clear] - 1).mean() >= _COLOURS:
            return False
        vectors = vectors[clear]
        return bool(max((vectors > -0.1).mean(0).max(), (vectors < 0.1).mean(0).max()) > 0.95)

    def drawing(self, values: NDArray[np.floating], facts: LabelFacts) -> Drawing:
        """Red right, green up, blue towards the camera."""
        return NormalDrawing()

    def survey(self, facts: LabelFacts) -> NormalSurvey:
        """Lengths and directions."""
        return NormalSurvey()

    def table(self, surveys: Mapping[str, NormalSurvey], facts: LabelFacts) -> LabelTable:
        """One row per split."""
        names = ("% valid", "% of length 1", "% to the camera", "mean y of lower quarter")
        return by_split(
            "Normals (x right, y up, z to the camera)",
            names,
            surveys,
            lambda one: [*map(percent, (one.valid, one.unit, one.towards)), f"{one.upwards:+.2f}"],
        )

    def suspicions(self, train: NormalSurvey, facts: LabelFacts) -> Iterator[str]:
        """Vectors of other length or direction than normals that a camera sees."""
        if train.unit < 0.95:
            yield (
                f"{100 * (1 - train.unit):.0f} % of the normals do not have length 1; are they stored as "
                "127.5 n + 127.5, or as floats from -1 to 1?"
            )
        if train.upwards < -0.1:
            yield (
                f"normals in the lower quarter of images point downwards (mean y {train.upwards:.2f}); floors point "
                "up: is y stored pointing down?"
            )
        if train.towards < 0.5:
            yield (
                f"only {100 * train.towards:.0f} % of the normals point to the camera, yet only such surfaces are "
                "seen: is z stored pointing away?"
            )
        share, degrees = train.away
        if share > MANY_AWAY:
            yield (
                f"z of {100 * share:.0f} % of the normals points away from the camera: right only for a view of "
                f"{degrees:.0f} degrees across or more, whose corners see such surfaces; else see normal_axes"
            )


def _coded(normals: NDArray[np.floating]) -> NDArray[np.uint8]:
    vectors = normals.astype(np.float32)
    coded = np.rint(vectors * 127.5 + 127.5).clip(0, 255).astype(np.uint8)
    coded[~vectors.any(-1)] = 128  # grey is a vector of no length
    return coded


class NormalDrawing(Drawing):
    """Red right, green up, blue towards the camera; the legend is a ball."""

    title = "normals"

    def colors(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Colour one label."""
        return color_normals(values)

    def legend(self, sheet: Image.Image, left: int, top: int, width: int) -> None:
        """Draw a ball as the camera sees it."""
        side, draw = 44, ImageDraw.Draw(sheet)
        x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(1, -1, side))
        inside = (x * x + y * y < 1)[..., None]
        ball = np.stack([x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0))], -1) * inside
        picture = np.where(inside, color_normals(ball), np.array(PAPER, np.uint8)).astype(np.uint8)
        sheet.paste(Image.fromarray(picture), (left + 4, top - 6))
        draw.text((left + side + 14, top), "as on a ball seen from the camera:", INK, font(12))
        draw.text((left + side + 14, top + 17), "red right, green up, blue towards it", FAINT, font(12))
