"""One image of a data set on disk: before and after it is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data.info import Array


@dataclass(frozen=True)
class ImageRecord:
    """One image, nothing opened yet.

    Attributes:
        key: Unique name, e.g. `train/12`.
        group: Images of one group (city, scene, neighbouring frames) never land in two splits.
        files: What the image and its labels are read from, by role, e.g. {"image": ..., "depth": ...}. A label that
            this image lacks is left out.
        index: Place within a file that holds many images; -1 where each image has files of its own.
    """

    key: str
    group: str
    files: Mapping[str, Path] = field(default_factory=dict)
    index: int = -1

    def file(self, name: str) -> str:
        """Return what messages about the image (or a label of it) name."""
        path = self.files.get(name) or next(iter(self.files.values()), None)
        place = f" [{self.index}]" if self.index >= 0 else ""
        return f"{path}{place}" if path else f"image {self.key!r}"


@dataclass(frozen=True, eq=False)
class RawImage:
    """One decoded image at its own resolution.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        labels: Labels by name; one that this image lacks is left out. A label may be smaller or larger than the image.
            `segmentation`: uint8 (h, w), 255 = no class. `depth`: float32 (h, w) in the source's unit, 0 = invalid (so
            are NaN, infinite and negative values). `normals`: float32 (h, w, 3), x right, y up, z towards the camera,
            zero vector = invalid. Others as their kind's `fit` takes them.
    """

    image: NDArray[np.uint8]
    labels: Mapping[str, Array]
