"""NYUD_MT: `images/*.jpg, segmentation/*.png, depth/*.npy, normals/*.npy (or .png), gt_sets/{train,val}.txt`.

The layout of Vandenhende et al., "Multi-Task Learning for Dense Prediction Tasks: A Survey", TPAMI 2021.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_sets import writing
from data_sets.classes import class_names
from data_sets.npy_labels import npy_depth, npy_normals
from data_sets.writing import empty_folder, save
from ednas_nni.data import reading
from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.data.kinds import Storage, label_kind
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.layouts.cutting import block, natural
from ednas_nni.data.layouts.record import ImageRecord, RawImage
from ednas_nni.data.source import DataSource
from ednas_nni.errors import DataError

_FILES = {"segmentation": (".png",), "depth": (".npy",), "normals": (".npy", ".png")}
"""Endings, the usual one first; ATRC, InvPT and TaskPrompter keep normals as pictures."""


@dataclass(eq=False)
class NYUDMT(FolderSource):
    """A folder in the layout of NYUD_MT.

    In the label images 0 (and 255) is no class and 1 the first class. Depth is in metres, 0 = invalid. `train.txt`
    is cut into train, search and select by blocks of neighbours; `val.txt` is the test split. The edge maps that
    the data set brings along are not read: the task `edges` makes its own from the classes.

    Attributes:
        folder: Holds `images`, `segmentation`, `gt_sets` and, where wanted, `depth` and `normals`.
        classes: Number of classes.
        normal_axes: What the channels of normals hold: x right, y up, z towards the camera.
    """

    name: ClassVar[str] = "nyud_mt"

    classes: int = 40
    normal_axes: list[str] | tuple[str, ...] = ("x", "y", "z")

    def __post_init__(self) -> None:
        """Check the options and that the folders exist."""
        super().__post_init__()
        self.normal_axes = reading.check_axes(self.normal_axes)
        self._names = class_names("nyuv2", self.classes)
        for name in ("images", "segmentation", "gt_sets"):
            reading.need_folder(self.root, name)

    def described(self) -> LabelFacts:
        """The labels whose folder exists."""
        return LabelFacts(targets=tuple(name for name in _FILES if (self.root / name).is_dir()), classes=self._names)

    def listed(self) -> dict[str, Sequence[ImageRecord]]:
        """Return the images of `gt_sets/train.txt` and `val.txt`, each in blocks of neighbours."""
        return {"train": self._listed("train"), "test": self._listed("val")}

    def _listed(self, part: str) -> list[ImageRecord]:
        listed = self.root / "gt_sets" / f"{part}.txt"
        names = sorted(reading.read_lines(listed), key=natural)
        records = []
        for position, name in enumerate(names):
            image = _there(reading.inside(self.root, f"images/{name}", listed), (".jpg", ".png"))
            labels = {target: _there(self.root / target / name, _FILES[target]) for target in self.facts.targets}
            records.append(ImageRecord(name, f"{part} {block(position, len(names))}", {"image": image, **labels}))
        return records

    def decode(self, record: ImageRecord) -> RawImage:
        """Read one image and its labels."""
        files = record.files
        labels: dict[str, Array] = {"segmentation": self._classes(files["segmentation"])}
        if "depth" in files:
            labels["depth"] = npy_depth(files["depth"], normalised=False)
        if "normals" in files:
            picture = not reading.is_npy(files["normals"])
            labels["normals"] = (
                label_kind("normals").read(files["normals"], Storage(normal_axes=self.normal_axes))
                if picture
                else npy_normals(files["normals"], self.normal_axes)
            )
        return RawImage(reading.read_rgb(files["image"]), labels)

    def _classes(self, path: Path) -> NDArray[np.uint8]:
        """Read labels that count from 1."""
        stored = reading.flat(reading.read_picture(path), path)
        wrong = np.unique(stored[(stored > len(self._names)) & (stored != 255)])
        if wrong.size:
            raise DataError(f"{reading.wrong_ids(str(path), wrong, len(self._names) + 1)} (this layout counts from 1)")
        # The byte 0 wraps to 255, which is no class.
        return np.where(stored == 255, np.uint8(255), stored.astype(np.uint8) - np.uint8(1))

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """It has lists and images."""
        return (folder / "gt_sets").is_dir() and (folder / "images").is_dir()

    @staticmethod
    def write(source: DataSource, folder: str | os.PathLike[str], quality: int = 95) -> dict[str, object]:
        """Write `images/*.jpg, segmentation/*.png, depth/*.npy, normals/*.npy` and `gt_sets/{train,val}.txt`.

        Args:
            source: Any data set with classes; train, search and select become `train.txt`, test becomes `val.txt`.
            folder: A new or empty folder.
            quality: JPEG quality of the images, 1..95; they lose a little.

        Raises:
            DataError: The folder is not empty, or the data set lacks what the layout needs.
        """
        info = source.info
        writing.need_targets(info, ("segmentation",), NYUDMT.name)
        root = empty_folder(folder)
        for sub in ("images", "gt_sets"):
            (root / sub).mkdir()
        before = 0
        for part, listed in (("train", "train.txt"), ("test", "val.txt")):
            names = []
            for number, row in writing.rows(source, part, NYUDMT.name):
                name = f"{before + number:04d}"
                names.append(name)
                Image.fromarray(row["image"]).save(root / "images" / f"{name}.jpg", quality=quality, subsampling=0)
                coded = (writing.signed_labels(row["segmentation"], info) + 1).astype(np.uint8)
                save(root / "segmentation" / f"{name}.png", coded)
                if "depth" in row:
                    save(root / "depth" / f"{name}.npy", writing.metres(row["depth"], info))
                if "normals" in row:
                    save(root / "normals" / f"{name}.npy", row["normals"].astype(np.float32))
            (root / "gt_sets" / listed).write_text("\n".join(names) + "\n", encoding="utf-8")
            before += len(names)
        return {"classes": info.num_classes}


def _there(path: Path, endings: Sequence[str]) -> Path:
    """Return the file with the first ending that exists, else with the first."""
    files = [path.parent / f"{path.name}{ending}" for ending in endings]
    return next((file for file in files if file.exists()), files[0])
