"""The data set `streets`: rendered street scenes with 19 or 7 classes, inverse or metric depth, and normals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ednas_nni.data.class_names import CITYSCAPES7, CITYSCAPES19, CITYSCAPES_19_TO_7
from ednas_nni.data.info import DepthKind, LabelFacts
from ednas_nni.errors import DataError, did_you_mean
from scenes.degrade import Degradations
from scenes.render.picture import Picture, draw_scene
from scenes.rendered import Rendered
from scenes.streets.scene import make_scene

STREAM = 7069
"""Keeps the random numbers of this generator apart from those of other generators with equal seeds."""

DEPTH_MAX_M = 80.0
"""Metric depth beyond is no label, as usual for streets; inverse depth keeps it, for there it is a small number."""


CLASSES = {19: CITYSCAPES19, 7: CITYSCAPES7}
DEPTHS: dict[str, tuple[DepthKind, str, float | None]] = {
    "inverse": ("inverse", "1/m", None),
    "metric": ("metric", "m", DEPTH_MAX_M),
}


def render(seed: int, size: tuple[int, int], shadows: bool = True) -> Picture:
    """Render the street of a seed.

    Args:
        seed: Not negative. The street, camera and light depend on the seed alone, not on the size.
        size: Image height and width in pixels.
        shadows: Cast the sun's shadows and darken corners.

    Returns:
        The picture with 19 classes and metric depth of any size; the sky has depth 0 and zero normals.
    """
    scene = make_scene(np.random.default_rng([STREAM, seed]))
    return draw_scene(scene, size, np.random.default_rng([STREAM, seed, *size]), shadows)


def as_labelled(picture: Picture, classes: int, depth: str) -> Picture:
    """Put the targets of a picture into the form that a data set asks for.

    Args:
        picture: As made by `render`.
        classes: 19 or 7.
        depth: `inverse` (1/m) or `metric` (m, at most `DEPTH_MAX_M`).

    Returns:
        The picture; 0 stays invalid depth.
    """
    metres = picture.depth
    if depth == "inverse":
        value = np.divide(1, metres, out=np.zeros_like(metres), where=metres > 0)
    else:
        value = np.where(metres <= DEPTH_MAX_M, metres, np.float32(0))
    labels = picture.segmentation if classes == 19 else CITYSCAPES_19_TO_7[picture.segmentation]
    return replace(picture, depth=value, segmentation=labels)


@dataclass(eq=False)
class Streets(Rendered):
    """Rendered street scenes in the shape of CityScapes: 19 or 7 classes, inverse or metric depth, normals.

    The sky has a class, but neither depth nor normals.

    Attributes:
        classes: 19 or 7.
        depth: `inverse` in 1/m, or `metric` in m, where depth beyond 80 m is no label.
        tiny: Share of pixels beside depth edges whose inverse depth is blended towards 0.
    """

    name: ClassVar[str] = "streets"
    generator: ClassVar[int] = 1

    classes: int = 19
    depth: str = "inverse"
    tiny: float = 0.0

    def described(self) -> LabelFacts:
        """All three labels."""
        if self.classes not in CLASSES or isinstance(self.classes, bool):
            raise DataError(f"classes is {self.classes!r}; allowed are 19 (evaluation classes) and 7 (categories)")
        if self.depth not in DEPTHS:
            raise DataError(
                f"depth is {self.depth!r}; allowed are inverse (1/m) and metric (m).{did_you_mean(self.depth, DEPTHS)}"
            )
        kind, unit, largest = DEPTHS[self.depth]
        return LabelFacts(classes=CLASSES[self.classes], depth_kind=kind, depth_unit=unit, depth_max=largest)

    def picture(self, seed: int) -> Picture:
        """The street of a seed."""
        return as_labelled(render(seed, self.size, self.shadows), self.classes, self.depth)

    def own_options(self) -> dict[str, Any]:
        """The form of classes and depth."""
        return {"classes": self.classes, "depth": self.depth}

    def degradations(self) -> Degradations:
        """Tiny values, too."""
        return Degradations(holes=self.holes, tiny=self.tiny, missing=self.missing, degraded=self.degraded)
