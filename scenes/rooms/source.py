"""The data set ``rooms``: rendered interiors with 13 classes, metric depth and surface normals."""

from __future__ import annotations

import os

from ednas_nni.data.class_names import NYU13
from scenes.degrade import Degradations
from scenes.rendered import Rendered

GENERATOR = 1
"""Version of the pictures. Raise it with every change that alters a pixel, so that old caches are not mistaken."""


class Rooms(Rendered):
    """Rendered interiors in the shape of NYUv2: 13 classes, depth in metres, normals.

    Nothing is downloaded: the images are rendered on the first use and kept in a cache that all processes of the
    machine share. They are drawn from :func:`scenes.rooms.render.render`, one seed per image.

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
        holes: float = 0.0,
        missing: float = 0.0,
        degraded: str = "train",
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
            holes: Mean share of pixels without depth and normals, as sensors leave them.
            missing: Probability that an image lacks a label, per image and label.
            degraded: Which splits have holes and missing labels: ``train``, or ``all``.
            cache: Cache folder; ``$EDNAS_CACHE`` or ``~/.cache/ednas`` when ``None``.

        Raises:
            DataError: An argument lies outside its range.
        """
        self._describe(
            task="scenes.rooms.render:images",
            recipe={"name": "rooms", "generator": GENERATOR, "shadows": bool(shadows)},
            size=size,
            counts={"train": train, "search": search, "select": select, "test": test},
            seed=seed,
            degradations=Degradations(holes=holes, missing=missing, degraded=degraded),
            cache=cache,
            classes=NYU13,
        )
