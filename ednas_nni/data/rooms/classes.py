"""The classes of rooms."""

from __future__ import annotations

CLASSES: tuple[str, ...] = (
    "bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table", "tv", "wall",
    "window",
)  # fmt: skip
"""The 13 classes of NYUv2 in the alphabetical order of Couprie et al., "Indoor semantic segmentation using depth
information", ICLR 2013."""
