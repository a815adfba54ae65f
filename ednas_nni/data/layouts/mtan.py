"""MTAN's pre-processed NYUv2 and CityScapes: ``{train,val}/{image,label,depth,normal}/{0,1,2...}.npy``.

Liu et al., "End-to-End Multi-Task Learning with Attention", CVPR 2019; the same files are used by LibMTL.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from ednas_nni.data.class_names import class_names
from ednas_nni.data.layouts.base import FolderSource, Raw, Record
from ednas_nni.data.layouts.cutting import block, natural
from ednas_nni.data.layouts.npy_labels import npy_classes, npy_depth, npy_image, npy_normals
from ednas_nni.data.layouts.reading import check_axes, need_folder
from ednas_nni.errors import DataError, did_you_mean

_DATASETS = ("nyuv2", "cityscapes")


class Mtan(FolderSource):
    """A folder of MTAN's ``.npy`` files.

    Images are floats in [0, 1]; labels -1 = no class, also as floats; depth (H, W) or (H, W, 1), 0 = invalid. NYUv2 has
    13 classes, depth in metres and normals. CityScapes has 2, 7 or 19 classes, and what the files call depth is
    disparity divided by 65535, which grows as things come nearer: inverse depth without a unit.

    ``train`` is cut into train, search and select by blocks of neighbouring numbers, since the files tell no scenes;
    ``val`` is the test split.
    """

    name = "mtan"

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: tuple[int, int],
        dataset: str | None = None,
        classes: int | None = None,
        labels: str | None = None,
        normal_axes: list[str] | tuple[str, ...] = ("x", "y", "z"),
        search: float = 0.1,
        select: float = 0.1,
        seed: int = 0,
        crop: bool = False,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        """Describe the data set; no image is opened.

        Args:
            folder: Holds ``train`` and ``val``.
            size: Height and width in pixels of the images to make (NYUv2 is 3:4, CityScapes 1:2).
            dataset: ``nyuv2`` or ``cityscapes``; ``None`` = nyuv2 if there are normals, else cityscapes.
            classes: Number of classes; ``None`` = 13 for nyuv2; for cityscapes 19 if ``label_19`` or ``label19``
                exists, else 7.
            labels: Folder with the labels; ``None`` = ``label_<classes>``, ``label<classes>`` or ``label``.
            normal_axes: What the three channels of the normals hold: x right, y up, z towards the camera.
            search: Share or number of training images that score candidates.
            select: Share or number of training images that choose among finalists.
            seed: Another seed cuts other blocks.
            crop: Use the middle of images of another aspect ratio instead of refusing them.
            cache: Cache folder; ``$EDNAS_CACHE`` or ``~/.cache/ednas`` when ``None``.

        Raises:
            DataError: A folder is missing or an argument lies outside its range.
        """
        self.axes = check_axes(normal_axes)
        options = {"dataset": dataset, "classes": classes, "labels": labels, "normal_axes": self.axes}
        super().__init__(folder, size, search, select, seed, crop, cache, options)
        self._train = need_folder(self.folder, "train")
        self._test = need_folder(self.folder, "test" if (self.folder / "test").is_dir() else "val")
        self.dataset = dataset or ("nyuv2" if (self._train / "normal").is_dir() else "cityscapes")
        if self.dataset not in _DATASETS:
            raise DataError(f"dataset is {dataset!r}.{did_you_mean(dataset, _DATASETS)}")
        if classes is None:
            fine = any((self._train / name).is_dir() for name in ("label_19", "label19"))
            classes = 13 if self.dataset == "nyuv2" else 19 if fine else 7
        self.classes = class_names(self.dataset, classes)
        found = [n for n in (f"label_{classes}", f"label{classes}", "label") if (self._train / n).is_dir()]
        self._folders = {"segmentation": labels or (found or ["label"])[0], "depth": "depth", "normals": "normal"}
        if self.dataset == "cityscapes":
            self.depth_kind, self.depth_unit = "inverse", "1"

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Labels whose folder exists; classes must."""
        need_folder(self._train, self._folders["segmentation"])
        there = tuple(target for target, name in self._folders.items() if (self._train / name).is_dir())
        for target in there:
            need_folder(self._test, self._folders[target])
        return there

    def listed(self) -> dict[str, Sequence[Record]]:
        """Return the images of ``train`` and ``val``, each in blocks of neighbours."""
        return {"train": self._records(self._train), "test": self._records(self._test)}

    def _records(self, root: Path) -> list[Record]:
        names = sorted((path.name for path in need_folder(root, "image").glob("*.npy")), key=natural)
        if not names:
            raise DataError(f"{root / 'image'}: holds no .npy file")
        folders = {"image": "image", **{target: self._folders[target] for target in self.targets}}
        return [
            Record(
                key=f"{root.name}/{Path(name).stem}",
                group=f"{root.name} {block(position, len(names))}",
                files={role: root / sub / name for role, sub in folders.items()},
            )
            for position, name in enumerate(names)
        ]

    def decode(self, record: Record) -> Raw:
        """Read one image; see :meth:`FolderSource.decode`."""
        files = record.files
        return Raw(
            npy_image(files["image"]),
            npy_classes(files["segmentation"], len(self.classes)),
            npy_depth(files["depth"], self.dataset == "cityscapes") if "depth" in files else None,
            npy_normals(files["normals"], self.axes) if "normals" in files else None,
        )
