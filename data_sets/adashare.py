"""AdaShare's lists: `nyu_v2_3task.json` (PNG and npy files, 40 classes) or `cityscape.json` (npy files).

Sun et al., "AdaShare: Learning What To Share For Efficient Deep Multi-Task Learning", NeurIPS 2020.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from data_sets import writing
from data_sets.classes import CITYSCAPES_19_TO_2, class_names
from data_sets.npy_labels import npy_classes, npy_depth, npy_image
from data_sets.writing import empty_folder, save
from ednas_nni.data import reading
from ednas_nni.data.class_names import CITYSCAPES_19_TO_7
from ednas_nni.data.info import Array, LabelFacts
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.layouts.cutting import block, natural
from ednas_nni.data.layouts.record import ImageRecord, RawImage
from ednas_nni.data.source import DataSource
from ednas_nni.errors import DataError, did_you_mean

LISTS = {"nyuv2": "nyu_v2_3task.json", "cityscapes": "cityscape.json"}
_CITYSCAPES_LABELS = (2, 7, 19)
_ENTRIES = {
    "nyuv2": ("image", "segmentation", "normals", "depth"),
    "cityscapes": ("image", "depth", *(f"label_{n}" for n in _CITYSCAPES_LABELS)),
}


@dataclass(eq=False)
class AdaShare(FolderSource):
    """A folder with one of AdaShare's lists.

    NYUv2: bytes for images, classes (255 = none) and normals, metres for depth. The normals' three channels hold
    x right, the direction into the scene, and y up, each as (n + 1) / 2 * 255; white = invalid. CityScapes: MTAN's
    `.npy` files with 2, 7 and 19 classes and disparity divided by 65535.

    The list's `train` (or `train1` and `train2`, AdaShare's halves for weights and policy) is cut by blocks of
    neighbours; `test` (or `val`) is the test split.

    Attributes:
        folder: Holds the list and the files it names.
        dataset: `nyuv2` or `cityscapes`; by default what the files are.
        classes: By default 40 for nyuv2, 19 for cityscapes (or 2 or 7).
        normal_axes: What the channels of normals hold: x right, y up, z towards the camera.
    """

    name: ClassVar[str] = "adashare"

    dataset: str | None = None
    classes: int | None = None
    normal_axes: list[str] | tuple[str, ...] = ("x", "-z", "y")

    def __post_init__(self) -> None:
        """Check the options and that there is a list."""
        super().__post_init__()
        self.normal_axes = reading.check_axes(self.normal_axes)
        if self.dataset is not None and self.dataset not in LISTS:
            raise DataError(f"dataset is {self.dataset!r}.{did_you_mean(self.dataset, LISTS)}")
        there = [name for name, file in LISTS.items() if (self.root / file).is_file()]
        if not there:
            raise DataError(f"{self.root}: holds none of AdaShare's lists ({', '.join(LISTS.values())})")
        if self.dataset is None and len(there) > 1:
            raise DataError(f"{self.root}: holds both of AdaShare's lists; set data.dataset to nyuv2 or cityscapes")
        self._dataset = self.dataset or there[0]
        count = self.classes if self.classes is not None else 40 if self._dataset == "nyuv2" else 19
        if self._dataset == "cityscapes" and count not in _CITYSCAPES_LABELS:
            raise DataError(f"classes is {count!r}; {LISTS['cityscapes']} lists labels with 2, 7 and 19 classes")
        self._names = class_names(self._dataset, count)

    def described(self) -> LabelFacts:
        """Three labels of NYUv2, two of CityScapes."""
        if self._dataset == "nyuv2":
            return LabelFacts(classes=self._names)
        return LabelFacts(targets=("segmentation", "depth"), classes=self._names, depth_kind="inverse", depth_unit="1")

    @cached_property
    def _lists(self) -> dict[str, Any]:
        path = self.root / LISTS[self._dataset]
        lists = reading.read_json(path)
        if not isinstance(lists, dict):
            raise DataError(f"{path}: holds a {type(lists).__name__}; an object with lists train and test is needed")
        return lists

    def listed(self) -> dict[str, Sequence[ImageRecord]]:
        """Return the images of `train`, else `train1` and `train2`, and of `test`, else `val`."""
        halves = "train" not in self._lists and "train1" in self._lists
        test = "val" if "test" not in self._lists and "val" in self._lists else "test"
        return {"train": self._listed(["train1", "train2"] if halves else ["train"]), "test": self._listed([test])}

    def _listed(self, modes: list[str]) -> list[ImageRecord]:
        path, roles = self.root / LISTS[self._dataset], _ENTRIES[self._dataset]
        entries: list[list[str]] = []
        for mode in modes:
            listed = self._lists.get(mode)
            if not isinstance(listed, list):
                raise DataError(f"{path}: has no list {mode!r}.{did_you_mean(mode, self._lists)}")
            for entry in listed:
                names = isinstance(entry, list) and all(isinstance(name, str) for name in entry)
                if not names or len(entry) != len(roles):
                    raise DataError(
                        f"{path}: {mode} holds {str(entry)[:120]!r}; each entry lists {len(roles)} files: "
                        f"{', '.join(roles)}"
                    )
            entries.extend(listed)
        entries.sort(key=lambda entry: natural(entry[0]))
        records = []
        for position, entry in enumerate(entries):
            files = dict(zip(roles, (reading.inside(self.root, name, path) for name in entry), strict=True))
            if self._dataset == "cityscapes":
                labels = files[f"label_{len(self._names)}"]
                files = {"image": files["image"], "segmentation": labels, "depth": files["depth"]}
            key = Path(entry[0]).with_suffix("").as_posix()
            records.append(ImageRecord(key, f"{modes[0]} {block(position, len(entries))}", files))
        return records

    def decode(self, record: ImageRecord) -> RawImage:
        """Read one image and its labels."""
        files, classes = record.files, len(self._names)
        labels: dict[str, Array]
        label, depth = files["segmentation"], files["depth"]
        if self._dataset == "cityscapes":
            labels = {"segmentation": npy_classes(label, classes), "depth": npy_depth(depth, normalised=True)}
            return RawImage(npy_image(files["image"]), labels)
        stored = reading.flat(reading.read_picture(label), label)
        labels = {
            "segmentation": reading.class_ids(stored, classes, label, ignore=(255,)),
            "depth": npy_depth(depth, normalised=False),
            "normals": self._normals(files["normals"]),
        }
        return RawImage(reading.read_rgb(files["image"]), labels)

    def _normals(self, path: Path) -> NDArray[np.float32]:
        """Decode bytes into vectors of length about 1; they stay as they are, without scaling to exactly 1."""
        coded = reading.read_rgb(path)
        valid = (coded != 255).any(-1, keepdims=True)
        # About one pixel in a hundred of the real files is mid-grey, hardly a direction; AdaShare counts it as valid,
        # and so do we, so that its protocol gives its numbers.
        normals = reading.oriented(coded.astype(np.float32) * np.float32(2 / 255) - 1, self.normal_axes)
        return np.where(valid, normals, np.float32(0))

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """It has a list."""
        return any((folder / name).is_file() for name in LISTS.values())

    @staticmethod
    def write(source: DataSource, folder: str | os.PathLike[str], dataset: str | None = None) -> dict[str, object]:
        """Write AdaShare's NYUv2 files (PNG, npy and `nyu_v2_3task.json`) or CityScapes files (`cityscape.json`).

        Args:
            source: Any data set; its train, search and select splits become `train`, its test split `test`.
            folder: A new or empty folder.
            dataset: `nyuv2` (needs classes, depth and normals) or `cityscapes` (needs 19 classes and depth); `None` =
                cityscapes for data without metric depth, else nyuv2.

        Raises:
            DataError: The folder is not empty, or the data set lacks what the layout needs.
        """
        info = source.info
        dataset = dataset or ("nyuv2" if info.depth_kind == "metric" else "cityscapes")
        if dataset not in LISTS:
            raise DataError(f"dataset is {dataset!r}.{did_you_mean(dataset, LISTS)}")
        needed = ("segmentation", "depth", "normals")
        writing.need_targets(info, needed if dataset == "nyuv2" else needed[:2], f"{AdaShare.name} ({dataset})")
        if dataset == "cityscapes" and info.num_classes != 19:
            raise DataError(
                f"data set {info.name!r} has {info.num_classes} classes; the layout {AdaShare.name} (cityscapes) holds "
                "labels with 19, 7 and 2 classes, which are made from 19"
            )
        root = empty_folder(folder)
        lists: dict[str, list[list[str]]] = {"train": [], "test": []}
        before = 0
        for part, entries in lists.items():
            for number, row in writing.rows(source, part, AdaShare.name):
                if dataset == "nyuv2":
                    row["depth"] = writing.metres(row["depth"], info)
                    row["segmentation"] = writing.byte_labels(row["segmentation"], info)
                    entries.append(_write_nyuv2(root, f"{before + number:04d}", row))
                else:
                    row["depth"] = writing.normalised_disparity(row["depth"], info)
                    row["segmentation"] = writing.signed_labels(row["segmentation"], info)
                    entries.append(_write_cityscapes(root / part, number, row))
            if dataset == "nyuv2":  # its files lie in common folders
                before += len(entries)
        (root / LISTS[dataset]).write_text(json.dumps(lists, indent=1) + "\n", encoding="utf-8")
        return {"classes": info.num_classes}


def _write_nyuv2(root: Path, name: str, row: dict[str, Array]) -> list[str]:
    """Write one image and return its entry of the list."""
    normals = row["normals"].astype(np.float32)
    # Red, green and blue hold x (right), the direction into the scene (-z) and y (up).
    coded = np.rint((np.stack([normals[..., 0], -normals[..., 2], normals[..., 1]], -1) + 1) * 127.5)
    coded = np.where(normals.any(-1, keepdims=True), coded, 255).clip(0, 255).astype(np.uint8)
    return [
        save(root / "img" / f"{name}.png", row["image"]),
        save(root / "seg" / f"{name}.png", row["segmentation"]),
        save(root / "normal_mask" / f"{name}.png", coded),
        save(root / "depth" / f"{name}.npy", row["depth"]),
    ]


def _write_cityscapes(root: Path, number: int, row: dict[str, Array]) -> list[str]:
    """Write one image and return its entry of the list."""
    fine = row["segmentation"]
    coarse = [np.where(fine < 0, np.int16(-1), t[fine.clip(0)]) for t in (CITYSCAPES_19_TO_2, CITYSCAPES_19_TO_7)]
    values = (row["image"].astype(np.float32) / 255, row["depth"][..., None], *coarse, fine)
    return [
        f"{root.name}/{save(root / name / f'{number}.npy', array)}"
        for name, array in zip(_ENTRIES["cityscapes"], values, strict=True)
    ]
