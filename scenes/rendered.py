"""What all rendered data sets share: options, seeds, splits, the cache and spoilt labels."""

# Without `from __future__ import annotations`: the options are dataclass fields, see ednas_nni/data/layouts/base.py.

import importlib
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ednas_nni.data import cache as store
from ednas_nni.data.info import SPLITS, Array, DataInfo, LabelFacts, checked_size
from ednas_nni.data.source import CachedSource
from ednas_nni.errors import DataError
from scenes.degrade import Degradations
from scenes.render.picture import Picture

_ROOM = 1 << 32


@dataclass(eq=False)
class Rendered(CachedSource):
    """A data set whose images are drawn from seeds, one seed per image.

    Nothing is downloaded: the images are rendered on the first use and kept in a cache that all processes of the
    machine share. A flavour sets `name` and `generator` and implements `described` and `picture`.

    Attributes:
        size: Image height and width in pixels, each 8..4096.
        train: Images that fit weights.
        search: Images that score candidates.
        select: Images that choose among finalists.
        test: Images for the final evaluation.
        seed: Another seed gives other scenes.
        shadows: Cast shadows.
        holes: Share of pixels without depth and normals.
        missing: Probability that an image lacks a label.
        degraded: Splits with holes and missing labels: `train`, or `all`.
        cache: By default `$EDNAS_CACHE`, else `~/.cache/ednas`.
    """

    name: ClassVar[str]
    generator: ClassVar[int]
    """Version of the pictures. Raise it with every change that alters a pixel, so that old caches are not mistaken."""

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
        self.facts = self.described()
        self.faults = self.degradations()
        self.faults.check_kind(self.name, self.facts.depth_kind)
        self._cache_root = store.cache_root(self.cache)

    @abstractmethod
    def described(self) -> LabelFacts:
        """Return which labels there are and what their values mean."""

    @abstractmethod
    def picture(self, seed: int) -> Picture:
        """Render the picture of a seed, with the labels in the form that the options ask for."""

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
        """Return the plain data from which a worker builds the source again."""
        kind = type(self)
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "cache"}
        recipe = {"source": f"{kind.__module__}:{kind.__qualname__}", "options": options}
        return f"{__name__}:images", recipe, f"rendering {self.name}"


def images(recipe: Mapping[str, Any]) -> Callable[[str, int], Mapping[str, Array]]:
    """Return the function that makes one image of a split with its labels; called in the workers.

    Args:
        recipe: As made by `Rendered.job`.

    Returns:
        `one(split, index)`, the arrays of that image.
    """
    module, _, name = recipe["source"].partition(":")
    source: Rendered = getattr(importlib.import_module(module), name)(**recipe["options"])

    def one(split: str, index: int) -> Mapping[str, Array]:
        seed = source.seeds[split][index]
        return source.faults.apply(vars(source.picture(seed)), split, seed, source.facts)

    return one


def split_seeds(seed: int, counts: Mapping[str, int]) -> dict[str, range]:
    """Give every image of every split a seed of its own.

    The seeds of a split start at `(4 * seed + split number) * 2**32` and count up. Two splits therefore never meet,
    whatever their lengths and also across different `seed` values, and a longer split begins with the images of
    a shorter one.

    Args:
        seed: Seed of the data set, 0..2**28 - 1.
        counts: Number of images by split name.

    Returns:
        Ranges by split name, in the order of `ednas_nni.data.info.SPLITS`.

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
        first = (4 * seed + number) * _ROOM
        seeds[name] = range(first, first + count)
    return seeds
