"""NYUD_MT: ``images/*.jpg, segmentation/*.png, depth/*.npy, normals/*.npy, gt_sets/{train,val}.txt``.

The layout of Vandenhende et al., "Multi-Task Learning for Dense Prediction Tasks: A Survey", TPAMI 2021.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ednas_nni.data.class_names import class_names
from ednas_nni.data.layouts import reading
from ednas_nni.data.layouts.base import FolderSource, Raw, Record
from ednas_nni.data.layouts.cutting import block, natural
from ednas_nni.data.layouts.fitting import wrong_ids
from ednas_nni.data.layouts.npy_labels import npy_depth, npy_normals
from ednas_nni.errors import DataError

_FOLDERS = {"segmentation": ("segmentation", ".png"), "depth": ("depth", ".npy"), "normals": ("normals", ".npy")}


class NYUDMT(FolderSource):
    """A folder in the layout of NYUD_MT.

    In the label images 0 (and 255) is no class and 1 the first class. Depth is in metres, 0 = invalid. ``train.txt``
    is cut into train, search and select by blocks of neighbours; ``val.txt`` is the test split. The edge maps that
    the data set brings along are not read: the task ``edges`` makes its own from the classes.
    """

    name = "nyud_mt"

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: tuple[int, int],
        classes: int = 40,
        normal_axes: list[str] | tuple[str, ...] = ("x", "y", "z"),
        search: float = 0.1,
        select: float = 0.1,
        seed: int = 0,
        crop: bool = False,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        """Describe the data set; no image is opened.

        Args:
            folder: Holds ``images``, ``segmentation``, ``gt_sets`` and, where wanted, ``depth`` and ``normals``.
            size: Height and width in pixels of the images to make (the originals are 480 x 640).
            classes: Number of classes.
            normal_axes: What the three channels of the normals hold: x right, y up, z towards the camera.
            search: Share or number of training images that score candidates.
            select: Share or number of training images that choose among finalists.
            seed: Another seed cuts other blocks.
            crop: Use the middle of images of another aspect ratio instead of refusing them.
            cache: Cache folder; ``$EDNAS_CACHE`` or ``~/.cache/ednas`` when ``None``.

        Raises:
            DataError: A folder is missing or an argument lies outside its range.
        """
        self.axes = reading.check_axes(normal_axes)
        options = {"classes": classes, "normal_axes": self.axes}
        super().__init__(folder, size, search, select, seed, crop, cache, options)
        self.classes = class_names("nyuv2", classes)
        for name in ("images", "segmentation", "gt_sets"):
            reading.need_folder(self.folder, name)

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Labels whose folder exists."""
        return tuple(target for target, (name, _) in _FOLDERS.items() if (self.folder / name).is_dir())

    def listed(self) -> dict[str, Sequence[Record]]:
        """Return the images of ``gt_sets/train.txt`` and ``val.txt``, each in blocks of neighbours."""
        return {"train": self._records("train"), "test": self._records("val")}

    def _records(self, part: str) -> list[Record]:
        listed = self.folder / "gt_sets" / f"{part}.txt"
        names = sorted(reading.read_lines(listed), key=natural)
        records = []
        for position, name in enumerate(names):
            image = reading.inside(self.folder, f"images/{name}.jpg", listed)
            if not image.exists() and image.with_suffix(".png").exists():
                image = image.with_suffix(".png")
            files = {"image": image}
            for target in self.targets:
                sub, suffix = _FOLDERS[target]
                files[target] = self.folder / sub / f"{name}{suffix}"
            records.append(Record(name, f"{part} {block(position, len(names))}", files))
        return records

    def decode(self, record: Record) -> Raw:
        """Read one image; see :meth:`FolderSource.decode`."""
        files = record.files
        return Raw(
            reading.read_rgb(files["image"]),
            self._classes(record),
            npy_depth(files["depth"], normalised=False) if "depth" in files else None,
            npy_normals(files["normals"], self.axes) if "normals" in files else None,
        )

    def _classes(self, record: Record) -> np.ndarray:
        """Read labels that count from 1."""
        path = record.files["segmentation"]
        stored = reading.flat(reading.read_picture(path), path)
        wrong = np.unique(stored[(stored > len(self.classes)) & (stored != 255)])
        if wrong.size:
            raise DataError(f"{wrong_ids(str(path), wrong, len(self.classes) + 1)} (this layout counts from 1)")
        # The byte 0 wraps to 255, which is no class.
        return np.where(stored == 255, np.uint8(255), stored.astype(np.uint8) - np.uint8(1))
