"""The data set `streets`: rendered street scenes with 19 or 7 classes, inverse or metric depth, and normals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ednas_nni.data.info import LabelFacts
from ednas_nni.errors import DataError, did_you_mean
from scenes.degrade import Degradations
from scenes.rendered import Rendered
from scenes.streets.render import CLASSES, DEPTHS, facts


@dataclass(eq=False)
class Streets(Rendered):
    """Rendered street scenes in the shape of CityScapes: 19 or 7 classes, inverse or metric depth, normals.

    The sky has a class, but neither depth nor normals.

    Attributes:
        classes: 19 evaluation classes of CityScapes, or its 7 categories.
        depth: `inverse` in 1/m, or `metric` in m, where depth beyond 80 m is no label.
        tiny: Share of the pixels beside depth edges whose inverse depth is blended towards 0; only for inverse.
    """

    name: ClassVar[str] = "streets"
    generator: ClassVar[int] = 1
    task: ClassVar[str] = "scenes.streets.render:images"

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
        return facts(self.classes, self.depth)

    def own_options(self) -> dict[str, Any]:
        """The form of classes and depth."""
        return {"classes": self.classes, "depth": self.depth}

    def degradations(self) -> Degradations:
        """Tiny values, too."""
        return Degradations(holes=self.holes, tiny=self.tiny, missing=self.missing, degraded=self.degraded)
