"""The data set ``streets``: rendered street scenes with 19 or 7 classes, inverse or metric depth, and normals."""

from __future__ import annotations

import os

from ednas_nni.data.class_names import CITYSCAPES7, CITYSCAPES19
from ednas_nni.errors import DataError, did_you_mean
from scenes.degrade import Degradations
from scenes.rendered import Rendered
from scenes.streets.render import DEPTH_MAX_M

GENERATOR = 1
"""Version of the pictures. Raise it with every change that alters a pixel, so that old caches are not mistaken."""

_CLASSES = {19: CITYSCAPES19, 7: CITYSCAPES7}
_DEPTHS = {"inverse": ("1/m", None), "metric": ("m", DEPTH_MAX_M)}


class Streets(Rendered):
    """Rendered street scenes in the shape of CityScapes: 19 or 7 classes, inverse or metric depth, normals.

    Nothing is downloaded: the images are rendered on the first use and kept in a cache that all processes of the
    machine share. They are drawn from :func:`scenes.streets.render.render`, one seed per image. The sky has a
    class, but neither depth nor normals.

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
        classes: int = 19,
        depth: str = "inverse",
        holes: float = 0.0,
        tiny: float = 0.0,
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
            seed: Another seed gives other streets, and none in common.
            shadows: Cast the sun's shadows; without, rendering takes less time.
            classes: 19 evaluation classes of CityScapes, or its 7 categories.
            depth: ``inverse`` in 1/m, or ``metric`` in m, where depth beyond 80 m is no label.
            holes: Mean share of pixels without depth and normals, as sensors leave them.
            tiny: Share of the pixels beside depth edges whose inverse depth is blended towards 0; only for inverse.
            missing: Probability that an image lacks a label, per image and label.
            degraded: Which splits have holes, tiny values and missing labels: ``train``, or ``all``.
            cache: Cache folder; ``$EDNAS_CACHE`` or ``~/.cache/ednas`` when ``None``.

        Raises:
            DataError: An argument lies outside its range.
        """
        if classes not in _CLASSES or isinstance(classes, bool):
            raise DataError(f"classes is {classes!r}; allowed are 19 (evaluation classes) and 7 (categories)")
        if depth not in _DEPTHS:
            raise DataError(
                f"depth is {depth!r}; allowed are inverse (1/m) and metric (m).{did_you_mean(depth, _DEPTHS)}"
            )
        unit, depth_max = _DEPTHS[depth]
        self._describe(
            task="scenes.streets.render:images",
            recipe={
                "name": "streets",
                "generator": GENERATOR,
                "shadows": bool(shadows),
                "classes": classes,
                "depth": depth,
            },
            size=size,
            counts={"train": train, "search": search, "select": select, "test": test},
            seed=seed,
            degradations=Degradations(holes=holes, tiny=tiny, missing=missing, degraded=degraded),
            cache=cache,
            classes=_CLASSES[classes],
            depth_kind=depth,
            depth_unit=unit,
            depth_max=depth_max,
        )
