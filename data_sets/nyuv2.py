"""The data set `nyuv2`: the raw labelled set of NYU Depth V2 as it is downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from data_sets import writing
from data_sets.classes import NYU_40_TO_13
from data_sets.geometry import NYUV2, normals_from_depth, reach
from data_sets.nyuv2_files import (
    LABELED,
    LABELS,
    MAPPING_13,
    MAPPING_40,
    SPLITS,
    LabeledFile,
    needed,
    place,
    read_mapping,
    read_splits,
)
from data_sets.writing import empty_folder
from ednas_nni.data.class_names import NYU13
from ednas_nni.data.info import TARGETS, Array, LabelFacts, in_order
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.layouts.record import ImageRecord, RawImage
from ednas_nni.data.source import DataSource
from ednas_nni.errors import DataError, did_you_mean

DEPTHS = {"inpainted": "depths", "raw": "rawDepths"}
FULL_SIZE = (480, 640)
INSIDE = (slice(45, 471), slice(41, 601))
"""Rows and columns without the white border of the colour images (Eigen et al., NeurIPS 2014)."""

_PER_SCENE = 4  # of what `write` writes


@dataclass(eq=False)
class NYUv2(FolderSource):
    """1449 pictures of rooms with 40 or 13 classes, depth in metres and normals computed from it.

    The official 795 training images are cut into train, search and select by whole scenes (parts
    such as `bedroom_0014a` and `bedroom_0014b` stay together); the official 654 test images are the test split. Needs
    the extra `nyuv2` (h5py, scipy).

    Attributes:
        folder: Holds `nyu_depth_v2_labeled.mat`, `splits.mat`, `classMapping40.mat` and, if you have it,
            `class13Mapping.mat`.
        classes: 13 or 40.
        depth: `inpainted` (holes filled by the authors) or `raw` (holes invalid).
        depth_max: Depths beyond, in m, are invalid.
        keep_border: Keep the white border of the images.
        targets: Labels to read.
    """

    name: ClassVar[str] = "nyuv2"

    size: tuple[int, int] = (96, 128)
    classes: int = 13
    depth: str = "inpainted"
    depth_max: float = 10.0
    keep_border: bool = False
    targets: list[str] | tuple[str, ...] = TARGETS

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if self.classes not in (13, 40) or isinstance(self.classes, bool):
            raise DataError(f"classes is {self.classes!r}; allowed are 13 and 40")
        if self.depth not in DEPTHS:
            raise DataError(f"depth is {self.depth!r}.{did_you_mean(self.depth, DEPTHS)}")
        if not self.depth_max > 0:
            raise DataError(f"depth_max is {self.depth_max!r}; it must be above 0, in metres")
        if not self.targets or set(self.targets) - set(TARGETS):
            raise DataError(f"targets is {list(self.targets)}; allowed are {', '.join(TARGETS)}")
        self.targets = in_order(list(dict.fromkeys(self.targets)))
        self.depth_max, self.keep_border = float(self.depth_max), bool(self.keep_border)

    def described(self) -> LabelFacts:
        """The options, and the class names; a user's class13Mapping.mat brings its own."""
        names = self._mapping[1] if "segmentation" in self.targets else ()
        return LabelFacts(targets=tuple(self.targets), classes=names, depth_max=self.depth_max)

    @cached_property
    def _labeled(self) -> LabeledFile:
        return LabeledFile(self.root / LABELED)

    @cached_property
    def _mapping(self) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        return read_mapping(self.root, self.classes)

    def listed(self) -> dict[str, Sequence[ImageRecord]]:
        """Return the official training images, in groups of a scene with all its parts, and the test images."""
        scenes = self._labeled.scenes()
        files: dict[str, Path] = {"image": self.root / LABELED, "splits": self.root / SPLITS}
        if "segmentation" in self.targets:
            names = (MAPPING_40, MAPPING_13) if self.classes == 13 else (MAPPING_40,)
            files |= {name: self.root / name for name in names if (self.root / name).exists()}
        records: dict[str, Sequence[ImageRecord]] = {}
        for split, indices in read_splits(self.root / SPLITS, len(scenes)).items():
            # The official cut is by scene; only the training images are cut further.
            groups = [place(scenes[i]) if split == "train" else f"test {scenes[i]}" for i in indices]
            records[split] = [
                ImageRecord(f"{i + 1:04d}", group, files, int(i)) for i, group in zip(indices, groups, strict=True)
            ]
        return records

    def decode(self, record: ImageRecord) -> RawImage:
        """Read one image and its labels."""
        image, labels, depth = self._labeled.read(record.index, DEPTHS[self.depth])
        height, width = depth.shape
        inside = (slice(None), slice(None)) if self.keep_border else _inside(height, width)
        arrays: dict[str, Array] = {}
        if "segmentation" in self.targets:
            table, _ = self._mapping
            if labels.max(initial=0) >= len(table):
                raise DataError(
                    f"{self._labeled.path}: image {record.index + 1} has the label {labels.max()}, but NYUv2 has "
                    f"labels up to {len(table) - 1}. Download the file again."
                )
            arrays["segmentation"] = table[labels][inside]
        if "depth" in self.targets:
            arrays["depth"] = depth[inside]
        if "normals" in self.targets:
            # Before anything is cut: the camera's numbers are those of the whole picture.
            camera = NYUV2 if (height, width) == FULL_SIZE else NYUV2.resized(FULL_SIZE, (height, width))
            arrays["normals"] = normals_from_depth(depth, camera, *reach(height))[inside]
        return RawImage(image[inside], arrays)

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """It has the labelled set."""
        return (folder / LABELED).is_file()

    @staticmethod
    def write(source: DataSource, folder: str | os.PathLike[str]) -> dict[str, object]:
        """Write `nyu_depth_v2_labeled.mat`, `splits.mat`, `classMapping40.mat` and `class13Mapping.mat`.

        Arrays have their axes reversed, image numbers count from 1, and the 894 raw labels are made up: label i belongs
        to class i modulo 40. Four images after each other are a scene. Normals are not part of the layout.

        Args:
            source: A data set with the 13 classes of NYUv2 or 40 classes, and depth that can be told in metres; its
                train, search and select splits become the training images, its test split the test images.
            folder: A new or empty folder.

        Raises:
            DataError: The folder is not empty, or the data set lacks what the layout needs.
        """
        h5py, savemat = needed("h5py"), needed("scipy.io").savemat
        info = source.info
        writing.need_targets(info, ("segmentation", "depth"), "nyuv2")
        if info.num_classes not in (13, 40):
            raise DataError(
                f"data set {info.name!r} has {info.num_classes} classes; the layout nyuv2 holds 40, or 13 of them"
            )
        # Of each class the first of the 40 that belongs to it.
        first = [int(np.argmax(c == NYU_40_TO_13)) for c in range(13)]
        to_raw = np.zeros(256, np.uint16)
        to_raw[: info.num_classes] = np.array(first if info.num_classes == 13 else range(40)) + 1
        test = info.counts["test"]
        train = sum(info.counts.values()) - test
        total, (height, width) = train + test, info.size
        root = empty_folder(folder)
        with h5py.File(root / LABELED, "w") as file:
            images = file.create_dataset("images", (total, 3, width, height), np.uint8, chunks=(1, 3, width, height))
            labels = file.create_dataset("labels", (total, width, height), np.uint16, chunks=(1, width, height))
            depths = [
                file.create_dataset(name, (total, width, height), np.float32, chunks=(1, width, height))
                for name in ("depths", "rawDepths")
            ]
            for part, before in (("train", 0), ("test", train)):
                for number, row in writing.rows(source, part, "nyuv2"):
                    index = before + number
                    # A second raw label of the same class on every other image, as the real file has many.
                    raw = to_raw[writing.byte_labels(row["segmentation"], info)]
                    labels[index] = np.where((raw > 0) & (number % 2 == 1), raw + 40, raw).T
                    images[index] = row["image"].transpose(2, 1, 0)
                    for dataset in depths:
                        dataset[index] = writing.metres(row["depth"], info).T
            group = file.create_group("#refs#")
            scenes = file.create_dataset("scenes", (1, total), h5py.ref_dtype)
            for index in range(total):
                codes = np.array([[ord(letter)] for letter in f"scene_{index // _PER_SCENE:04d}"], np.uint16)
                scenes[0, index] = group.create_dataset(f"s{index}", data=codes).ref
        numbers = np.arange(total)[:, None] + 1
        savemat(root / SPLITS, {"trainNdxs": numbers[:train], "testNdxs": numbers[train:]})
        savemat(root / MAPPING_40, {"mapClass": (np.arange(LABELS) % 40 + 1)[None].astype(np.uint8)})
        names = np.array([[name.capitalize() for name in NYU13]], object)
        savemat(root / MAPPING_13, {"classMapping13": {"labels": (NYU_40_TO_13 + 1)[None], "names": names}})
        return {"classes": info.num_classes, "keep_border": True}


def _inside(height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns without the white border, also of files of another resolution."""
    down, across = height / FULL_SIZE[0], width / FULL_SIZE[1]
    rows, columns = INSIDE
    return (
        slice(round(rows.start * down), round(rows.stop * down)),
        slice(round(columns.start * across), round(columns.stop * across)),
    )
