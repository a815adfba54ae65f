"""What all rendered data sets share: sizes, seeds, splits, the cache and spoilt labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ednas_nni.data import cache as store
from ednas_nni.data.info import DataInfo
from ednas_nni.data.openings import open_split
from ednas_nni.data.split import Split, check_opening
from ednas_nni.errors import DataError
from scenes.degrade import Degradations
from scenes.render.picture import Picture
from scenes.seeds import check_disjoint, split_seeds

_TYPES = {
    "image": ("uint8", (3,)),
    "segmentation": ("uint8", ()),
    "depth": ("float32", ()),
    "normals": ("float16", (3,)),
}
IGNORE_INDEX = 255


class Rendered:
    """A data set whose images are drawn from seeds, one seed per image.

    Attributes:
        info: Facts about the data set; cheap, known before anything is rendered.
        seeds: Seeds of the images by split.
        folder: Where the cache keeps the arrays.
    """

    info: DataInfo
    seeds: Mapping[str, np.ndarray]
    folder: Path
    _recipe: dict[str, object]
    _task: str

    def _describe(
        self,
        task: str,
        recipe: Mapping[str, object],
        size: tuple[int, int],
        counts: Mapping[str, int],
        seed: int,
        degradations: Degradations,
        cache: str | os.PathLike[str] | None,
        **info: object,
    ) -> None:
        """Set the attributes; called by the constructor of a flavour.

        Args:
            task: ``module:function`` that draws the images (see :func:`ednas_nni.data.produce.produce`).
            recipe: The flavour's name, generator version and options.
            size: Image height and width in pixels, each 8..4096.
            counts: Number of images by split.
            seed: Seed of the data set.
            degradations: What is done to the labels.
            cache: Cache folder; ``$EDNAS_CACHE`` or ``~/.cache/ednas`` when ``None``.
            **info: Further fields of :class:`DataInfo`.

        Raises:
            DataError: An argument lies outside its range.
        """
        size = tuple(size) if isinstance(size, list) else size
        if (
            not isinstance(size, tuple)
            or len(size) != 2
            or any(not isinstance(n, int) or not 8 <= n <= 4096 for n in size)
        ):
            raise DataError(f"size is {size!r}; it must be (height, width) in whole pixels, both from 8 to 4096")
        self.seeds = split_seeds(seed, counts)
        check_disjoint(self.seeds)
        spoilt = degradations.recipe()
        self._recipe = {**recipe, "size": list(size), "counts": dict(counts), "seed": seed}
        if spoilt:
            self._recipe["degradations"] = spoilt
        self._task = task
        digest = store.fingerprint(self._recipe)
        name = str(recipe["name"])
        self.info = DataInfo(
            name=name, size=size, counts=dict(counts), fingerprint=digest, ignore_index=IGNORE_INDEX, **info
        )
        degradations.check_kind(name, self.info.depth_kind)
        self.folder = store.cache_root(cache) / f"{name}-{digest}"

    def recipe(self) -> dict[str, object]:
        """Return the plain data that determines every pixel."""
        return dict(self._recipe)

    def prepare(self, progress: bool = True) -> None:
        """Render the data set unless the cache holds it; safe to call from several processes at once.

        Args:
            progress: Show a bar on standard error when it takes longer than a moment.

        Raises:
            DataError: Rendering failed or the cache cannot be written.
        """
        if not self.folder.exists():
            store.ensure(self.folder, self._recipe, lambda staging: self._render(staging, progress))

    def _render(self, staging: Path, progress: bool) -> None:
        from ednas_nni.data.produce import produce

        shapes = {name: (dtype, (*self.info.size, *tail)) for name, (dtype, tail) in _TYPES.items()}
        produce(
            staging,
            shapes,
            self.info.counts,
            task=self._task,
            recipe=self._recipe,
            title=f"rendering {self.info.name}",
            progress=progress,
        )

    def split(self, name: str, opened_by: str | None = None) -> Split:
        """Open a split, rendering the data set first when needed.

        Args:
            name: ``train``, ``search``, ``select`` or ``test``.
            opened_by: Who reads it; needed for ``test``, whose openings are journalled.

        Returns:
            The split, memory-mapped and verified.

        Raises:
            DataError: Unknown split, ``test`` without ``opened_by``, or a damaged cache.
        """
        check_opening(name, opened_by)
        self.prepare()
        return open_split(self.info, name, opened_by, self.folder, self._recipe, self.folder.parent)


def drawn(
    recipe: Mapping[str, object], draw: Callable[[int], Picture]
) -> Callable[[str, int], Mapping[str, np.ndarray]]:
    """Return the function that makes one image of a rendered data set with its labels.

    Args:
        recipe: As made by :meth:`Rendered.recipe`.
        draw: Renders the picture of a seed.

    Returns:
        ``one(split, index)``, the arrays of that image.
    """
    seeds = split_seeds(recipe["seed"], recipe["counts"])
    degradations = Degradations(**recipe.get("degradations", {}))

    def one(split: str, index: int) -> Mapping[str, np.ndarray]:
        seed = int(seeds[split][index])
        picture = draw(seed)
        arrays = {name: getattr(picture, name) for name in _TYPES}
        return degradations.apply(arrays, split, seed, IGNORE_INDEX)

    return one
