"""Which seeds belong to which split, and the check that no two splits share one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ednas_nni.data.info import SPLITS
from ednas_nni.errors import DataError

_ROOM = 1 << 32


def split_seeds(seed: int, counts: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Give every image of every split a seed of its own.

    The seeds of a split start at `(4 * seed + split number) * 2**32` and count up. Two splits therefore never meet,
    whatever their lengths and also across different `seed` values, and a longer split begins with the images of
    a shorter one.

    Args:
        seed: Seed of the data set, 0..2**28 - 1.
        counts: Number of images by split name.

    Returns:
        int64 arrays by split name, in the order of `ednas_nni.data.info.SPLITS`.

    Raises:
        DataError: `seed` or a count lies outside its range.
    """
    if not isinstance(seed, int) or not 0 <= seed < 1 << 28:
        raise DataError(f"seed is {seed!r}; it must be a whole number from 0 to {(1 << 28) - 1}")
    seeds = {}
    for number, name in enumerate(SPLITS):
        count = counts[name]
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count < _ROOM:
            raise DataError(f"{name} is {count!r}; it must be a whole number of images, at least 1")
        seeds[name] = (4 * seed + number) * _ROOM + np.arange(count, dtype=np.int64)
    return seeds


def check_disjoint(seeds: Mapping[str, np.ndarray]) -> None:
    """Make sure that no seed is used twice, in one split or in two.

    Args:
        seeds: Seeds by split name.

    Raises:
        DataError: A seed occurs twice; the splits are named.
    """
    owner: dict[int, str] = {}
    for name, values in seeds.items():
        for value in values.tolist():
            if value in owner:
                raise DataError(
                    f"seed {value} belongs to split {owner[value]!r} and to {name!r}; splits must not share images"
                )
            owner[value] = name
