"""Classes as the files of NYUv2 and CityScapes hold them, and how their many labels become few."""

from __future__ import annotations

import numpy as np

from ednas_nni.data.class_names import CITYSCAPES7, CITYSCAPES19, CITYSCAPES_19_TO_7, NYU13
from ednas_nni.errors import DataError

NYU40: tuple[str, ...] = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "refrigerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand",
    "toilet", "sink", "lamp", "bathtub", "bag", "other structure", "other furniture", "other prop",
)  # fmt: skip
"""The 40 classes of NYUv2, label 1 first (Gupta et al., "Perceptual organization and recognition of indoor scenes from
RGB-D images", CVPR 2013)."""

NYU_40_TO_13 = np.array(
    [11, 4, 5, 0, 3, 8, 9, 11, 12, 5, 7, 5, 12, 9, 5, 12, 5, 6, 6, 4, 6, 2, 1, 5, 10, 6, 6, 6, 6, 6, 6, 5, 6, 6, 6, 6,
     6, 6, 5, 6],
    np.uint8,
)  # fmt: skip
"""Index in `NYU13` of each of `NYU40`, both from 0. The mapping is that of the public
`nyudv2_class_mapping` (H. Mahe); others differ for a few props, so a user's own mapping file goes first."""

CITYSCAPES2: tuple[str, ...] = ("background", "foreground")
"""MTAN's coarsest labels: foreground = human and vehicle (Liu et al., CVPR 2019)."""

CITYSCAPES_19_TO_2 = (CITYSCAPES_19_TO_7 >= 5).astype(np.uint8)

CITYSCAPES_TRAIN_IDS: tuple[int, ...] = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The label id of each of the 19 evaluation classes of CityScapes; all other ids are not evaluated."""

_KNOWN = {"nyuv2": {13: NYU13, 40: NYU40}, "cityscapes": {2: CITYSCAPES2, 7: CITYSCAPES7, 19: CITYSCAPES19}}


def class_names(dataset: str, count: int) -> tuple[str, ...]:
    """Return the names of a data set's classes, or `class 0`, `class 1`... where the number is not a known one."""
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 255:
        raise DataError(f"classes is {count!r}; it must be a whole number from 1 to 255")
    return _KNOWN[dataset].get(count) or tuple(f"class {number}" for number in range(count))
