"""The classes of streets and how 19 of them become 7."""

from __future__ import annotations

import numpy as np

CLASSES_19: tuple[str, ...] = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""The 19 evaluation classes of CityScapes in the order of their train ids (Cordts et al., CVPR 2016)."""

CLASSES_7: tuple[str, ...] = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
"""The seven categories of CityScapes, without void."""

TO_7 = np.array([0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6], np.uint8)
"""Category of each of the 19 classes."""
