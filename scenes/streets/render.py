"""Renders one street: picture, classes, depth and normals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ednas_nni.data.class_names import CITYSCAPES7, CITYSCAPES19, CITYSCAPES_19_TO_7
from ednas_nni.data.info import Array, DepthKind, LabelFacts
from scenes.render.picture import Picture, draw_scene
from scenes.rendered import drawn
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


def facts(classes: int, depth: str) -> LabelFacts:
    """What the labels' values mean, by the options `classes` and `depth` of the data set."""
    kind, unit, largest = DEPTHS[depth]
    return LabelFacts(classes=CLASSES[classes], depth_kind=kind, depth_unit=unit, depth_max=largest)


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


def images(recipe: Mapping[str, Any]) -> Callable[[str, int], Mapping[str, Array]]:
    """Return the function that makes one image of the data set (the task of its rendering workers).

    Args:
        recipe: As made by `scenes.streets.source.Streets.recipe`.
    """
    height, width = recipe["size"]
    classes, depth = recipe["classes"], recipe["depth"]

    def draw(seed: int) -> Picture:
        return as_labelled(render(seed, (height, width), recipe["shadows"]), classes, depth)

    return drawn(recipe, draw, facts(classes, depth))
