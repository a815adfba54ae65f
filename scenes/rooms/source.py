"""The data set `rooms`: rendered interiors with 13 classes, metric depth and surface normals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ednas_nni.data.class_names import NYU13
from ednas_nni.data.info import LabelFacts
from scenes.rendered import Rendered


@dataclass(eq=False)
class Rooms(Rendered):
    """Rendered interiors in the shape of NYUv2: 13 classes, depth in metres, normals."""

    name: ClassVar[str] = "rooms"
    generator: ClassVar[int] = 1
    task: ClassVar[str] = "scenes.rooms.render:images"

    def described(self) -> LabelFacts:
        """All three labels."""
        return LabelFacts(classes=NYU13)
