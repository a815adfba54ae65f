"""The data set ``cityscapes``: the raw CityScapes folders as they are downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ednas_nni.data.class_names import class_names
from ednas_nni.data.info import TARGETS
from ednas_nni.data.layouts.base import FolderSource, Raw, Record
from ednas_nni.data.layouts.cityscapes_files import depth_from, read_camera, read_disparity, read_labels
from ednas_nni.data.layouts.reading import need_folder, read_rgb
from ednas_nni.errors import DataError, did_you_mean

IMAGES, LABELS, DISPARITY, CAMERA = "leftImg8bit", "gtFine", "disparity", "camera"
LABEL_KINDS = ("labelIds", "labelTrainIds")
DEPTHS = {"inverse": "1/m", "metric": "m", "disparity": "px"}
METRIC_MAX_M = 80.0
TRAIN, TEST = "train", "val"


class CityScapes(FolderSource):
    """Street scenes of 21 cities: 19, 7 or 2 classes, and depth from stereo.

    ``train`` (18 cities) is cut into train, search and select by whole cities; ``val`` (3 cities) is the test split.
    The official test set has no public labels. Depth comes from the disparity maps and each image's own camera file.
    """

    name = "cityscapes"

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: tuple[int, int] = (128, 256),
        search: float = 0.1,
        select: float = 0.1,
        seed: int = 0,
        crop: bool = False,
        classes: int = 19,
        depth: str = "inverse",
        depth_max: float | None = None,
        labels: str = "auto",
        targets: list[str] | tuple[str, ...] = ("segmentation", "depth"),
        allow_missing: bool = False,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        """Describe the data set; nothing is read yet.

        Args:
            folder: Holds ``leftImg8bit``, ``gtFine``, ``disparity`` and ``camera``.
            size: Height and width in pixels of the images to make.
            search: Share or number of training images that score candidates.
            select: Share or number of training images that choose among finalists.
            seed: Another seed cuts other cities.
            crop: Cut the middle out of images of another aspect ratio than ``size``.
            classes: 19 evaluation classes, 7 categories, or 2: people and vehicles against all else.
            depth: ``inverse`` (1/m), ``metric`` (m) or ``disparity`` (px at the width of ``size``).
            depth_max: Largest valid depth in m, only for metric depth; 80 by default.
            labels: ``labelIds`` (as downloaded), ``labelTrainIds`` (made by the data set's scripts), or ``auto``:
                whichever files there are, labelIds before labelTrainIds.
            targets: Labels to read: ``segmentation``, ``depth`` or both.
            allow_missing: An image without a label file lacks that label; otherwise that is an error, because the
                downloads are complete.
            cache: Cache folder; ``$EDNAS_CACHE`` or ``~/.cache/ednas`` when ``None``.

        Raises:
            DataError: The folder does not exist, or an option is out of range.
        """
        if classes not in (2, 7, 19) or isinstance(classes, bool):
            raise DataError(f"classes is {classes!r}; allowed are 19 (evaluation classes), 7 (categories) and 2")
        if depth not in DEPTHS:
            raise DataError(f"depth is {depth!r}.{did_you_mean(depth, DEPTHS)}")
        if labels not in ("auto", *LABEL_KINDS):
            raise DataError(f"labels is {labels!r}.{did_you_mean(labels, ('auto', *LABEL_KINDS))}")
        wrong = [name for name in targets if name not in ("segmentation", "depth")]
        if wrong or not targets:
            raise DataError(f"targets is {list(targets)}; CityScapes has segmentation and depth")
        if depth_max is not None and (depth != "metric" or not depth_max > 0):
            raise DataError(
                f"depth_max is {depth_max!r}; it is a positive number of metres, and only for `depth: metric` (here "
                f"{depth!r})"
            )
        self.coarseness, self.depth_kind, self.depth_unit = classes, depth, DEPTHS[depth]
        self.classes = class_names("cityscapes", classes) if "segmentation" in targets else ()
        self.targets = tuple(name for name in TARGETS if name in targets)
        self.depth_max = (depth_max or METRIC_MAX_M) if depth == "metric" else None
        self.labels, self.allow_missing = labels, bool(allow_missing)
        options = {
            "classes": classes,
            "depth": depth,
            "depth_max": depth_max,
            "labels": labels,
            "targets": list(self.targets),
            "allow_missing": self.allow_missing,
        }
        super().__init__(folder, size, search, select, seed, crop, cache, options)

    def listed(self) -> dict[str, Sequence[Record]]:
        """Return the images of ``train`` and ``val``; a group is a city."""
        return {"train": self._listed(TRAIN), "test": self._listed(TEST)}

    def _listed(self, split: str) -> list[Record]:
        cities = sorted(p for p in need_folder(need_folder(self.folder, IMAGES), split).iterdir() if p.is_dir())
        kind = self._label_kind(split) if "segmentation" in self.targets else ""
        found, lacking = [], []
        for city in cities:
            for image in sorted(city.glob(f"*_{IMAGES}.png")):
                stem = image.name.removesuffix(f"_{IMAGES}.png")
                files = {"image": image}
                if kind:
                    files["segmentation"] = self._beside(LABELS, split, city.name, f"{stem}_{LABELS}_{kind}.png")
                if "depth" in self.targets:
                    files["depth"] = self._beside(DISPARITY, split, city.name, f"{stem}_{DISPARITY}.png")
                    if self.depth_kind != "disparity":
                        files["camera"] = self._beside(CAMERA, split, city.name, f"{stem}_{CAMERA}.json")
                absent = {role: path for role, path in files.items() if not path.exists()}
                lacking += absent.values()
                if "camera" in absent:  # disparity alone is no depth
                    files.pop("depth", None)
                found.append(Record(stem, city.name, {r: p for r, p in files.items() if r not in absent}))
        if lacking and not self.allow_missing:
            raise DataError(
                f"{lacking[0]}: there is no such file, and {len(lacking) - 1} others are missing beside images of "
                f"{self.folder / IMAGES / split}. Unpack the downloads again, leave a label out with `targets`, or set "
                "`allow_missing: true` to go on without those labels"
            )
        if not found:
            raise DataError(
                f"{self.folder / IMAGES / split}: no city folder there holds pictures named *_{IMAGES}.png. Unpack "
                "leftImg8bit_trainvaltest.zip here"
            )
        return found

    def _beside(self, top: str, split: str, city: str, name: str) -> Path:
        return self.folder / top / split / city / name

    def _label_kind(self, split: str) -> str:
        """What the label files are called."""
        folder = need_folder(need_folder(self.folder, LABELS), split)
        kinds = LABEL_KINDS if self.labels == "auto" else (self.labels,)
        for kind in kinds:
            if next(folder.glob(f"*/*_{LABELS}_{kind}.png"), None):
                return kind
        raise DataError(
            f"{folder}: has no files *_{LABELS}_{' or '.join(kinds)}.png in its city folders. Unpack "
            "gtFine_trainvaltest.zip, or set `targets: [depth]`"
        )

    def decode(self, record: Record) -> Raw:
        """Read one image and its labels."""
        files = record.files
        labels = depth = None
        if "segmentation" in files:
            kind = LABEL_KINDS[files["segmentation"].stem.endswith(LABEL_KINDS[1])]
            labels = read_labels(files["segmentation"], kind, self.coarseness)
        if "depth" in files:
            product = None if self.depth_kind == "disparity" else read_camera(files["camera"])
            depth = depth_from(read_disparity(files["depth"]), product, self.depth_kind)
        return Raw(image=read_rgb(files["image"]), segmentation=labels, depth=depth)
