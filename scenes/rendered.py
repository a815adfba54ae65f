"""What all rendered data sets share: options, seeds, splits, the cache and spoilt labels."""

# Without `from __future__ import annotations`: the options are dataclass fields, see ednas_nni/data/layouts/base.py.

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ednas_nni.data import cache as store
from ednas_nni.data.info import SPLITS, Array, DataInfo, LabelFacts, checked_size
from ednas_nni.data.source import CachedSource
from scenes.degrade import Degradations
from scenes.render.picture import Picture
from scenes.seeds import check_disjoint, split_seeds


@dataclass(eq=False)
class Rendered(CachedSource):
    """A data set whose images are drawn from seeds, one seed per image.

    Nothing is downloaded: the images are rendered on the first use and kept in a cache that all processes of the
    machine share. A flavour sets `name`, `generator` and `task` and implements `described`.

    Attributes:
        size: Image height and width in pixels, each 8..4096.
        train: Number of images that fit weights.
        search: Number of images that score candidates.
        select: Number of images that choose among finalists.
        test: Number of images for the final evaluation.
        seed: Another seed gives other scenes, and none in common.
        shadows: Cast shadows; without, rendering takes less time.
        holes: Mean share of pixels without depth and normals, as sensors leave them.
        missing: Probability that an image lacks a label, per image and label.
        degraded: Which splits have holes, missing labels and the like: `train`, or `all`.
        cache: Cache folder; `$EDNAS_CACHE` or `~/.cache/ednas` when `None`.
    """

    name: ClassVar[str]
    generator: ClassVar[int]
    """Version of the pictures. Raise it with every change that alters a pixel, so that old caches are not mistaken."""
    task: ClassVar[str]
    """`module:function` that draws the images, see `drawn`."""

    size: tuple[int, int] = (64, 128)
    train: int = 600
    search: int = 100
    select: int = 100
    test: int = 100
    seed: int = 0
    shadows: bool = True
    holes: float = 0.0
    missing: float = 0.0
    degraded: str = "train"
    cache: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        """Check the options; nothing is rendered yet.

        Raises:
            DataError: An option lies outside its range.
        """
        self.size = checked_size(self.size)
        self.counts = dict(zip(SPLITS, (self.train, self.search, self.select, self.test), strict=True))
        self.seeds = split_seeds(self.seed, self.counts)
        check_disjoint(self.seeds)
        self.facts = self.described()
        self.faults = self.degradations()
        self.faults.check_kind(self.name, self.facts.depth_kind)
        self._cache_root = store.cache_root(self.cache)

    @abstractmethod
    def described(self) -> LabelFacts:
        """Return which labels there are and what their values mean."""

    def own_options(self) -> dict[str, Any]:
        """Return what determines the pictures beside the options that all flavours have."""
        return {}

    def degradations(self) -> Degradations:
        """Return what is done to the labels."""
        return Degradations(holes=self.holes, missing=self.missing, degraded=self.degraded)

    def recipe(self) -> dict[str, Any]:
        """Return the plain data that determines every pixel."""
        spoilt = self.faults.recipe()
        return {
            "name": self.name,
            "generator": self.generator,
            "shadows": bool(self.shadows),
            **self.own_options(),
            "size": list(self.size),
            "counts": self.counts,
            "seed": self.seed,
            **({"degradations": spoilt} if spoilt else {}),
        }

    @cached_property
    def info(self) -> DataInfo:
        """Facts about the data set; cheap, known before anything is rendered."""
        return DataInfo(
            name=self.name,
            size=self.size,
            counts=self.counts,
            fingerprint=store.fingerprint(self.recipe()),
            **vars(self.facts),
        )

    @property
    def cache_folder(self) -> Path:
        """Where the arrays lie."""
        return self._cache_root / f"{self.name}-{self.info.fingerprint}"

    def job(self) -> tuple[str, Mapping[str, Any], str]:
        """Return what the rendering workers need."""
        return self.task, self.recipe(), f"rendering {self.name}"


def drawn(
    recipe: Mapping[str, Any], draw: Callable[[int], Picture], facts: LabelFacts
) -> Callable[[str, int], Mapping[str, Array]]:
    """Return the function that makes one image of a rendered data set with its labels.

    Args:
        recipe: As made by `Rendered.recipe`.
        draw: Renders the picture of a seed.
        facts: What the labels' values mean.

    Returns:
        `one(split, index)`, the arrays of that image.
    """
    seeds: dict[str, NDArray[np.int64]] = split_seeds(recipe["seed"], recipe["counts"])
    degradations = Degradations(**recipe.get("degradations", {}))

    def one(split: str, index: int) -> Mapping[str, Array]:
        seed = int(seeds[split][index])
        return degradations.apply(vars(draw(seed)), split, seed, facts)

    return one
