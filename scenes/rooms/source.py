"""The data set `rooms`: rendered interiors with 13 classes, metric depth and surface normals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ednas_nni.data.class_names import NYU13
from ednas_nni.data.info import LabelFacts
from scenes.render.picture import Picture, draw_scene
from scenes.rendered import Rendered
from scenes.rooms.scene import make_scene

STREAM = 7061
"""Keeps the random numbers of this generator apart from those of other generators with equal seeds."""


def render(seed: int, size: tuple[int, int], shadows: bool = True) -> Picture:
    """Render the room of a seed.

    Args:
        seed: Not negative. The room, camera and light depend on the seed alone, not on the size.
        size: Image height and width in pixels.
        shadows: Cast shadows.

    Returns:
        The picture with its targets; depth in metres, greater than 0 everywhere.
    """
    scene = make_scene(np.random.default_rng([STREAM, seed]))
    return draw_scene(scene, size, np.random.default_rng([STREAM, seed, *size]), shadows)


@dataclass(eq=False)
class Rooms(Rendered):
    """Rendered interiors in the shape of NYUv2: 13 classes, depth in metres, normals."""

    name: ClassVar[str] = "rooms"
    generator: ClassVar[int] = 1

    def described(self) -> LabelFacts:
        """All three labels."""
        return LabelFacts(classes=NYU13)

    def picture(self, seed: int) -> Picture:
        """The room of a seed."""
        return render(seed, self.size, self.shadows)
