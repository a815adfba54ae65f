"""Sizes that suit pictures of these shapes: what networks train at, and what they run at on a device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from itertools import product
from math import log
from pathlib import Path

import numpy as np
from PIL import Image

from ednas_nni.data.headers import READ_ERRORS, orientation
from ednas_nni.data.layouts.fitting import alike
from ednas_nni.data.reading import is_npy

LONGEST, SMALLEST, LARGEST = 1024, 64, 256
"""Pixels: the longest side on the device; the sides that networks train at."""
STEP, HEADERS = 32, 200  # of sides looked at, and their smallest on the device; images whose size is looked at
SHIPPED, PIXELS_WEIGHT = 64 * 128, 0.08
"""Pixels of the shipped study, and what twice as many weigh against the logarithm of a ratio that is off."""

Size = tuple[int, int]


def shapes(images: Iterable[Path]) -> list[Size]:
    """Height and width of pictures as they are seen upright, and of arrays; archives are passed by."""
    seen = []
    for path in images:
        if is_npy(path):
            with suppress(*READ_ERRORS):
                seen.append(np.load(path, mmap_mode="r", allow_pickle=False).shape[:2])
            continue
        with suppress(*READ_ERRORS), Image.open(path) as image:
            width, height = image.size
            seen.append((width, height) if orientation(path) >= 5 else (height, width))
    return seen


def sizes(seen: list[Size]) -> tuple[Size, Size, str]:
    """Train size, deploy size, and how images of another shape are fitted to them; "" where there are none.

    The most common shape, at most 1024 pixels long, and for training sides that are multiples of 32 with nearly its
    ratio.
    """
    (height, width), _ = Counter(seen or [(512, 1024)]).most_common(1)[0]
    shrink = min(1.0, LONGEST / max(height, width))
    deploy = max(STEP, round(height * shrink)), max(STEP, round(width * shrink))
    sides = range(SMALLEST, LARGEST + 1, STEP)

    def price(side: Size) -> float:
        """A little off the ratio is better than four times the pixels."""
        off = abs(log(side[1] * deploy[0] / side[0] / deploy[1]))
        return off + PIXELS_WEIGHT * max(0.0, log(side[0] * side[1] / SHIPPED))

    train = min(product(sides, sides), key=price)
    return train, deploy, "" if seen and all(alike(shape, train) for shape in seen) else "letterbox"
