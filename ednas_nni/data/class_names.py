"""Class names of NYUv2 and CityScapes, which readers and renderers share."""

from __future__ import annotations

import numpy as np

CLASSES_FILE = "classes.txt"
"""Class names of a manifest: one a line, or `VALUE: NAME`."""

NYU13: tuple[str, ...] = (
    "bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table", "tv", "wall",
    "window",
)  # fmt: skip
"""The 13 classes of NYUv2 in the alphabetical order of Couprie et al., "Indoor semantic segmentation using depth
information", ICLR 2013."""

CITYSCAPES19: tuple[str, ...] = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
"""The 19 evaluation classes of CityScapes in the order of their train ids (Cordts et al., CVPR 2016)."""

CITYSCAPES7: tuple[str, ...] = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
"""The seven categories of CityScapes, without void."""

CITYSCAPES_19_TO_7 = np.array([0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6], np.uint8)
"""Category of each of the 19 classes."""
