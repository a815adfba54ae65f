"""The data set ``rooms``: rendered interiors with 13 classes, metric depth and surface normals."""

from __future__ import annotations

import os

from ednas_nni.data import cache as store
from ednas_nni.data.info import DataInfo
from ednas_nni.data.rooms.builder import CLASSES
from ednas_nni.data.seeds import check_disjoint, split_seeds
from ednas_nni.data.split import Split, check_opening
from ednas_nni.errors import DataError

GENERATOR = 1
"""Version of the pictures. Raise it with every change that alters a pixel, so that old caches are not mistaken."""


class Rooms:
    """Rendered interiors in the shape of NYUv2: 13 classes, depth in metres, normals.

    Nothing is downloaded: the images are rendered on the first use and kept in a cache that all processes of the
    machine share. They are drawn from :func:`ednas_nni.data.rooms.render.render`, one seed per image.

    Attributes:
        info: Facts about the data set; cheap, known before anything is rendered.
    """

    def __init__(
        self,
        size: tuple[int, int] = (64, 128),
        train: int = 600,
        search: int = 100,
        select: int = 100,
        test: int = 100,
        seed: int = 0,
        shadows: bool = True,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        """Describe the data set; nothing is rendered yet.

        Args:
            size: Image height and width in pixels, each 8..4096.
            train: Number of images that fit weights.
            search: Number of images that score candidates.
            select: Number of images that choose among finalists.
            test: Number of images for the final evaluation.
            seed: Another seed gives other rooms, and none in common.
            shadows: Cast shadows; without, rendering takes less time.
            cache: Cache folder; ``$EDNAS_CACHE`` or ``~/.cache/ednas`` when ``None``.

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
        counts = {"train": train, "search": search, "select": select, "test": test}
        self.seeds = split_seeds(seed, counts)
        check_disjoint(self.seeds)
        self._recipe = {
            "name": "rooms",
            "generator": GENERATOR,
            "size": list(size),
            "counts": counts,
            "seed": seed,
            "shadows": bool(shadows),
        }
        digest = store.fingerprint(self._recipe)
        self.info = DataInfo(name="rooms", size=size, classes=CLASSES, counts=counts, fingerprint=digest)
        self.folder = store.cache_root(cache) / f"rooms-{digest}"

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
            from ednas_nni.data.rooms.produce import produce

            store.ensure(self.folder, self._recipe, lambda staging: produce(staging, self._recipe, progress))

    def split(self, name: str, opened_by: str | None = None) -> Split:
        """Open a split, rendering the data set first when needed.

        Args:
            name: ``train``, ``search``, ``select`` or ``test``.
            opened_by: Who reads it; needed for ``test``.

        Returns:
            The split, memory-mapped and verified.

        Raises:
            DataError: Unknown split, ``test`` without ``opened_by``, or a damaged cache.
        """
        check_opening(name, opened_by)
        self.prepare()
        targets = ("image", *self.info.targets)
        arrays = store.open_arrays(self.folder, self._recipe, [f"{name}_{target}" for target in targets])
        return Split(name, self.info, {target: arrays[f"{name}_{target}"] for target in targets}, opened_by)
