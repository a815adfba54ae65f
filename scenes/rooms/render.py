"""Renders one room: picture, classes, depth and normals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ednas_nni.data.class_names import NYU13
from ednas_nni.data.info import Array, LabelFacts
from scenes.render.picture import Picture, draw_scene
from scenes.rendered import drawn
from scenes.rooms.scene import make_scene

STREAM = 7061
"""Keeps the random numbers of this generator apart from those of other generators with equal seeds."""


def render(seed: int, size: tuple[int, int], shadows: bool = True) -> Picture:
    """Render the room of a seed.

    Args:
        seed: Not negative. The room, camera and light depend on the seed alone, not on the size.
        size: Image height and width in pixels.
        shadows: Cast shadows and darken corners; off is about twice as fast.

    Returns:
        The picture with its targets; depth in metres, greater than 0 everywhere.
    """
    scene = make_scene(np.random.default_rng([STREAM, seed]))
    return draw_scene(scene, size, np.random.default_rng([STREAM, seed, *size]), shadows)


def images(recipe: Mapping[str, Any]) -> Callable[[str, int], Mapping[str, Array]]:
    """Return the function that makes one image of the data set (the task of its rendering workers).

    Args:
        recipe: As made by `scenes.rooms.source.Rooms.recipe`.
    """
    height, width = recipe["size"]
    return drawn(recipe, lambda seed: render(seed, (height, width), recipe["shadows"]), LabelFacts(classes=NYU13))
