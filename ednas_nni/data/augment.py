"""Random changes of training images, drawn ahead of time: which images are mirrored, which part of them is enlarged."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ednas_nni.errors import StudyError, did_you_mean

NAMED: dict[str, dict[str, Any]] = {
    "none": {"flip": 0.0},
    "flip": {"flip": 0.5},
    "flip_zoom": {"flip": 0.5, "zoom": [1.0, 1.2, 1.5]},
}


class Box(NamedTuple):
    """The part of an image that is enlarged to the whole, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Augmentation:
    """What is drawn for each image of an epoch.

    Attributes:
        flip: Probability of mirroring left to right.
        zoom: Factors of enlargement, drawn evenly; the crop's place is drawn evenly, too. () = none. The factors 1.0,
            1.2 and 1.5 are those of MTAN's public code (`RandomScaleCrop`).
    """

    flip: float = 0.5
    zoom: tuple[float, ...] = ()

    @classmethod
    def parse(cls, value: str | Mapping[str, Any]) -> Augmentation:
        """Read a name of `NAMED` or a mapping with `flip` and `zoom`."""
        where = "evaluator: augmentation"
        if isinstance(value, str):
            if value not in NAMED:
                raise StudyError(f"{where} is {value!r}.{did_you_mean(value, NAMED)}")
            value = NAMED[value]
        if not isinstance(value, Mapping):
            raise StudyError(f"{where} is {value!r}; it must be {', '.join(NAMED)} or {{flip: 0.5, zoom: [1.0, 1.2]}}.")
        for name in value:
            if name not in ("flip", "zoom"):
                raise StudyError(f"{where}: unknown option {name!r}.{did_you_mean(name, ('flip', 'zoom'))}")
        flip, zoom = value.get("flip", 0.0), value.get("zoom", ())
        if not _number(flip) or not 0 <= flip <= 1:
            raise StudyError(f"{where}: flip is {flip!r}; it must be a probability from 0 to 1.")
        if not isinstance(zoom, list | tuple) or any(not _number(z) or not 1 <= z <= 4 for z in zoom):
            raise StudyError(f"{where}: zoom is {zoom!r}; it must be a list of factors from 1 to 4.")
        if any(later <= earlier for earlier, later in itertools.pairwise(zoom)):
            raise StudyError(
                f"{where}: zoom is {zoom!r}; it must be different factors in rising order, each drawn equally often, "
                "such as [1.0, 1.2, 1.5]. It is no range."
            )
        return cls(float(flip), tuple(map(float, zoom)))

    def draw(self, length: int, size: tuple[int, int], rng: np.random.Generator) -> tuple[list[bool], list[Box | None]]:
        """Draw which of `length` images of `size` (H, W) are mirrored, and the part of each that is enlarged."""
        mirrored = rng.random(length) < self.flip if self.flip else np.zeros(length, bool)
        if not self.zoom:
            return mirrored.tolist(), [None] * length
        factors = np.array(self.zoom)[rng.integers(len(self.zoom), size=length)]
        places = rng.random((length, 2))
        return mirrored.tolist(), [_box(size, z, place) for z, place in zip(factors, places, strict=True)]


def _box(size: tuple[int, int], factor: float, place: np.ndarray) -> Box | None:
    if factor == 1:
        return None
    height, width = (max(1, round(side / factor)) for side in size)
    top, left = (int(p * (side - part + 1)) for p, side, part in zip(place, size, (height, width), strict=True))
    return Box(top, left, height, width)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
