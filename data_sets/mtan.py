"""MTAN's pre-processed NYUv2 and CityScapes: `{train,val}/{image,label,depth,normal}/{0,1,2...}.npy`.

Liu et al., "End-to-End Multi-Task Learning with Attention", CVPR 2019; the same files are used by LibMTL.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from data_sets import writing
from data_sets.classes import class_names
from data_sets.npy_labels import npy_classes, npy_depth, npy_image, npy_normals
from data_sets.writing import empty_folder, save
from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.layouts.cutting import block, natural
from ednas_nni.data.layouts.record import ImageRecord, RawImage
from ednas_nni.data.reading import check_axes, need_folder
from ednas_nni.data.source import DataSource
from ednas_nni.errors import DataError, did_you_mean

_DATASETS = ("nyuv2", "cityscapes")


@dataclass(eq=False)
class Mtan(FolderSource):
    """A folder of MTAN's `.npy` files.

    Images are floats in [0, 1]; labels -1 = no class, also as floats; depth (H, W) or (H, W, 1), 0 = invalid. NYUv2 has
    13 classes, depth in metres and normals. CityScapes has 2, 7 or 19 classes, and what the files call depth is
    disparity divided by 65535, which grows as things come nearer: inverse depth without a unit.

    `train` is cut into train, search and select by blocks of neighbouring numbers, since the files tell no scenes;
    `val` is the test split.

    Attributes:
        folder: Holds `train` and `val`.
        dataset: `nyuv2` or `cityscapes`; by default what the files are.
        classes: By default 13 for nyuv2; for cityscapes 19 where there are such labels, else 7.
        labels: By default `label_<classes>`, `label<classes>` or `label`.
        normal_axes: What the channels of normals hold: x right, y up, z towards the camera.
    """

    name: ClassVar[str] = "mtan"

    dataset: str | None = None
    classes: int | None = None
    labels: str | None = None
    normal_axes: list[str] | tuple[str, ...] = ("x", "y", "z")

    def __post_init__(self) -> None:
        """Check the options and that there are `train` and `val`."""
        super().__post_init__()
        self.normal_axes = check_axes(self.normal_axes)
        self._train = need_folder(self.root, "train")
        self._test = need_folder(self.root, "test" if (self.root / "test").is_dir() else "val")
        self._dataset = self.dataset or ("nyuv2" if (self._train / "normal").is_dir() else "cityscapes")
        if self._dataset not in _DATASETS:
            raise DataError(f"dataset is {self.dataset!r}.{did_you_mean(self.dataset, _DATASETS)}")
        count = self.classes
        if count is None:
            fine = any((self._train / name).is_dir() for name in ("label_19", "label19"))
            count = 13 if self._dataset == "nyuv2" else 19 if fine else 7
        self._names = class_names(self._dataset, count)
        there = [n for n in (f"label_{count}", f"label{count}", "label") if (self._train / n).is_dir()]
        self._folders = {"segmentation": self.labels or [*there, "label"][0], "depth": "depth", "normals": "normal"}

    def described(self) -> LabelFacts:
        """The labels whose folder exists; that of classes must."""
        need_folder(self._train, self._folders["segmentation"])
        targets = tuple(target for target, name in self._folders.items() if (self._train / name).is_dir())
        for target in targets:
            need_folder(self._test, self._folders[target])
        if self._dataset == "cityscapes":
            return LabelFacts(targets=targets, classes=self._names, depth_kind="inverse", depth_unit="1")
        return LabelFacts(targets=targets, classes=self._names)

    def listed(self) -> dict[str, Sequence[ImageRecord]]:
        """Return the images of `train` and `val`, each in blocks of neighbours."""
        return {"train": self._listed(self._train), "test": self._listed(self._test)}

    def _listed(self, root: Path) -> list[ImageRecord]:
        names = sorted((path.name for path in need_folder(root, "image").glob("*.npy")), key=natural)
        if not names:
            raise DataError(f"{root / 'image'}: holds no .npy file")
        folders = {"image": "image", **{target: self._folders[target] for target in self.facts.targets}}
        return [
            ImageRecord(
                key=f"{root.name}/{Path(name).stem}",
                group=f"{root.name} {block(position, len(names))}",
                files={role: root / sub / name for role, sub in folders.items()},
            )
            for position, name in enumerate(names)
        ]

    def decode(self, record: ImageRecord) -> RawImage:
        """Read one image and its labels."""
        files = record.files
        labels: dict[str, Array] = {"segmentation": npy_classes(files["segmentation"], len(self._names))}
        if "depth" in files:
            labels["depth"] = npy_depth(files["depth"], self._dataset == "cityscapes")
        if "normals" in files:
            labels["normals"] = npy_normals(files["normals"], self.normal_axes)
        return RawImage(npy_image(files["image"]), labels)

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """It has images in `train`."""
        return any((folder / "train" / "image").glob("*.npy"))

    @staticmethod
    def write(source: DataSource, folder: str | os.PathLike[str], dataset: str | None = None) -> dict[str, object]:
        """Write `{train,val}/{image,label,depth[,normal]}/{0,1...}.npy`.

        Args:
            source: Any data set; its train, search and select splits become `train`, its test split `val`.
            folder: A new or empty folder.
            dataset: `nyuv2` (metres, normals) or `cityscapes` (disparity / 65535, no normals); `None` = cityscapes
                for data without metric depth, else nyuv2.

        Raises:
            DataError: The folder is not empty, or the data set lacks what the layout needs.
        """
        info = source.info
        dataset = dataset or ("nyuv2" if info.depth_kind == "metric" else "cityscapes")
        if dataset not in _DATASETS:
            raise DataError(f"dataset is {dataset!r}.{did_you_mean(dataset, _DATASETS)}")
        writing.need_targets(info, ("segmentation",), Mtan.name)
        root = empty_folder(folder)
        for part, place in (("train", root / "train"), ("test", root / "val")):
            for number, row in writing.rows(source, part, Mtan.name):
                arrays: dict[str, Array] = {
                    "image": row["image"].astype(np.float32) / 255,
                    "label": writing.signed_labels(row["segmentation"], info),
                }
                if "depth" in row:
                    depth = (writing.metres if dataset == "nyuv2" else writing.normalised_disparity)(row["depth"], info)
                    arrays["depth"] = depth[..., None]
                if "normals" in row and dataset == "nyuv2":
                    arrays["normal"] = row["normals"].astype(np.float32)
                for name, values in arrays.items():
                    save(place / name / f"{number}.npy", values)
        return {"classes": info.num_classes}
